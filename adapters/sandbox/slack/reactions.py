"""`reactions.*`: the bot adds, removes and reads reactions."""

from adapters.sandbox.slack import emoji
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import BOT_USER_ID
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json, Message

# Known from use, not documented: distinct emoji under one message, and of one person under it.
MAX_EMOJI = 50
MAX_EMOJI_A_USER = 23


def add(host: Host, call: Call) -> Json:
    """`reactions.add`"""
    call.need("reactions:write")
    name, message = _name(call), _item(host, call)
    if message.has_reaction(name, BOT_USER_ID):
        raise SlackError("already_reacted")
    check_room_for(message, name, BOT_USER_ID)
    host.workspace.react(message, name=name, user=BOT_USER_ID, present=True)
    return {}


def remove(host: Host, call: Call) -> Json:
    """`reactions.remove`"""
    call.need("reactions:write")
    name, message = _name(call), _item(host, call)
    if not host.workspace.react(message, name=name, user=BOT_USER_ID, present=False):
        raise SlackError("no_reaction")
    return {}


def get(host: Host, call: Call) -> Json:
    """`reactions.get`"""
    call.need("reactions:read")
    message = _item(host, call)
    return {
        "type": "message",
        "channel": message.channel,
        "message": host.workspace.as_json(message),
    }


def check_room_for(message: Message, name: str, user: str) -> None:
    """Raise SlackError when Slack would take no more reactions here."""
    if len([one for one in message.reactions if user in one.users]) >= MAX_EMOJI_A_USER:
        raise SlackError("too_many_reactions")
    names = {one.name for one in message.reactions}
    if name not in names and len(names) >= MAX_EMOJI:
        raise SlackError("too_many_emoji")


def _name(call: Call) -> str:
    name = call.text("name")
    if not emoji.is_valid_name(name):
        raise SlackError("invalid_name")
    return name


def _item(host: Host, call: Call) -> Message:
    if not call.text("channel") or not call.text("timestamp"):
        raise SlackError("no_item_specified")
    room = host.room(call.text("channel"))
    if not room.bot_is_member:
        raise SlackError("not_in_channel")
    return host.message(room, call.text("timestamp"))
