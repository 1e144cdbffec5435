"""What Candor says of itself: one voice for both platforms, short and honest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from adapters.interaction import FormKind
from bot.domain import Control, Quote
from bot.events import Problem
from bot.hold import Held

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
    "full": "The answer is as long as what my model can read at once, so I can't go on with it.",
    "error": "Something went wrong on my side; whoever runs me finds the reason in the log.",
}


def waiting(reason: Literal["model", "store"]) -> str:
    """The line for an answer that has to wait."""
    return _WAITING[reason]


def problem(kind: Problem) -> str:
    """The line for a problem that left no whole answer."""
    return f"_{_PROBLEMS[kind]}_"


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


# What a question's context lacks


def notes(texts: Sequence[str]) -> str:
    """The lines under an answer that tell what was not read, or left out."""
    return "\n".join(f"_({text})_" for text in texts)


# Holding an answer, and votes by buttons

FORGOTTEN: Final = "I don't remember this answer any more."
BOTS_DECIDE_NOTHING: Final = "Only people can do that."
NOT_YOURS: Final = "Only the person who asked, or a moderator, can do that."
NOTHING_RUNS: Final = "I am not answering anything here right now."

SAY_WHY: Final = (
    "Tell the people who run me what was wrong with it, if you like; nobody else sees it."
)
REASON_KEPT: Final = "Thank you. Only the people who run me can read it."
REASON_CUT: Final = "Thank you. It was long: I kept the first {count:,} characters of it."
REASON_EMPTY: Final = "There was nothing in it, so I kept nothing."

_REFUSALS: Final[dict[Held, str]] = {
    "denied": NOT_YOURS,
    "unknown": FORGOTTEN,
    "ended": "This answer has ended already.",
    "open": "I am at it already.",
    "whole": "This answer is whole; there is nothing to go on with.",
    "gone": "The question, or a part of the answer, was deleted.",
    "changed": "I have changed since I gave this answer, so I can't go on with it. Trying again "
    "gives you a new one.",
    "most": "I have tried this question often enough. Please ask it in other words.",
    "busy": "Too many questions are waiting right now. Please try again in a minute.",
}

_VOTES: Final[dict[int | None, str]] = {
    1: "Your vote on this answer: 👍.",
    -1: "Your vote on this answer: 👎.",
    0: "You have given both thumbs now, so your vote counts for neither.",
    None: "You took your vote back.",
}


def refused(outcome: Held) -> str | None:
    """Why a wish about an answer was not granted; None when it was."""
    return _REFUSALS.get(outcome)


def voted(value: int | None, *, pressed: bool) -> str:
    """What a person's vote is after a press on a button, which is pressed now or taken back."""
    if not pressed and value is not None:
        return f"You took the button back; your reaction still counts. {_VOTES[value]}"
    return _VOTES[value]
