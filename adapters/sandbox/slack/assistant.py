"""`assistant.threads.*`: the status line, the title and the suggested prompts."""

from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.errors import invalid_arguments
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json

MAX_LOADING_MESSAGES = 10
MAX_PROMPTS = 4


def set_status(host: Host, call: Call) -> Json:
    """`assistant.threads.setStatus`; an empty status clears it."""
    call.need("chat:write")
    channel_id, thread_ts = _thread(host, call)
    if not call.has("status"):
        raise invalid_arguments("missing required field: status")
    loading = call.items("loading_messages", "invalid_arguments") or []
    if len(loading) > MAX_LOADING_MESSAGES or not all(isinstance(one, str) for one in loading):
        raise invalid_arguments("must be at most 10 strings: loading_messages")
    host.workspace.set_status(
        channel_id, thread_ts, call.text("status"), host.knobs.status_lifetime
    )
    return {}


def set_title(host: Host, call: Call) -> Json:
    """`assistant.threads.setTitle`"""
    call.need("assistant:write")
    thread = _thread(host, call)
    host.workspace.titles[thread] = call.required("title")
    return {}


def set_suggested_prompts(host: Host, call: Call) -> Json:
    """`assistant.threads.setSuggestedPrompts`

    With the agent messaging experience, prompts for a thread are answered `ok` and never shown
    (documented), so those are dropped here too.
    """
    call.need("assistant:write")
    room = host.room(call.text("channel_id"))
    prompts = call.items("prompts", "invalid_arguments") or []
    if not 1 <= len(prompts) <= MAX_PROMPTS or not all(map(_is_prompt, prompts)):
        raise invalid_arguments("must be 1 to 4 objects with title and message: prompts")
    if not call.text("thread_ts"):
        host.workspace.prompts[room.channel.id] = tuple(prompts)
    return {}


def _is_prompt(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) and value[name] for name in ("title", "message")
    )


def _thread(host: Host, call: Call) -> tuple[str, str]:
    room = host.room(call.text("channel_id"))
    message = host.message(room, call.text("thread_ts"), error="invalid_thread_ts")
    return room.channel.id, message.thread_ts or message.ts
