"""`agents.sessions.*`: what the app says of its work in a thread, and Slack's own Stop there.

While a session is `processing`, or a stream of the thread grows, people have a Stop button. It ends
the streams at once and tells the app; the session's status is the app's to change.
"""

from dataclasses import replace

from adapters.sandbox.slack import payload
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json, Message, Session
from adapters.sandbox.slack.workspace import Room, Workspace

MAX_TITLE_CHARS = 200
STATUSES = ("active", "processing", "suspended", "closed")
_STOP = "agent_session_stopped"


def set_status(host: Host, call: Call) -> Json:
    """`agents.sessions.setStatus`: makes the session when there is none; `title` counts then."""
    thread = _thread(host, call)
    status = checked_status(call.required("status"))
    old = host.workspace.session(*thread)
    session = Session(status, old.title if old is not None else _title(call.text("title")))
    host.workspace.set_session(*thread, session)
    answer: Json = {"status": session.status, "agent_status": session.status}
    answer["title"] = session.title
    if _STOP not in host.knobs.subscriptions:
        answer["warning"] = f"missing_{_STOP}_event_subscription"
    return answer


def rename(host: Host, call: Call) -> Json:
    """`agents.sessions.rename`"""
    thread = _thread(host, call)
    session = host.workspace.session(*thread)
    if session is None:
        raise SlackError("session_not_found")
    renamed = Session(session.status, _title(call.required("title")))
    host.workspace.set_session(*thread, renamed)
    return {"title": renamed.title}


def stoppable(workspace: Workspace, room: Room) -> list[str]:
    """The threads of a room in which Slack shows its Stop button, oldest first."""
    streams = [_thread_of(message) for message in _growing(workspace, room)]
    return sorted({*streams, *workspace.processing(room.channel.id)})


def stop(workspace: Workspace, room: Room, thread: str, user: str) -> None:
    """A person presses Slack's Stop: the thread's streams end at once, and the app is told."""
    streams = [one for one in _growing(workspace, room) if _thread_of(one) == thread]
    for message in streams:
        if message.stream is not None:
            stopped = replace(message, stream=replace(message.stream, by_user=True))
            workspace.replace_message(stopped, announce=False)
    workspace.tell(
        payload.session_stopped_event(
            room.channel.id,
            thread,
            user=user,
            streams=[message.ts for message in streams],
            ts=workspace.next_ts(room.channel.id),
        )
    )


def _growing(workspace: Workspace, room: Room) -> list[Message]:
    now = workspace.clock()
    return [message for message in room.messages.values() if message.is_streaming(now)]


def _thread_of(message: Message) -> str:
    return message.thread_ts or message.ts


def checked_status(status: str) -> str:
    """`status` when it is one of Slack's; raises SlackError."""
    if status not in STATUSES:
        raise invalid_arguments(f"must be one of {', '.join(STATUSES)}: status")
    return status


def _title(title: str) -> str:
    if len(title) > MAX_TITLE_CHARS:
        raise invalid_arguments(f"must be at most {MAX_TITLE_CHARS} characters: title")
    return title


def _thread(host: Host, call: Call) -> tuple[str, str]:
    call.need("chat:write")
    if not host.knobs.is_agent:
        raise SlackError("feature_disabled")
    room = host.room_to_post(call, call.required("channel_id"))
    message = host.message(room, call.required("thread_ts"), error="thread_not_found")
    return room.channel.id, _thread_of(message)
