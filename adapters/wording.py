"""What Candor says of itself: one voice for both platforms, short and honest."""

from dataclasses import dataclass
from typing import Final, Literal

from adapters.interaction import FormKind
from bot.domain import Control, Quote
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
LACKS_CONTENT: Final = (
    "Without the message content intent I see only messages that mention me and direct messages: "
    "mention me in threads, too. Whoever runs me can switch it on in Discord's Developer Portal."
)


# Buttons, forms and commands


@dataclass(frozen=True, slots=True)
class FormWords:
    """What stands in a form of one field: a title of at most 24 characters, and the rest."""

    title: str
    label: str
    placeholder: str
    submit: str


BUTTONS: Final[dict[Control, str]] = {
    "stop": "Stop",
    "again": "Try again",
    "continue": "Continue",
    "up": "👍",
    "down": "👎",
}
OPENS: Final[dict[FormKind, str]] = {"reason": "Say why", "feedback": "Write it"}
"""The button that opens a form."""
FORMS: Final[dict[FormKind, FormWords]] = {
    "reason": FormWords(
        title="What was wrong?",
        label="Why was this answer not good?",
        placeholder="Only those who run me read this.",
        submit="Send",
    ),
    "feedback": FormWords(
        title="Feedback",
        label="What should those who run me know?",
        placeholder="Only they read this.",
        submit="Send",
    ),
}
ASK_FORM: Final = FormWords(
    title="Ask Candor about this",
    label="Your question",
    placeholder="Empty: I say what I make of it.",
    submit="Ask",
)
CLOSE: Final = "Cancel"
ABOUT_THIS: Final = "What do you make of this?"
"""What is asked about a message when nothing was typed."""

NOT_NOW: Final = (
    "I can't reach my memory right now, so I did not do this. Please try again shortly."
)
NOT_HERE: Final = "I can't do that here."
FAILED: Final = "Something went wrong on my side; whoever runs me finds the reason in the log."
NOTHING_ASKED: Final = "Write your question after the command: `/ask What is candour?`"
TOO_LONG: Final = "That is too long for this command. Please ask it in a message to me."
INVITE_ME: Final = (
    "I am not in this conversation, so I can't answer here. Invite me with `/invite`, "
    "or ask me in a direct message."
)
MESSAGE_GONE: Final = "I can't see that message any more."
FORM_LATE: Final = "That took too long, so the form did not open. Please press once more."


def asks(name: str, text: str, quote: Quote | None) -> str:
    """The message of ours that somebody's question is, for all to see."""
    lines = [f"**{name}** asks: {text}"]
    if quote is not None:
        lines += ["", *(f"> {line}" for line in f"{quote.author}: {quote.text}".splitlines())]
    return "\n".join(lines)


def unknown_command(typed: str) -> str:
    """The line for a command that is none of ours."""
    return f"I know no command `{typed[:40].replace('`', '')}`; `/candor help` lists mine."
