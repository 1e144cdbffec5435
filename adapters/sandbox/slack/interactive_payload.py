"""Slack's JSON for what a person does: presses, commands, shortcuts, modals.

Pure. Field names and their presence follow the fixtures in Slack's SDKs; what bolt reads is here.
"""

from adapters.sandbox.slack.directory import APP_ID, HANDLES, TEAM_DOMAIN, TEAM_ID, Channel
from adapters.sandbox.slack.elements import Pressable
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.modals import Modal

_TOKEN = "legacy-verification-token"  # noqa: S105 - deprecated by Slack, and proves nothing


def action(pressed: Pressable, at: str) -> Json:
    """One of `actions` in a press: what was pressed."""
    element = pressed.element
    body: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": pressed.block_id,
        "action_ts": at,
    }
    side = pressed.choice or element
    if "text" in side:
        body["text"] = {"emoji": True, **side["text"]}
    if side.get("value") is not None:
        body["value"] = side["value"]
    if element.get("style"):
        body["style"] = element["style"]
    return body


def press_on_message(
    message: Message, shown: Json, channel: Channel, pressed: Json, *, user: str
) -> Json:
    """`block_actions` of a button under a message; a private one's content is not told."""
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.reader is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    body = _interaction("block_actions", user) | {
        "container": container,
        "channel": _channel(channel),
        "state": {"values": {}},
        "actions": [pressed],
    }
    return body if message.reader is not None else body | {"message": shown}


def press_in_modal(modal: Modal, pressed: Json) -> Json:
    """`block_actions` of a button in a modal."""
    return _interaction("block_actions", modal.user) | {
        "container": {"type": "view", "view_id": modal.id},
        "view": modal.as_json(),
        "actions": [pressed],
    }


def shortcut(
    callback_id: str, message: Message, shown: Json, channel: Channel, *, user: str, at: str
) -> Json:
    """`message_action`: an entry of a message's menu."""
    return _interaction("message_action", user) | {
        "action_ts": at,
        "callback_id": callback_id,
        "channel": _channel(channel),
        "message_ts": message.ts,
        "message": shown,
    }


def submission(modal: Modal) -> Json:
    """`view_submission`, with what was typed in `modal.values`."""
    return _interaction("view_submission", modal.user) | {
        "view": modal.as_json(),
        "response_urls": [],
    }


def closing(modal: Modal, *, is_cleared: bool) -> Json:
    """`view_closed`"""
    body = _interaction("view_closed", modal.user)
    return body | {"view": modal.as_json(), "is_cleared": is_cleared}


def command(name: str, text: str, channel: Channel, *, user: str) -> Json:
    """A slash command's fields; over HTTP they are the form itself."""
    return {
        "token": _TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": _channel(channel)["name"],
        "user_id": user,
        "user_name": HANDLES[user],
        "command": name,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
    }


def _interaction(kind: str, user: str) -> Json:
    return {
        "type": kind,
        "user": {
            "id": user,
            "username": HANDLES[user],
            "name": HANDLES[user],
            "team_id": TEAM_ID,
        },
        "api_app_id": APP_ID,
        "token": _TOKEN,
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _channel(channel: Channel) -> Json:
    name = "directmessage" if channel.kind == "im" else channel.name
    return {"id": channel.id, "name": name}
