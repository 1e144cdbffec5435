"""What people send besides text on Slack: files, and messages that they share elsewhere."""

from collections.abc import Sequence

from adapters.sandbox.platform import ControlError, Upload
from adapters.sandbox.slack.directory import HANDLES, TEAM_ID
from adapters.sandbox.slack.file_store import MAX_FILE_BYTES, File, FileStore
from adapters.sandbox.slack.files import as_json
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.workspace import Room

MAX_FILES = 10


def uploaded(host: Host, files: Sequence[Upload], user: str) -> tuple[Json, ...]:
    """A person's files, kept and as a message has them; raises ControlError for too much."""
    if len(files) > MAX_FILES or any(len(file.data) > MAX_FILE_BYTES for file in files):
        raise ControlError(f"at most {MAX_FILES} files of {MAX_FILE_BYTES >> 20} MiB each")
    return tuple(as_json(host, _kept(host.files, file), user) for file in files)


def shared(host: Host, room: Room, message: Message) -> Json:
    """A message as the attachment of another one in which it is shared."""
    name = HANDLES.get(message.user, "slackbot")
    body: Json = {
        "id": 1,
        "ts": message.ts,
        "channel_id": room.channel.id,
        "channel_team": TEAM_ID,
        "is_msg_unfurl": True,
        "is_share": True,
        "author_id": message.user,
        "author_name": name.capitalize(),
        "author_subname": name,
        "fallback": f"{name}: {message.text}",
        "text": message.text,
        "mrkdwn_in": ["text"],
        "footer": f"Posted in #{room.channel.name}",
        "from_url": f"{host.base_url()}/slack/archives/{room.channel.id}/p{message.ts}",
        "message_blocks": [
            {
                "team": TEAM_ID,
                "channel": room.channel.id,
                "ts": message.ts,
                "message": {"blocks": list(message.blocks)},
            }
        ],
    }
    return body | ({"files": list(message.files)} if message.files else {})


def _kept(store: FileStore, upload: Upload) -> File:
    file = store.reserve(upload.name)
    store.fill(file, upload.data)
    return store.get(file.id) or file
