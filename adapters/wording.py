"""What Candor says of itself: one voice for both platforms, short and honest."""

from typing import Final

from bot.core import Problem

WAITING_FOR_MODEL: Final = "_The model is starting; I answer as soon as it is up._"
EMPTY_ANSWER: Final = "_The model gave an empty answer. Please ask in other words._"
CUT_BY_LENGTH: Final = "_(cut here: the answer reached its maximum length)_"
STOPPED: Final = "_(interrupted: I was stopped. Please ask again.)_"

_PROBLEMS: Final[dict[Problem, str]] = {
    "busy": "Too many questions are waiting right now, so I did not take this one. "
    "Please ask again in a minute.",
    "too_long": "This message is longer than what my model can read at once. Please shorten it.",
    "model_unavailable": "The model is not available right now. Please ask again in a moment.",
    "model_refuses": "The model's server refused the request; whoever runs me finds the reason in "
    "the log.",
    "store": "I can't reach my memory right now. Please ask again in a moment.",
    "error": "Something went wrong on my side; whoever runs me finds the reason in the log.",
}


def problem(kind: Problem) -> str:
    """The line for a problem that left no whole answer."""
    return f"_{_PROBLEMS[kind]}_"
