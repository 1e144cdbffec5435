"""What Candor says of itself: one voice for both platforms, short and honest."""

from typing import Final, Literal

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


# Discord's interactions

NOTHING_CAME: Final = "I could not do this in time; nothing was changed that I know of. Try again."
"""Told when the store does not answer while a person waits."""
NO_QUESTION: Final = "I no longer know what this was about. Please use the menu once more."
ACCESS_ENDED: Final = "_(cut here: I am no member here, and after 15 minutes I may not write more)_"
ACCESS_SPENT: Final = "_(cut here: I am no member here, and Discord lets me say no more)_"
ABOUT_THIS: Final = "What do you say to this?"
"""The question about a message when its person asks none."""
LACKS_CONTENT: Final = (
    "Without the message content intent I see only messages that mention me and direct messages: "
    "mention me in threads, too. Whoever runs me can switch it on in Discord's Developer Portal."
)
