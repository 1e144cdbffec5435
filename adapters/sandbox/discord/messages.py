"""Messages: sending, editing, deleting, pinning, with the platform's checks.

The same transitions serve the bot's requests and the people's; all raise ApiError for what
Discord would refuse. A repeated nonce gives the first message and makes none.
"""

from dataclasses import replace

from adapters.sandbox.discord import threads
from adapters.sandbox.discord.changes import (
    MessageChanged,
    MessageCreated,
    MessageDeleted,
    PinsChanged,
)
from adapters.sandbox.discord.drafts import Draft, Edit, rewritten, written
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.flags import Permission
from adapters.sandbox.discord.model import (
    PINNED,
    SPOKEN,
    AwayChannel,
    Channel,
    DirectChannel,
    Message,
    Reference,
    Thread,
)
from adapters.sandbox.discord.state import State


def create(state: State, channel: Channel, author_id: int, draft: Draft) -> Message:
    """Send a message. An archived thread is unarchived by it, unless it is locked (160005)."""
    if draft.enforce_nonce and draft.nonce is not None:
        first = state.message_of_nonce(author_id, draft.nonce)
        if first is not None:
            return first
    # The answer to an interaction needs no permission to send.
    if draft.interaction is None:
        _require_may_send(state, channel, author_id)
    message = written(state, channel, author_id, draft)
    if isinstance(channel, Thread):
        threads.wake(state, channel)
        threads.join(state, channel.id, author_id)
    _store(state, message)
    return message


def edit(state: State, message: Message, editor_id: int, changed: Edit) -> Message:
    """Edit one's own message (50005 for another's). An edit pings nobody."""
    channel = state.channel(message.channel_id)
    if message.type not in SPOKEN:
        raise ApiError(Refusal.SYSTEM_MESSAGE)
    if message.author_id != editor_id:
        raise ApiError(Refusal.NOT_THE_AUTHOR)
    threads.require_not_archived(channel)
    edited = rewritten(state, message, changed)
    state.put_message(edited)
    state.emit(MessageChanged(edited))
    return edited


def delete(state: State, message: Message, user_id: int) -> None:
    """Delete a message; another's needs MANAGE_MESSAGES, which nobody has in a direct channel."""
    channel = state.channel(message.channel_id)
    if message.author_id != user_id:
        require_moderator(state, channel, user_id)
    state.drop_message(message)
    state.emit(MessageDeleted(message))


def pin(state: State, message: Message, user_id: int, *, pinned: bool) -> None:
    """Pin or unpin; a pin is noted in the channel by a message of its own, a repeat is nothing."""
    if message.type not in SPOKEN:
        raise ApiError(Refusal.SYSTEM_MESSAGE)
    if (message.pinned_at is not None) == pinned:
        return
    channel = state.channel(message.channel_id)
    changed = replace(message, pinned_at=state.clock() if pinned else None)
    state.put_message(changed)
    state.emit(MessageChanged(changed))
    times = [other.pinned_at for other in state.history(channel.id) if other.pinned_at is not None]
    state.emit(PinsChanged(channel, max(times, default=None)))
    if pinned:
        note(state, channel.id, user_id, PINNED, Reference(channel.id, message.id))


def note(
    state: State,
    channel_id: int,
    author_id: int,
    type_: int,
    reference: Reference,
    *,
    content: str = "",
) -> Message:
    """A message that the platform itself writes: its type says what, it points to something."""
    message = Message(
        id=state.snowflakes.mint(),
        channel_id=channel_id,
        author_id=author_id,
        content=content,
        created_at=state.clock(),
        type=type_,
        reference=reference,
    )
    _store(state, message)
    return message


def require_moderator(state: State, channel: Channel, user_id: int) -> None:
    """Raise unless the user may handle other people's messages and reactions there."""
    if isinstance(channel, DirectChannel | AwayChannel):
        raise ApiError(Refusal.NOT_IN_DM)
    if not state.allows(user_id, channel, Permission.MANAGE_MESSAGES):
        raise ApiError(Refusal.MISSING_PERMISSIONS)


def _store(state: State, message: Message) -> None:
    state.put_message(message)
    state.remember_nonce(message)
    state.stop_typing(message.channel_id, message.author_id)
    if message.type in SPOKEN:
        threads.count(state, message.channel_id)
    state.emit(MessageCreated(message))


def _require_may_send(state: State, channel: Channel, author_id: int) -> None:
    needed = (
        Permission.SEND_MESSAGES_IN_THREADS
        if isinstance(channel, Thread)
        else Permission.SEND_MESSAGES
    )
    if not state.allows(author_id, channel, needed):
        raise ApiError(Refusal.MISSING_PERMISSIONS)
    if (
        isinstance(channel, Thread)
        and channel.locked
        and not state.allows(author_id, channel, Permission.MANAGE_THREADS)
    ):
        raise ApiError(Refusal.THREAD_LOCKED)
