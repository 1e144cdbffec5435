"""Threads: opening, joining, archiving and locking.

A thread made from a message has that message's id. Sending into an archived thread unarchives it;
reacting and editing in it are refused (50083).
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from adapters.sandbox.discord.changes import ThreadChanged, ThreadCreated, ThreadJoined
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.model import (
    ArchiveMinutes,
    Channel,
    Message,
    TextChannel,
    Thread,
)

if TYPE_CHECKING:
    from adapters.sandbox.discord.state import State


def open_thread(
    state: "State",
    parent: TextChannel,
    owner_id: int,
    *,
    name: str,
    source: Message | None,
    auto_archive_minutes: ArchiveMinutes = 1440,
    slowmode_s: int = 0,
) -> Thread:
    """Open a public thread, under a message of the parent channel or on its own.

    Its first or announcing note is the caller's to write. Raises 160004 when there is one.
    """
    if source is not None and state.thread(source.id) is not None:
        raise ApiError(Refusal.THREAD_EXISTS)
    now = state.clock()
    thread = Thread(
        id=state.snowflakes.mint() if source is None else source.id,
        parent_id=parent.id,
        owner_id=owner_id,
        name=name,
        created_at=now,
        auto_archive_minutes=auto_archive_minutes,
        archived=False,
        locked=False,
        archived_changed_at=now,
        slowmode_s=slowmode_s,
        sent=0,
        members=((owner_id, now),),
    )
    state.put_thread(thread)
    state.emit(ThreadCreated(thread))
    return thread


def update(
    state: "State",
    thread: Thread,
    *,
    name: str | None = None,
    archived: bool | None = None,
    locked: bool | None = None,
    auto_archive_minutes: ArchiveMinutes | None = None,
    slowmode_s: int | None = None,
) -> Thread:
    """Change what is given; an update that changes nothing is no event."""
    changed = replace(
        thread,
        name=thread.name if name is None else name,
        archived=thread.archived if archived is None else archived,
        locked=thread.locked if locked is None else locked,
        auto_archive_minutes=auto_archive_minutes or thread.auto_archive_minutes,
        slowmode_s=thread.slowmode_s if slowmode_s is None else slowmode_s,
    )
    if changed == thread:
        return thread
    if changed.archived != thread.archived:
        changed = replace(changed, archived_changed_at=state.clock())
    state.put_thread(changed)
    state.emit(ThreadChanged(changed))
    return changed


def wake(state: "State", thread: Thread) -> None:
    """Unarchive the thread because something is said in it."""
    if thread.archived:
        update(state, thread, archived=False)


def join(state: "State", thread_id: int, user_id: int) -> None:
    """Make the user a member of the thread, as speaking in it does; a repeat is nothing."""
    thread = state.thread(thread_id)
    if thread is None:
        raise ApiError(Refusal.WRONG_CHANNEL_TYPE)
    require_not_archived(thread)
    if any(member == user_id for member, _ in thread.members):
        return
    joined = replace(thread, members=(*thread.members, (user_id, state.clock())))
    state.put_thread(joined)
    state.emit(ThreadJoined(joined, user_id))


def count(state: "State", channel_id: int) -> None:
    """Count one more message sent, if the channel is a thread."""
    thread = state.thread(channel_id)
    if thread is not None:
        state.put_thread(replace(thread, sent=thread.sent + 1))


def require_not_archived(channel: Channel) -> None:
    """Raise 50083 if the channel is an archived thread."""
    if isinstance(channel, Thread) and channel.archived:
        raise ApiError(Refusal.THREAD_ARCHIVED)
