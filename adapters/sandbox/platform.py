"""What the control API and the page need of either loopback platform.

`DiscordWorld` and `SlackWorld` implement `Platform`. The control API knows nothing else of
them, and their wire protocols know nothing of the control API.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aiohttp import web

from adapters.sandbox.errors import ControlError as ControlError
from adapters.sandbox.faults import Faults
from adapters.sandbox.journal import Journal

CHANNELS: tuple[str, ...] = ("general", "random")
"""Public channels, by name."""

DM = "dm"
"""The channel name that stands for a person's direct message with the bot."""

BOT_HANDLE = "candor"
"""`@candor` in a text becomes the platform's own mention of the bot."""


@dataclass(frozen=True, slots=True)
class ReactionView:
    """One emoji under a message and the handles of those who gave it, in order."""

    emoji: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ButtonView:
    """One button under a message: `id` as the bot named it, `label` with its emoji, if any."""

    id: str
    label: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message as the page and the tests see it.

    `id` is the platform's own message id (Discord snowflake, Slack ts), `user` a handle (the bot's
    is `candor`), `thread` the id of the message that the thread hangs under or None, `reply_to`
    the id of the message that this one answers to (Discord replies) or None. `text` shows mentions
    as `@handle`. `edited` tells whether the message was ever edited, `buttons` are those under it
    in their order, `private` tells that the person who looks is the only one to see it.
    """

    id: str
    user: str
    bot: bool
    text: str
    thread: str | None
    reply_to: str | None
    edited: bool
    reactions: tuple[ReactionView, ...]
    buttons: tuple[ButtonView, ...] = ()
    private: bool = False


@dataclass(frozen=True, slots=True)
class AuditView:
    """One message with all that an auditor asks for.

    `channel` is a name of `CHANNELS` or `dm`, `person` whose direct message it stands in, None
    elsewhere. `nonce` is what the bot sent with it (Discord), `metadata` likewise (Slack),
    `streaming` tells whether it still waits for more (Slack), and `bursts` are the super reactions
    by person, which `view` counts with the others (Discord).
    """

    view: MessageView
    channel: str
    person: str | None
    nonce: str | None = None
    metadata: Mapping[str, Any] | None = None
    streaming: bool = False
    bursts: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a person sends with a message."""

    name: str
    data: bytes


class Platform(Protocol):
    """A loopback platform: its state, its wire protocol, and what a person can do in it.

    `people` are the handles of those who sit at it, `faults` is what is armed to go wrong in it,
    `journal` what the bot did, `limits` the names of the rate limits that it can be put under.
    """

    name: Literal["discord", "slack"]
    people: tuple[str, ...]
    faults: Faults
    journal: Journal
    limits: tuple[str, ...]

    def limit(self, name: str) -> None:
        """Put the API under one of `limits`; raises ControlError for another name."""

    def attach(self, app: web.Application, base_url: Callable[[], str]) -> None:
        """Add the platform's own routes under `/{name}/`.

        `base_url()` gives `http://127.0.0.1:PORT` once the server listens; URLs handed to clients
        (gateway, sockets, files) are made from it at the time of the request.
        """

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` after each visible change; returns what ends the subscription."""

    async def post(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        thread: str | None = None,
        reply_to: str | None = None,
    ) -> str:
        """Post as a person and return the message's id.

        `thread` is the id of the message to answer under; on Discord the thread is made when it
        does not exist yet. Raises ControlError for an unknown channel, person or message.
        """

    async def upload(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        files: Sequence[Upload],
        thread: str | None = None,
    ) -> str:
        """Post files as a person, with a text that may be empty, and return the message's id.

        Raises ControlError as `post` does, and for more than the platform takes.
        """

    async def forward(self, *, channel: str, message: str, user: str, to: str) -> str:
        """Forward a message to a channel, as a person, and return the new message's id.

        Raises ControlError for an unknown channel, person or message.
        """

    async def edit(self, *, channel: str, message: str, user: str, text: str) -> None:
        """Edit a person's own message; raises ControlError for another's."""

    async def delete(self, *, channel: str, message: str, user: str) -> None:
        """Delete a person's own message, or as a moderator would the bot's.

        Raises ControlError for anybody else's, and for what the platform lets nobody delete.
        """

    async def react(
        self, *, channel: str, message: str, user: str, emoji: str, present: bool
    ) -> None:
        """Add (`present`) or remove a person's reaction; a repeat is no event.

        `emoji` is a character (👍) or the platform's own name (`+1` on Slack).
        """

    async def clear_reactions(self, *, channel: str, message: str, emoji: str | None) -> None:
        """Take all reactions away, or all of one emoji, as a moderator would.

        Raises ControlError where the platform has no such thing.
        """

    def messages(
        self, *, channel: str, user: str, newest: int | None = None
    ) -> Sequence[MessageView]:
        """All messages of a channel, oldest first, replies in threads included; or the newest.

        For channel `dm`, the direct message between `user` and the bot.
        """

    def audit(self) -> Sequence[AuditView]:
        """Every message that exists, whoever may see it; oldest first in each channel."""

    def activity(self, *, channel: str, user: str) -> str | None:
        """What the bot is shown to be doing there ("typing", a status line), if anything."""

    def connected(self) -> bool:
        """Whether a bot is connected and would receive a message posted now."""

    async def close(self) -> None:
        """Close every connection and end every task."""
