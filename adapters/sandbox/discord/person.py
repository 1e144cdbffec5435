"""What people do and see: their text with handles on one side, the platform's on the other.

A person types `@candor` and the platform stores the bot's mention, as Discord's own client does;
what is shown to people has handles again.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from adapters.sandbox.discord.components import buttons_of
from adapters.sandbox.discord.errors import ApiError
from adapters.sandbox.discord.flags import MessageFlag
from adapters.sandbox.discord.ids import (
    BOT_ROLE_ID,
    BOT_USER_ID,
    MODERATOR_ROLE_ID,
    PEOPLE_IDS,
    PEOPLE_ROLE_ID,
)
from adapters.sandbox.discord.model import (
    AwayChannel,
    DirectChannel,
    Json,
    Message,
    TextChannel,
    Thread,
)
from adapters.sandbox.discord.state import State
from adapters.sandbox.platform import (
    BOT_HANDLE,
    DM,
    AuditView,
    ControlError,
    MessageView,
    ReactionView,
)

HANDLES: Final[dict[str, int]] = {BOT_HANDLE: BOT_USER_ID, **PEOPLE_IDS}
_NAMES: Final[dict[int, str]] = {
    **{number: handle for handle, number in HANDLES.items()},
    BOT_ROLE_ID: BOT_HANDLE,
    PEOPLE_ROLE_ID: "people",
    MODERATOR_ROLE_ID: "moderators",
}
_TYPED: Final = re.compile(r"(?<![\w@])@(\w+)")
_STORED: Final = re.compile(r"<@[!&]?(\d{1,20})>")
THREAD_NAME_LENGTH: Final = 40


def to_wire(state: State, text: str) -> str:
    """What a person typed, with mentions of who is there in the platform's form."""

    def mention(match: re.Match[str]) -> str:
        number = HANDLES.get(match[1])
        return f"<@{number}>" if number in state.users else match[0]

    return _TYPED.sub(mention, text)


def to_people(content: str) -> str:
    """A message's content, with mentions as handles; unknown ones stay as they are."""
    return _STORED.sub(
        lambda match: f"@{_NAMES[int(match[1])]}" if int(match[1]) in _NAMES else match[0], content
    )


def person_id(state: State, handle: str) -> int:
    """A person's user id; raises ControlError for anybody else, the bot included."""
    number = PEOPLE_IDS.get(handle)
    if number not in state.users:
        raise ControlError(f"no such person: {handle!r}")
    return number


def channel_name(state: State, channel_id: int | None) -> str | None:
    """The name that people have for a channel; a thread goes by its parent. None if unknown."""
    match None if channel_id is None else state.channels.get(channel_id):
        case TextChannel(name=name):
            return name
        case Thread(parent_id=parent):
            return channel_name(state, parent)
        case DirectChannel():
            return DM
        case AwayChannel(name=name):
            return name
        case _:
            return None


def message_id(text: str) -> int:
    """A message id as people hand it in; raises ControlError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ControlError(f"no such message: {text[:40]!r}")
    return int(text)


def thread_name(source: Message) -> str:
    """How the client names a thread that a person starts: by the message it hangs under."""
    text = " ".join(to_people(source.content).split())
    return text[:THREAD_NAME_LENGTH] or "New Thread"


def view(state: State, message: Message) -> MessageView:
    """The message as people see it."""
    author = state.users[message.author_id]
    by_emoji: dict[str, list[str]] = {}
    for reaction in message.reactions:
        givers = by_emoji.setdefault(reaction.emoji, [])
        if (handle := _NAMES[reaction.user_id]) not in givers:
            givers.append(handle)
    channel = state.channel(message.channel_id)
    answered = message.reference.message_id if message.reference else None
    is_loading = message.flags & MessageFlag.LOADING
    return MessageView(
        id=str(message.id),
        user=_NAMES[author.id],
        bot=author.bot,
        text=f"{BOT_HANDLE} is thinking…" if is_loading else _readable(message),
        thread=str(channel.id) if isinstance(channel, Thread) else None,
        reply_to=None if answered is None else str(answered),
        edited=message.edited_at is not None,
        reactions=tuple(ReactionView(emoji, tuple(givers)) for emoji, givers in by_emoji.items()),
        buttons=tuple(buttons_of(message.components)),
        private=message.seen_by is not None,
    )


def _readable(message: Message) -> str:
    """All that a message shows, a line for each file and for what it forwards."""
    quoted = "" if message.forwarded is None else f"↪ {_readable(message.forwarded)}"
    files = (f"📎 {file.filename}" for file in message.attachments)
    return "\n".join(line for line in (to_people(message.content), quoted, *files) if line)


def audited(state: State, message: Message) -> AuditView:
    """The message as an auditor sees it."""
    place = state.channels[message.channel_id]
    person = _NAMES[place.recipient_id] if isinstance(place, DirectChannel) else None
    bursts: dict[str, list[str]] = {}
    for reaction in message.reactions:
        if reaction.burst:
            bursts.setdefault(_NAMES[reaction.user_id], []).append(reaction.emoji)
    return AuditView(
        view=view(state, message),
        channel=channel_name(state, place.id) or str(place.id),
        person=person,
        nonce=None if message.nonce is None else str(message.nonce),
        bursts=bursts,
    )


def storable(text: str) -> str:
    """Text that can go over the wire; raises ControlError for half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ControlError("the text is not valid Unicode") from None
    return text


@contextmanager
def telling() -> Iterator[None]:
    """Tell a person in one line what Discord would refuse, as ControlError."""
    try:
        yield
    except ApiError as error:
        reasons = "; ".join(_reasons(error.errors or {}))
        code = f"{error.refusal.text} ({error.refusal.code})"
        raise ControlError(f"{code}{reasons and ': ' + reasons}") from error


def _reasons(errors: Json, path: str = "") -> Iterator[str]:
    """The leaves of a nested error body as `field: message`."""
    for name, inner in errors.items():
        if name == "_errors":
            yield from (f"{path}: {leaf['message']}" for leaf in inner)
        else:
            yield from _reasons(inner, f"{path}.{name}" if path else name)
