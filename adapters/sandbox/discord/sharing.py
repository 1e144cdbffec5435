"""What people send besides text on Discord: files, and forwarded messages."""

import mimetypes
from collections.abc import Sequence
from typing import Final

from adapters.sandbox.discord.drafts import Draft
from adapters.sandbox.discord.forms import safe_filename
from adapters.sandbox.discord.model import Attachment, Message, Reference
from adapters.sandbox.discord.state import State
from adapters.sandbox.platform import ControlError, Upload

MAX_FILE: Final = 10 << 20
MAX_FILES: Final = 10


def attached(state: State, files: Sequence[Upload]) -> tuple[Attachment, ...]:
    """A person's files as attachments; raises ControlError for more than Discord takes."""
    if len(files) > MAX_FILES or any(len(file.data) > MAX_FILE for file in files):
        raise ControlError(f"Discord takes {MAX_FILES} files of {MAX_FILE >> 20} MiB each")
    return tuple(
        Attachment(
            id=state.snowflakes.mint(),
            filename=safe_filename(file.name),
            content_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            description=None,
            data=file.data,
        )
        for file in files
    )


def forwarding(message: Message) -> Draft:
    """What a client sends to forward a message: no content, and a snapshot of it."""
    first = message.forwarded or message
    return Draft(
        reference=Reference(message.channel_id, message.id, is_forward=True), forwarded=first
    )
