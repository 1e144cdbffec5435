"""The client of any OpenAI-compatible server: stream an answer, count tokens, ask how it is.

Where OpenAI's API has no word it uses vLLM's (`/tokenize`, `max_model_len`) and does without what
the server lacks. Never imports torch. Foreign errors end here: ModelUnavailable is worth a repeat,
ModelError is not, TooLong and Busy are for the person who asked.
"""

from bot.model.abilities import Served
from bot.model.chat import Delta, Message
from bot.model.client import Model

__all__ = ["Model", "Message", "Delta", "Served"]
