"""`views.publish`: what the app shows a person in its home."""

import hashlib
import json
from typing import Any

from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import APP_ID, BOT_ID, TEAM_ID
from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json

MAX_VIEW_BYTES = 250_000
MAX_VIEW_BLOCKS = 100


def publish(host: Host, call: Call) -> Json:
    """`views.publish`; with `hash`, only if the view has not changed since."""
    user = call.text("user_id")
    if user not in host.workspace.people:
        raise SlackError("user_not_found")
    view = call.object("view", "invalid_arguments")
    if view is None or view.get("type") != "home" or not _are_blocks(view.get("blocks")):
        raise invalid_arguments("must be a view of type home with at most 100 blocks: view")
    encoded = json.dumps(view, sort_keys=True).encode()
    if len(encoded) > MAX_VIEW_BYTES:
        raise SlackError("view_too_large")
    published = host.workspace.homes.get(user)
    if call.text("hash") and published is not None and published["hash"] != call.text("hash"):
        raise SlackError("hash_conflict")
    stamp = f"{host.workspace.clock():.6f}"
    digest = hashlib.sha256(stamp.encode() + encoded).hexdigest()
    kept = view | {
        "id": "V" + digest[:10].upper(),
        "team_id": TEAM_ID,
        "app_id": APP_ID,
        "bot_id": BOT_ID,
        "hash": f"{stamp.partition('.')[0]}.{digest[:8]}",
    }
    host.workspace.publish_home(user, kept)
    return {"view": kept}


def _are_blocks(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_VIEW_BLOCKS
        and all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in value)
    )
