"""Who is who: `auth.test`, `users.info`, `bots.info`, `team.info`; and `apps.connections.open`."""

from adapters.sandbox.platform import BOT_HANDLE
from adapters.sandbox.slack import payload
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import (
    BOT_ID,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    USER_IDS,
)
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json


def auth_test(host: Host, call: Call) -> Json:
    """`auth.test`"""
    return {
        "url": f"https://{TEAM_DOMAIN}.slack.com/",
        "team": payload.team()["name"],
        "user": BOT_HANDLE,
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def connections_open(host: Host, call: Call) -> Json:
    """`apps.connections.open`: a Socket Mode URL that works once."""
    call.need("connections:write")
    return {"url": host.open_socket_url()}


def users_info(host: Host, call: Call) -> Json:
    """`users.info`"""
    call.need("users:read")
    if call.text("user") not in host.workspace.users:
        raise SlackError("user_not_found")
    user = payload.user(call.text("user"))
    return {"user": user | {"is_admin": user["name"] in host.knobs.admins}}


def usergroups_list(host: Host, call: Call) -> Json:
    """`usergroups.list`"""
    call.need("usergroups:read")
    groups: list[Json] = []
    for id_, members in host.knobs.user_groups.items():
        group: Json = {"id": id_, "team_id": TEAM_ID, "is_usergroup": True, "handle": id_.lower()}
        if call.flag("include_users"):
            group["users"] = [USER_IDS[handle] for handle in members]
        groups.append(group)
    return {"usergroups": groups}


def bots_info(host: Host, call: Call) -> Json:
    """`bots.info`; without `bot`, the calling bot."""
    call.need("users:read")
    if call.text("bot") not in ("", BOT_ID):
        raise SlackError("bot_not_found")
    return {"bot": payload.bot_profile()}


def team_info(host: Host, call: Call) -> Json:
    """`team.info`"""
    call.need("team:read")
    if call.text("team") not in ("", TEAM_ID):
        raise SlackError("team_not_found")
    return {"team": payload.team()}
