"""`views.*`: the modals that an app opens before a person, and what it shows them in its home."""

import hashlib
import json
from typing import Any

from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import APP_ID, BOT_ID, TEAM_ID
from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.view_rules import MAX_VIEW_BLOCKS, MAX_VIEW_BYTES, checked_modal


def open_(host: Host, call: Call) -> Json:
    """`views.open`; the trigger id is used up even where the view is refused afterwards."""
    trigger = host.triggers.spend(call.required("trigger_id"))
    view = checked_modal(call.object("view", "invalid_arguments"))
    return {"view": host.modals.open(trigger.user, view).as_json()}


def push(host: Host, call: Call) -> Json:
    """`views.push`: only for what a person did in a modal."""
    trigger = host.triggers.spend(call.required("trigger_id"))
    view = checked_modal(call.object("view", "invalid_arguments"))
    if trigger.modal is None:
        raise SlackError("invalid_trigger_id")
    return {"view": host.modals.push(trigger.user, view).as_json()}


def update(host: Host, call: Call) -> Json:
    """`views.update`, by `view_id` or `external_id`; with `hash`, only if nothing changed since."""
    if bool(call.text("view_id")) == bool(call.text("external_id")):
        raise invalid_arguments("must have one of view_id and external_id")
    modal = host.modals.find(id_=call.text("view_id"), external_id=call.text("external_id"))
    if call.text("hash") and call.text("hash") != modal.hash:
        raise SlackError("hash_conflict")
    view = checked_modal(call.object("view", "invalid_arguments"))
    return {"view": host.modals.update(modal, view).as_json()}


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
