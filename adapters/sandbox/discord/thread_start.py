"""Starting a thread: the thread itself and the notes that the platform writes about it."""

from adapters.sandbox.discord import messages, threads
from adapters.sandbox.discord.changes import MessageChanged
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.flags import Permission
from adapters.sandbox.discord.model import (
    SPOKEN,
    THREAD_CREATED,
    THREAD_STARTER,
    ArchiveMinutes,
    Channel,
    Message,
    Reference,
    TextChannel,
    Thread,
)
from adapters.sandbox.discord.state import State


def start_thread(
    state: State,
    channel: Channel,
    owner_id: int,
    *,
    name: str,
    source: Message | None,
    auto_archive_minutes: ArchiveMinutes = 1440,
    slowmode_s: int = 0,
) -> Thread:
    """Start a public thread under `source`, a message of the channel, or on its own.

    Under a message the thread's history begins with a note of type 21 that points back to it;
    on its own, the channel gets a note of type 18 that points to the thread.
    """
    if not isinstance(channel, TextChannel):
        raise ApiError(Refusal.WRONG_CHANNEL_TYPE)
    if not state.allows(owner_id, channel, Permission.CREATE_PUBLIC_THREADS):
        raise ApiError(Refusal.MISSING_PERMISSIONS)
    if source is not None and source.type not in SPOKEN:
        raise ApiError(Refusal.SYSTEM_MESSAGE)
    thread = threads.open_thread(
        state,
        channel,
        owner_id,
        name=name,
        source=source,
        auto_archive_minutes=auto_archive_minutes,
        slowmode_s=slowmode_s,
    )
    if source is None:
        pointer = Reference(thread.id, None)
        messages.note(state, channel.id, owner_id, THREAD_CREATED, pointer, content=name)
        return thread
    state.emit(MessageChanged(source))  # it now carries its thread; edited_at stays
    messages.note(state, thread.id, owner_id, THREAD_STARTER, Reference(channel.id, source.id))
    return thread
