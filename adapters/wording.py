"""What Candor says of itself: one voice for both platforms, short and honest."""

from typing import Final, Literal

from bot.access import Reason
from bot.events import Problem

EMPTY_ANSWER: Final = "_The model gave an empty answer. Please ask in other words._"
CUT_BY_LENGTH: Final = "_(cut here: the answer reached its maximum length)_"
CUT_BY_TIME: Final = "_(cut here: the answer took too long)_"
PAUSED: Final = "_(I am being restarted, and finish this answer when I am back.)_"
STOPPED: Final = "_(stopped)_"

_WAITING: Final[dict[Literal["model", "store"], str]] = {
    "model": "_The model is starting; I answer as soon as it is up._",
    "store": "_I can't reach my memory right now; I answer as soon as it is back._",
}

_PROBLEMS: Final[dict[Problem, str]] = {
    "busy": "Too many questions are waiting right now, so I did not take this one. "
    "Please ask again in a minute.",
    "too_long": "This message is longer than what my model can read at once. Please shorten it.",
    "model_unavailable": "The model is not available right now. Please ask again in a moment.",
    "model_refuses": "The model's server refused the request; whoever runs me finds the reason in "
    "the log.",
    "interrupted": "I was interrupted here, and too long ago to go on. Please ask again: write the "
    "question once more, the way you did.",
    "withdrawn": "(stopped: the question was deleted)",
    "error": "Something went wrong on my side; whoever runs me finds the reason in the log.",
}


def waiting(reason: Literal["model", "store"]) -> str:
    """The line for an answer that has to wait."""
    return _WAITING[reason]


def problem(kind: Problem) -> str:
    """The line for a problem that left no whole answer."""
    return f"_{_PROBLEMS[kind]}_"


# Refusals

_REFUSALS: Final[dict[Reason, str]] = {
    "workspace": "I am not set up to answer in this workspace.",
    "channel": "I am not set up to answer in this channel.",
    "dm": "I don't answer direct messages here; please ask me in a channel.",
    "outside": "I answer people of this workspace only, and you are a guest from another one.",
    "person": "I am not set up to answer you.",
    "role": "I am not set up to answer people with one of your roles.",
    "bot": "I don't answer bots.",
}


def refused(reason: Reason) -> str:
    """The line for somebody who may not ask."""
    return f"{_REFUSALS[reason]} `/candor why` tells more."
