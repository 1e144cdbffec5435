"""What the control API is asked for: bodies and queries, as forms."""

import base64
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
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


def _decoded(data: object) -> bytes:
    try:
        return base64.b64decode(data if isinstance(data, str) else "?", validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "must be base64") from None


class SentFile(Body):
    """A file of a message; `data` is base64."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    data: Annotated[bytes, BeforeValidator(_decoded)]


class PostMessage(Body):
    """Body of `POST /control/{platform}/messages`."""

    channel: _Channel
    user: _Person
    text: _Text
    thread: _Id | None = None
    reply_to: _Id | None = None


class UploadFiles(Body):
    """Body of `POST /control/{platform}/uploads`; the text may be empty."""

    channel: _Channel
    user: _Person
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)] = ""
    thread: _Id | None = None
    files: Annotated[tuple[SentFile, ...], Field(min_length=1, strict=False)]


class ForwardMessage(Body):
    """Body of `POST /control/{platform}/forward`: a message of `channel`, to another."""

    channel: _Channel
    user: _Person
    message: _Id
    to: _Channel


class PutLimits(Body):
    """Body of `POST /control/{platform}/limits`: the name of one of the platform's limits."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)]


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
