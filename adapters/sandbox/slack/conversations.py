"""`conversations.*`: channels, their members, their messages."""

from collections.abc import Iterable

from adapters.sandbox.slack import payload
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.chat import with_metadata
from adapters.sandbox.slack.directory import BOT_USER_ID, IM_IDS
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.paging import page
from adapters.sandbox.slack.workspace import Room

_TYPES = {
    "public_channel": "channel",
    "private_channel": "private",
    "mpim": "mpim",
    "im": "im",
}
_LIST_SCOPES = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}


def info(host: Host, call: Call) -> Json:
    """`conversations.info`"""
    room = host.room(call.text("channel"))
    call.need(room.channel.read_scope)
    return {"channel": _as_json(room)}


def open_(host: Host, call: Call) -> Json:
    """`conversations.open`, for the direct message with one person.

    Every one of them exists already. A group of people is refused: this workspace has no group
    direct messages.
    """
    call.need("im:write")
    if call.text("channel"):
        room = host.room(call.text("channel"))
        if room.channel.kind != "im":
            raise SlackError("method_not_supported_for_channel_type")
    else:
        users = [one for one in call.text("users").split(",") if one]
        if not users:
            raise SlackError("users_list_not_supplied")
        ims = {user: IM_IDS[handle] for user, handle in host.workspace.people.items()}
        if any(user not in ims for user in users):
            raise SlackError("user_not_found")
        if len(users) > 1:
            raise SlackError("method_not_supported_for_channel_type")
        room = host.room(ims[users[0]])
    channel = _as_json(room) if call.flag("return_im") else {"id": room.channel.id}
    return {"no_op": True, "already_open": True, "channel": channel}


def members(host: Host, call: Call) -> Json:
    """`conversations.members`"""
    room = host.room(call.text("channel"))
    call.need(room.channel.read_scope)
    everybody = [*room.channel.members, *([BOT_USER_ID] if room.bot_is_member else [])]
    users, cursor = page(call, everybody, str)
    return {"members": users, **_next(cursor)}


def list_(host: Host, call: Call) -> Json:
    """`conversations.list`; there are no private channels and no group messages to list."""
    rooms, cursor = page(call, _of_types(host, call), lambda room: room.channel.id)
    return {"channels": [_as_json(room) for room in rooms], **_next(cursor)}


def of_user(host: Host, call: Call) -> Json:
    """`users.conversations`: where the bot is a member, and with `user` that person too."""
    user = call.text("user") or BOT_USER_ID
    if user not in host.workspace.users:
        raise SlackError("user_not_found")
    mine = [
        room
        for room in _of_types(host, call)
        if room.bot_is_member and user in (*room.channel.members, BOT_USER_ID)
    ]
    rooms, cursor = page(call, mine, lambda room: room.channel.id)
    return {"channels": [_for_member(room) for room in rooms], **_next(cursor)}


def _of_types(host: Host, call: Call) -> list[Room]:
    types = [one.strip() for one in (call.text("types") or "public_channel").split(",")]
    if any(one not in _TYPES for one in types):
        raise SlackError("invalid_types")
    for one in types:
        call.need(_LIST_SCOPES[one])
    kinds = {_TYPES[one] for one in types}
    return [room for room in host.workspace.rooms if room.channel.kind in kinds]


def history(host: Host, call: Call) -> Json:
    """`conversations.history`, newest first, without replies in threads.

    With `oldest` and without `latest` the pages begin at the oldest message and go forward
    (documented), each newest first all the same.
    """
    room = host.room_to_read(call)
    forward = bool(call.text("oldest")) and not call.text("latest")
    # In the order of posting, which is that of their ts.
    found = _between(call, (one for one in room.messages.values() if one.in_channel))
    shown, cursor = page(call, found if forward else found[::-1], lambda one: one.ts)
    if forward:
        shown.reverse()
    return {
        "messages": [_message(host, call, one) for one in shown],
        "has_more": bool(cursor),
        "pin_count": 0,
        **_next(cursor),
    }


def replies(host: Host, call: Call) -> Json:
    """`conversations.replies`: the parent, then its replies, oldest first."""
    room = host.room_to_read(call)
    message = host.message(room, call.text("ts"), error="thread_not_found")
    parent = host.message(room, message.thread_ts or message.ts, error="thread_not_found")
    answers = _between(call, host.workspace.thread(parent).replies)
    shown, cursor = page(call, [parent, *answers], lambda one: one.ts)
    return {
        "messages": [
            _message(host, call, one)
            | ({"parent_user_id": parent.user} if one.thread_ts is not None else {})
            for one in shown
        ],
        "has_more": bool(cursor),
        **_next(cursor),
    }


def _between(call: Call, messages: Iterable[Message]) -> list[Message]:
    oldest, latest = call.text("oldest"), call.text("latest")
    inclusive = call.flag("inclusive")
    low = _moment(oldest, "invalid_ts_oldest") if oldest else None
    high = _moment(latest, "invalid_ts_latest") if latest else None
    return [
        one
        for one in messages
        if (low is None or one.ts > low or (inclusive and one.ts == low))
        and (high is None or one.ts < high or (inclusive and one.ts == high))
    ]


def _moment(value: str, error: str) -> str:
    """A timestamp argument, with or without a fraction, as a ts that compares as text."""
    whole, _, fraction = value.partition(".")
    if not whole.isdecimal() or not (fraction or "0").isdecimal():
        raise SlackError(error)
    return f"{int(whole):010d}.{fraction[:6]:0<6}"


def _message(host: Host, call: Call, message: Message) -> Json:
    if call.flag("include_all_metadata"):
        return with_metadata(host, message)
    return host.workspace.as_json(message)


def _as_json(room: Room) -> Json:
    return payload.channel_object(room.channel, is_member=room.bot_is_member)


def _for_member(room: Room) -> Json:
    body = _as_json(room)
    return {key: value for key, value in body.items() if key not in ("is_member", "num_members")}


def _next(cursor: str) -> Json:
    return {"response_metadata": {"next_cursor": cursor}}
