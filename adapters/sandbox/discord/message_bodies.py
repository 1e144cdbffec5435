"""A request's body as what a message is to say: a draft, or an edit of one that is there."""

import mimetypes
from collections.abc import Iterable
from typing import Final

from adapters.sandbox.discord.bodies import AttachmentForm, CreateForm, EditForm, ReferenceForm
from adapters.sandbox.discord.drafts import Draft, Edit
from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field, not_modelled
from adapters.sandbox.discord.forms import Body, Upload, safe_filename
from adapters.sandbox.discord.model import Attachment, Channel, Json, Message
from adapters.sandbox.discord.state import State

MAX_FILE: Final = 10 << 20
MAX_FILES: Final = 10


def draft_of(state: State, channel: Channel, body: Body, form: CreateForm) -> Draft:
    """What a POST asks to send."""
    form.require_modelled()
    reference = form.message_reference
    if reference is not None:
        _require_reply(reference, channel)
    return Draft(
        content=form.content or "",
        embeds=_embeds(body.data),
        components=tuple(form.components or ()),
        attachments=tuple(_new_files(state, body, form.attachments or ())),
        flags=form.sent_flags(),
        tts=form.tts,
        reply_to=None if reference is None else reference.message_id,
        fail_if_not_exists=reference is None or reference.fail_if_not_exists,
        allowed=form.allowed(),
        nonce=form.nonce,
        enforce_nonce=form.enforce_nonce,
    )


def edit_of(state: State, body: Body, form: EditForm, message: Message) -> Edit:
    """What a PATCH asks to change."""
    form.require_modelled()
    given = form.model_fields_set
    kept = {file.id: file for file in message.attachments}
    listed = form.attachments if "attachments" in given else None
    files: list[Attachment] | None = None
    if listed is not None or body.files:
        # A file may be added without a list; what is there already then stays.
        files = list(kept.values()) if listed is None else []
        for one in listed or ():
            if one.id in kept:
                files.append(kept.pop(one.id))
        fresh = [one for one in listed or () if one.id not in {file.id for file in files}]
        files += _new_files(state, body, fresh)
    elif "attachments" in given:
        files = []
    return Edit(
        content=(form.content or "") if "content" in given else None,
        embeds=_embeds(body.data) if "embeds" in given else None,
        components=tuple(form.components or ()) if "components" in given else None,
        attachments=None if files is None else tuple(files),
        flags=form.edited_flags(message.flags),
        allowed=form.allowed(),
    )


def _new_files(state: State, body: Body, listed: Iterable[AttachmentForm]) -> list[Attachment]:
    """The request's files in order, named by what is listed about them."""
    notes = {note.id: note for note in listed}
    missing = notes.keys() - body.files.keys()
    if missing:
        raise invalid_field("attachments", "ATTACHMENT_NOT_FOUND", f"No file {min(missing)}")
    if len(body.files) > MAX_FILES:
        raise invalid_field("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer")
    if any(len(upload.data) > MAX_FILE for upload in body.files.values()):
        raise ApiError(Refusal.TOO_LARGE)
    return [
        _attachment(state, upload, notes.get(number))
        for number, upload in sorted(body.files.items(), key=lambda item: item[0])
    ]


def _attachment(state: State, upload: Upload, note: AttachmentForm | None) -> Attachment:
    named = safe_filename(note.filename) if note and note.filename else upload.filename
    guessed, _ = mimetypes.guess_type(named)
    return Attachment(
        id=state.snowflakes.mint(),
        filename=named,
        content_type=guessed or "application/octet-stream",
        description=note.description if note else None,
        data=upload.data,
    )


def _embeds(data: Json) -> tuple[Json, ...]:
    """The embeds as they came; Discord takes those of bots as rich ones."""
    return tuple({**embed, "type": "rich"} for embed in data.get("embeds") or ())


def _require_reply(reference: ReferenceForm, channel: Channel) -> None:
    if reference.type != 0:
        raise not_modelled("message_reference", "forwarded messages")
    if reference.channel_id not in {None, channel.id}:
        raise invalid_field(
            "message_reference",
            "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL",
            "Cannot reply to a message in a different channel",
        )
