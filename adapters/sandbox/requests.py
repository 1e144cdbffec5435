"""What the control API is asked for: bodies and queries, as forms."""

from typing import Annotated, Self

from pydantic import AfterValidator, Base64Bytes, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from adapters.sandbox.bodies import Body, a_person, not_blank, one_of
from adapters.sandbox.interactive import AWAY
from adapters.sandbox.platform import CHANNELS, DM

MAX_TEXT_CHARS = 40_000
"""Slack's own limit on a message; each platform may allow less."""

_Channel = Annotated[str, one_of((*CHANNELS, DM, *AWAY))]
_Person = Annotated[str, AfterValidator(a_person)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS), AfterValidator(not_blank)]
_Emoji = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class SentFile(Body):
    """A file of a message; `data` is base64."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    data: Base64Bytes


class PostMessage(Body):
    """Body of `POST /control/{platform}/messages`; with files the text may be blank."""

    channel: _Channel
    user: _Person
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)] = ""
    thread: _Id | None = None
    reply_to: _Id | None = None
    files: tuple[SentFile, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.files:
            not_blank(self.text)
        elif self.reply_to is not None:
            raise PydanticCustomError("reply", "files go with no reply_to; use thread")
        return self


class ForwardMessage(Body):
    """Body of `POST /control/{platform}/forward`: a message of `channel`, to another."""

    channel: _Channel
    user: _Person
    message: _Id
    to: _Channel


class EditMessage(Body):
    """Body of `PATCH /control/{platform}/messages`."""

    channel: _Channel
    user: _Person
    message: _Id
    text: _Text


class DeleteMessage(Body):
    """Body of `DELETE /control/{platform}/messages`."""

    channel: _Channel
    user: _Person
    message: _Id


class PostReaction(Body):
    """Body of `POST /control/{platform}/reactions`."""

    channel: _Channel
    message: _Id
    user: _Person
    emoji: _Emoji
    present: bool = True


class ClearReactions(Body):
    """Body of `DELETE /control/{platform}/reactions`; without `emoji`, all of them."""

    channel: _Channel
    message: _Id
    emoji: _Emoji | None = None


class MessagesQuery(Body):
    """Query of `GET /control/{platform}/messages`; `newest` is how many, unset all."""

    channel: _Channel
    user: _Person | None = None
    # Lax, since all values of a query are text.
    newest: Annotated[int, Field(ge=1, le=10_000, strict=False)] | None = None
