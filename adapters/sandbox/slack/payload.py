"""Slack's JSON for our values: message objects, events, the envelope around an event.

Pure. Field names and their presence follow Slack's own fixtures; what bolt reads is all here.
"""

import base64
import json
from collections.abc import Iterable

from adapters.sandbox.platform import BOT_HANDLE
from adapters.sandbox.slack.directory import (
    APP_ID,
    BOT_ID,
    BOT_USER_ID,
    CREATED_S,
    HANDLES,
    TEAM_DOMAIN,
    TEAM_ID,
    Channel,
)
from adapters.sandbox.slack.messages import Json, Message, Thread


def message(value: Message, thread: Thread) -> Json:
    """A message as `conversations.history` and a post's answer give it, without metadata."""
    body: Json = {"type": "message", "user": value.user, "ts": value.ts, "text": value.text}
    body["team"] = TEAM_ID
    if value.subtype:
        body["subtype"] = value.subtype
    if value.by_bot:
        body |= {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": bot_profile()}
    if value.client_msg_id:
        body["client_msg_id"] = value.client_msg_id
    for name, items in (
        ("blocks", value.blocks),
        ("attachments", value.attachments),
        ("files", value.files),
    ):
        if items:
            body[name] = list(items)
    if value.edited_ts:
        body["edited"] = {"user": value.user, "ts": value.edited_ts}
    if value.reactions:
        body["reactions"] = [
            {"name": one.name, "users": list(one.users), "count": len(one.users)}
            for one in value.reactions
        ]
    if value.thread_ts:
        body["thread_ts"] = value.thread_ts
    elif thread.replies:
        body |= {
            "thread_ts": value.ts,
            "reply_count": len(thread.replies),
            "reply_users_count": len(thread.users),
            "latest_reply": thread.replies[-1].ts,
            "reply_users": list(thread.users),
            "is_locked": False,
            "subscribed": False,
        }
    return body


def message_event(value: Message, thread: Thread, channel: Channel, parent: Message | None) -> Json:
    """The `message` event of a new message."""
    event = message(value, thread) | {
        "channel": channel.id,
        "event_ts": value.ts,
        "channel_type": channel.kind,
    }
    if parent is not None:
        event["parent_user_id"] = parent.user
    return event


def mention_event(value: Message, thread: Thread, channel: Channel, parent: Message | None) -> Json:
    """The `app_mention` event of the same message; it has no `channel_type`."""
    event = message_event(value, thread, channel, parent) | {"type": "app_mention"}
    del event["channel_type"]
    return event


def changed_event(old: Json, new: Json, channel: Channel, ts: str) -> Json:
    """The `message_changed` event; `ts` is the event's own."""
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "message": new,
        "previous_message": old,
        "channel": channel.id,
        "ts": ts,
        "event_ts": ts,
        "channel_type": channel.kind,
    }


def deleted_event(old: Json, channel: Channel, ts: str) -> Json:
    """The `message_deleted` event; `ts` is the event's own."""
    return {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "deleted_ts": old["ts"],
        "previous_message": old,
        "channel": channel.id,
        "ts": ts,
        "event_ts": ts,
        "channel_type": channel.kind,
    }


def reaction_event(value: Message, *, name: str, user: str, added: bool, ts: str) -> Json:
    """The `reaction_added` or `reaction_removed` event."""
    return {
        "type": "reaction_added" if added else "reaction_removed",
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": value.channel, "ts": value.ts},
        "item_user": value.user,
        "event_ts": ts,
    }


def home_opened_event(user: str, channel: Channel, *, tab: str, ts: str) -> Json:
    """The `app_home_opened` event."""
    return {
        "type": "app_home_opened",
        "user": user,
        "channel": channel.id,
        "tab": tab,
        "event_ts": ts,
    }


def session_stopped_event(
    channel: str, thread: str, *, user: str, streams: Iterable[str], ts: str
) -> Json:
    """The `agent_session_stopped` event; `streams` are the messages that Slack stopped with it."""
    return {
        "type": "agent_session_stopped",
        "user": user,
        "channel": channel,
        "thread_ts": thread,
        "streaming_message_ts": list(streams),
        "event_ts": ts,
    }


def envelope(event: Json, *, event_id: str, now: float) -> Json:
    """What surrounds an event on both transports."""
    item = event.get("item", {})
    context: Json = {"et": event["type"], "tid": TEAM_ID, "aid": APP_ID}
    context["cid"] = event.get("channel") or item.get("channel")
    encoded = base64.urlsafe_b64encode(json.dumps(context, separators=(",", ":")).encode())
    return {
        "team_id": TEAM_ID,
        "context_team_id": TEAM_ID,
        "context_enterprise_id": None,
        "api_app_id": APP_ID,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(now),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": BOT_USER_ID,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": "4-" + encoded.decode(),
    }


def bot_profile() -> Json:
    """The bot as its own messages carry it."""
    return {
        "id": BOT_ID,
        "app_id": APP_ID,
        "user_id": BOT_USER_ID,
        "name": BOT_HANDLE,
        "icons": {},
        "deleted": False,
        "updated": CREATED_S,
        "team_id": TEAM_ID,
    }


def user(user_id: str) -> Json:
    """A user as `users.info` gives it."""
    handle = HANDLES[user_id]
    is_bot = user_id == BOT_USER_ID
    profile: Json = {
        "real_name": handle.capitalize(),
        "display_name": handle,
        "team": TEAM_ID,
    }
    if is_bot:
        profile |= {"bot_id": BOT_ID, "api_app_id": APP_ID}
    return {
        "id": user_id,
        "team_id": TEAM_ID,
        "name": handle,
        "deleted": False,
        "real_name": handle.capitalize(),
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": profile,
        "is_admin": False,
        "is_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": is_bot,
        "is_app_user": False,
        "updated": CREATED_S,
    }


def team() -> Json:
    """The team as `team.info` gives it."""
    return {"id": TEAM_ID, "name": "Candor sandbox", "domain": TEAM_DOMAIN, "email_domain": ""}


def channel_object(channel: Channel, *, is_member: bool) -> Json:
    """A channel as the `conversations.*` methods give it."""
    shared: Json = {"id": channel.id, "created": CREATED_S, "is_archived": False}
    if channel.kind == "im":
        return shared | {"is_im": True, "user": channel.name, "is_org_shared": False}
    return shared | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": True,
        "is_group": False,
        "is_im": False,
        "is_mpim": False,
        "is_private": False,
        "is_general": channel.name == "general",
        "is_shared": False,
        "is_ext_shared": False,
        "is_member": is_member,
        "context_team_id": TEAM_ID,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "num_members": len(channel.members) + int(is_member),
    }


def rich_text(elements: Iterable[Json], block_id: str) -> Json:
    """The block of a message that a person typed."""
    return {
        "type": "rich_text",
        "block_id": block_id,
        "elements": [{"type": "rich_text_section", "elements": list(elements)}],
    }
