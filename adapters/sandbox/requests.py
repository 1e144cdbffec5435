"""What the control API is asked for: bodies and queries, as forms."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from adapters.sandbox.bodies import Body, a_person, not_blank, one_of
from adapters.sandbox.platform import CHANNELS, DM

MAX_TEXT_CHARS = 40_000
"""Slack's own limit on a message; each platform may allow less."""

_Channel = Annotated[str, one_of((*CHANNELS, DM))]
_Person = Annotated[str, AfterValidator(a_person)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS), AfterValidator(not_blank)]
_Emoji = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class PostMessage(Body):
    """Body of `POST /control/{platform}/messages`."""

    channel: _Channel
    user: _Person
    text: _Text
    thread: _Id | None = None
    reply_to: _Id | None = None


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
