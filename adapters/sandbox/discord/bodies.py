"""The bodies and queries of the REST routes, as forms.

Fields that Discord knows and this world does not stand in for are named, so that they are refused
rather than lost; unknown fields are ignored, as Discord does.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, field_validator

from adapters.sandbox.discord.errors import invalid_field, not_modelled
from adapters.sandbox.discord.flags import EDITABLE, SENDABLE, MessageFlag
from adapters.sandbox.discord.frames import Snowflake
from adapters.sandbox.discord.mentions import EVERYTHING, AllowedMentions
from adapters.sandbox.discord.model import ArchiveMinutes, Json

MAX_EMBED_TEXT: Final = 6000
"""Characters over all embeds of a message."""


class EmbedFieldForm(BaseModel):
    """A field of an embed."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    value: Annotated[str, Field(min_length=1, max_length=1024)]


class EmbedPartForm(BaseModel):
    """The footer or the author of an embed."""

    text: Annotated[str, Field(max_length=2048)] = ""
    name: Annotated[str, Field(max_length=256)] = ""


class EmbedForm(BaseModel):
    """The limited parts of an embed; all else is kept as it came."""

    title: Annotated[str, Field(max_length=256)] | None = None
    description: Annotated[str, Field(max_length=4096)] | None = None
    fields: Annotated[list[EmbedFieldForm], Field(max_length=25)] = []
    footer: EmbedPartForm | None = None
    author: EmbedPartForm | None = None

    def size(self) -> int:
        """The characters that count against the limit over all embeds."""
        return (
            len(self.title or "")
            + len(self.description or "")
            + sum(len(field.name) + len(field.value) for field in self.fields)
            + len(self.footer.text if self.footer else "")
            + len(self.author.name if self.author else "")
        )


class AllowedMentionsForm(BaseModel):
    """`allowed_mentions`; an absent key allows nothing of its kind."""

    parse: list[Literal["users", "roles", "everyone"]] = []
    users: Annotated[list[Snowflake], Field(max_length=100)] = []
    roles: Annotated[list[Snowflake], Field(max_length=100)] = []
    replied_user: bool = False


class ReferenceForm(BaseModel):
    """`message_reference`; ids come as numbers or strings."""

    type: int = 0
    message_id: Snowflake
    channel_id: Snowflake | None = None
    guild_id: Snowflake | None = None
    fail_if_not_exists: bool = True


class AttachmentForm(BaseModel):
    """A file of this request by its number, or a kept attachment by its id."""

    id: Snowflake
    filename: Annotated[str, Field(max_length=1024)] | None = None
    description: Annotated[str, Field(max_length=1024)] | None = None


class MessageForm(BaseModel):
    """What sending and editing share. Embeds and components stay the JSON they came as."""

    content: str | None = None
    embeds: Annotated[list[EmbedForm], Field(max_length=10)] | None = None
    components: list[Json] | None = None
    attachments: Annotated[list[AttachmentForm], Field(max_length=10)] | None = None
    flags: Annotated[int, Field(ge=0, lt=1 << 53)] | None = None
    allowed_mentions: AllowedMentionsForm | None = None
    poll: Any = None
    sticker_ids: list[Any] | None = None

    def require_modelled(self) -> None:
        """Raise for what Discord refuses beyond single fields, and for what is not modelled."""
        if self.poll is not None:
            raise not_modelled("poll", "polls")
        if self.sticker_ids:
            raise not_modelled("sticker_ids", "stickers")
        if (self.flags or 0) & MessageFlag.IS_VOICE_MESSAGE:
            raise not_modelled("flags", "voice messages")
        if sum(embed.size() for embed in self.embeds or ()) > MAX_EMBED_TEXT:
            raise invalid_field(
                "embeds",
                "MAX_EMBED_SIZE_EXCEEDED",
                f"Embed size exceeds maximum size of {MAX_EMBED_TEXT}",
            )

    def allowed(self) -> AllowedMentions:
        """Which mentions may take effect."""
        form = self.allowed_mentions
        if form is None:
            return EVERYTHING
        for kind, named in (("users", form.users), ("roles", form.roles)):
            if kind in form.parse and named:
                raise invalid_field(
                    "allowed_mentions",
                    "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                    f"parse:[{kind!r}] and {kind}: [ids...] are mutually exclusive.",
                )
        return AllowedMentions(
            parse=frozenset(form.parse),
            users=frozenset(form.users),
            roles=frozenset(form.roles),
            replied_user=form.replied_user,
        )


class CreateForm(MessageForm):
    """POST of a message."""

    nonce: int | Annotated[str, Field(max_length=25)] | None = None
    enforce_nonce: bool = False
    tts: bool = False
    message_reference: ReferenceForm | None = None

    def sent_flags(self) -> int:
        """The flags that a new message may carry; others are dropped, as Discord does."""
        return (self.flags or 0) & SENDABLE


class EditForm(MessageForm):
    """PATCH of a message. A field that is absent changes nothing, null clears it."""

    def edited_flags(self, before: int) -> int | None:
        """The flags after the edit, or None if it says nothing about them."""
        if self.flags is None:
            return None
        return (before & ~EDITABLE) | (self.flags & EDITABLE)


class ThreadForm(BaseModel):
    """POST of a thread; `type` is asked only without a message, where it must be public."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    auto_archive_duration: ArchiveMinutes = 1440
    rate_limit_per_user: Annotated[int, Field(ge=0, le=21600)] | None = None
    type: int | None = None


class ThreadUpdateForm(BaseModel):
    """PATCH of a thread."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    archived: bool | None = None
    locked: bool | None = None
    auto_archive_duration: ArchiveMinutes | None = None
    rate_limit_per_user: Annotated[int, Field(ge=0, le=21600)] | None = None


class RecipientForm(BaseModel):
    """POST of a direct channel."""

    recipient_id: Snowflake


class HistoryQuery(BaseModel):
    """GET of messages: newest first; at most one of the three anchors."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    before: Snowflake | None = None
    after: Snowflake | None = None
    around: Snowflake | None = None


class PinsQuery(BaseModel):
    """GET of pins: those pinned before a time, newest first."""

    limit: Annotated[int, Field(ge=1, le=50)] = 50
    before: datetime | None = None


class ReactionQuery(BaseModel):
    """GET of who reacted: by user id, of one kind (0 normal, 1 burst)."""

    limit: Annotated[int, Field(ge=1, le=100)] = 25
    after: Snowflake = 0
    type: Literal[0, 1] = 0

    @field_validator("type", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdigit() else value
