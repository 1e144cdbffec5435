"""What Candor says of itself: one voice for both platforms, short and honest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from adapters.interaction import FormKind
from bot.access import Reason
from bot.domain import Control, Quote, Release, Sampling
from bot.events import Problem
from bot.hold import Held
from bot.persona import SAMPLING, Persona
from bot.store.forgetting import Forgotten
from bot.store.refusals import Refusal
from bot.store.stats import Stats

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
    """What stands in a form of one field: a title of at most 24 characters (Slack), a label of at
    most 45 and a placeholder of at most 100 (Discord)."""

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

_NOT_HELD: Final[dict[Held, str]] = {
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


def not_held(outcome: Held) -> str | None:
    """Why a wish about an answer was not granted; None when it was."""
    return _NOT_HELD.get(outcome)


def voted(value: int | None, *, pressed: bool) -> str:
    """What a person's vote is after a press on a button, which is pressed now or taken back."""
    if not pressed and value is not None:
        return f"You took the button back; your reaction still counts. {_VOTES[value]}"
    return _VOTES[value]


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


def not_allowed(reason: Reason) -> str:
    """The line for somebody who may not ask."""
    return f"{_REFUSALS[reason]} `/candor why` tells more."


# Commands

WHOEVER: Final = "whoever runs me"
SHOWN: Final = 1500
"""Characters of a persona that are shown: a private message holds 2,000 on Discord."""

NEW_IN_CHANNEL: Final = (
    "In an open channel every question that begins a thread, or replies to nothing, begins anew "
    "by itself. Use this in a direct message or in a thread."
)
NEW: Final = "Done: from your next question on I know nothing of what was said here before."
FORGET: Final = (
    "I would delete your questions and my answers to them, your votes, reactions, reasons and "
    "remarks, and your name; what is being answered stops. It cannot be undone, and what stands in "
    "the channels stays there: delete that yourself. If you want it: `/candor forget me`"
)
NOT_REFUSED: Final = "I have not refused you within the last day, as far as I know."
FEEDBACK: Final = "What should whoever runs me know? Only they will read it."
REMARK_KEPT: Final = "Thank you. It is kept for whoever runs me."
REMARK_EMPTY: Final = "There was nothing in it, so I kept nothing."
PERSONA_FOR_MODERATORS: Final = "Only a moderator of this channel can change its persona."
PERSONA_RACE: Final = "Somebody else changed the persona at this moment. Look at it, and try again."
PERSONA_USAGE: Final = (
    "`/candor persona show`, `text …`, `sampling temperature=… top_p=… max_tokens=…` (a value of "
    "`default` leaves it to the release), or `reset`."
)

_WHY: Final[dict[Reason, str]] = {
    "workspace": "the settings do not allow this workspace",
    "channel": "the settings do not allow that channel",
    "dm": "the settings do not allow direct messages",
    "outside": "you come from another workspace, and the settings allow this one's people only",
    "person": "the settings do not allow you by your id or your roles",
    "role": "the settings refuse one of your roles",
    "bot": "the settings do not list you among the bots that are answered",
}

_COMMANDS: Final = """\
`/ask` a question, which everybody here sees with its answer
`/candor new` lets this conversation begin anew
`/candor model` tells what answers here
`/candor persona` shows what I am told in this channel; moderators change it
`/candor stats` counts questions and votes of this channel
`/candor privacy` tells what is kept
`/candor forget` deletes what is kept of you
`/candor why` tells why I refused you
`/candor feedback` goes to whoever runs me"""


def when(at: float) -> str:
    """A moment, for people anywhere."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def help_text(lacks: Sequence[str], unknown: str = "", nearest: str = "") -> str:
    """What there is; `lacks` are sentences about what does not work here, and why."""
    lines = []
    if unknown:
        meant = f" Did you mean `/candor {nearest}`?" if nearest else ""
        lines += [f"I don't know the command `{unknown}`.{meant}", ""]
    lines += [
        "Mention me, reply to me, write to me directly, or write on in a thread where I am. "
        "Vote with 👍 or 👎, by a reaction or a button: that tells what helps. `stop` stops "
        "me.",
        "",
        _COMMANDS,
    ]
    if lacks:
        lines += ["", "What I lack here:", *(f"• {each}" for each in lacks)]
    return "\n".join(lines)


def model(release: Release, drawn: Sampling, persona: str) -> str:
    """What answers in a place; `persona` is an id, or ""."""
    told = f"with this channel's persona `{persona}`" if persona else "with no persona"
    return (
        f"`{release.model}` answers here, as release `{release.id}`, {told}: temperature "
        f"{drawn.temperature:g}, top_p {drawn.top_p:g}, up to {drawn.max_tokens} tokens an answer."
    )


def persona(given: Persona, since: str) -> str:
    """A channel's persona; `since` tells who set it and when, or ""."""
    if not given.id:
        return f"This channel has no persona{since}. A moderator gives it one: {PERSONA_USAGE}"
    drawn = [
        f"{name} {getattr(given, name):g}" for name in SAMPLING if getattr(given, name) is not None
    ]
    text = given.text
    if len(text) > SHOWN:
        text = f"{text[:SHOWN]}… ({len(text) - SHOWN} characters more)"
    shown = ", ".join(drawn) or "as the release has it"
    lines = [f"Persona `{given.id}`{since}. Sampling: {shown}."]
    return "\n\n".join([*lines, text] if text else lines)


def stats(week: Stats, month: Stats) -> str:
    """The numbers of a channel."""
    return "\n".join((_numbers("7 days", week), _numbers("30 days", month)))


def _numbers(of: str, one: Stats) -> str:
    cut = "" if one.is_whole else f" (only the latest {one.questions} questions are counted)"
    return (
        f"Last {of}: {one.questions} questions by {one.people} people, {one.answers} answers; "
        f"👍 {one.up}, 👎 {one.down}; {one.share_voted:.0%} of the answers have a vote{cut}."
    )


def privacy(contact: str) -> str:
    """What is kept, how long, and whom to ask."""
    return (
        "I keep questions that I was asked, my answers, votes and their reasons, remarks, your id "
        "and your name, in the store of whoever runs me, until you say `/candor forget me`; why I "
        "refused you for a day. A question goes to the model that they chose, and with it what was "
        "said before in the conversation; where I am called into a thread, I keep for some time "
        "what was said there before. Other messages I read only to see whether they are for me. "
        "Nothing is trained on what you write unless they switch that on. "
        f"The whole of it is in docs/privacy.md. Ask {contact or WHOEVER} about it."
    )


def forgot(done: Forgotten) -> str:
    """What was forgotten."""
    return (
        f"Forgotten: {done.questions} of your questions with their answers, {done.votes} votes on "
        f"others' answers, {done.remarks} remarks and reasons, and your name. I remember only that "
        "you asked for it, so that nothing comes back."
    )


def why(refusal: Refusal, contact: str) -> str:
    """Why a person was refused last."""
    where = "in a direct message" if refusal.is_dm else f"in the channel `{refusal.channel}`"
    return (
        f"I refused you on {when(refusal.at)} {where}, because {_WHY[refusal.reason]}. "
        f"If that should be otherwise, ask {contact or WHOEVER}."
    )


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


# Long code as files

NO_FILES: Final = "_(The code is whole above, but I could not attach it as a file here.)_"
