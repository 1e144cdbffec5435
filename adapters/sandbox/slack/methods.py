"""The Web API methods that exist here, by name. Every other name is `unknown_method`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.sandbox.slack import (
    agents,
    assistant,
    chat,
    conversations,
    files,
    identity,
    reactions,
    streams,
    views,
)
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json


@dataclass(frozen=True, slots=True)
class Method:
    """What answers a method, without `ok`, and whose token may call it ("any": both)."""

    run: Callable[[Host, Call], Json]
    caller: Literal["bot", "app", "any"] = "bot"


METHODS: Mapping[str, Method] = {
    "agents.sessions.rename": Method(agents.rename),
    "agents.sessions.setStatus": Method(agents.set_status),
    "apps.connections.open": Method(identity.connections_open, caller="app"),
    "assistant.threads.setStatus": Method(assistant.set_status),
    "assistant.threads.setSuggestedPrompts": Method(assistant.set_suggested_prompts),
    "assistant.threads.setTitle": Method(assistant.set_title),
    "auth.test": Method(identity.auth_test, caller="any"),
    "bots.info": Method(identity.bots_info),
    "chat.appendStream": Method(streams.append),
    "chat.delete": Method(chat.delete),
    "chat.getPermalink": Method(chat.get_permalink),
    "chat.postEphemeral": Method(chat.post_ephemeral),
    "chat.postMessage": Method(chat.post_message),
    "chat.startStream": Method(streams.start),
    "chat.stopStream": Method(streams.stop),
    "chat.update": Method(chat.update),
    "conversations.history": Method(conversations.history),
    "conversations.info": Method(conversations.info),
    "conversations.list": Method(conversations.list_),
    "conversations.members": Method(conversations.members),
    "conversations.open": Method(conversations.open_),
    "conversations.replies": Method(conversations.replies),
    "files.completeUploadExternal": Method(files.complete_upload),
    "files.getUploadURLExternal": Method(files.get_upload_url),
    "reactions.add": Method(reactions.add),
    "reactions.get": Method(reactions.get),
    "reactions.remove": Method(reactions.remove),
    "team.info": Method(identity.team_info),
    "usergroups.list": Method(identity.usergroups_list),
    "users.conversations": Method(conversations.of_user),
    "users.info": Method(identity.users_info),
    "views.open": Method(views.open_),
    "views.publish": Method(views.publish),
    "views.push": Method(views.push),
    "views.update": Method(views.update),
}
