"""The bot's account: its token, its application, and which privileged intents are switched on."""

import hmac
from typing import Final

from adapters.sandbox.discord.flags import PRIVILEGED, Intents, application_flags
from adapters.sandbox.discord.identity import application, own_user
from adapters.sandbox.discord.ids import (
    APPLICATION_ID,
    BOT_USER_ID,
    GUILD_ID,
    PEOPLE_IDS,
)
from adapters.sandbox.discord.model import Json
from adapters.sandbox.discord.state import State


class Account:
    """One application with one bot token; the first of the people owns it."""

    def __init__(self, *, token: str, privileged: Intents, state: State) -> None:
        if not token or not token.isascii():
            raise ValueError("the bot token must be a non-empty ASCII string")
        if privileged & ~PRIVILEGED:
            raise ValueError(f"not privileged intents: {privileged & ~PRIVILEGED!r}")
        self._token = token.encode()
        self._state = state
        self.privileged: Final = privileged

    def owns(self, token: str) -> bool:
        """Whether that is the bot's token; takes the same time for any of its length."""
        # discord.py sends the bare token over the gateway; "Bot " before it is accepted too.
        bare = token.removeprefix("Bot ")
        return hmac.compare_digest(bare.encode(errors="replace"), self._token)

    def authorizes(self, header: str | None) -> bool:
        """Whether an Authorization header carries the bot's token."""
        return header is not None and header.startswith("Bot ") and self.owns(header)

    @property
    def reads_content(self) -> bool:
        """Whether REST gives the application all content, which IDENTIFY has no say in."""
        return bool(self.privileged & Intents.MESSAGE_CONTENT)

    def own_user(self) -> Json:
        """The bot's user, as it sees itself."""
        return own_user(self._state.users[BOT_USER_ID])

    def partial_application(self) -> Json:
        """The application as READY carries it."""
        return {"id": str(APPLICATION_ID), "flags": application_flags(self.privileged)}

    def ready(self, session_id: str, shard: tuple[int, int] | None, url: str) -> Json:
        """The body of READY; the guild follows in an event of its own, if it is the shard's."""
        shard_id, shards = shard or (0, 1)
        guilds = [GUILD_ID] if (GUILD_ID >> 22) % shards == shard_id else []
        body: Json = {
            "v": 10,
            "user": self.own_user(),
            "guilds": [{"id": str(guild), "unavailable": True} for guild in guilds],
            "session_id": session_id,
            "resume_gateway_url": url,
            "application": self.partial_application(),
            "private_channels": [],
        }
        if shard is not None:
            body["shard"] = list(shard)
        return body

    def application(self) -> Json:
        """The whole application."""
        owner = self._state.users[next(iter(PEOPLE_IDS.values()))]
        return application("A loopback Discord", application_flags(self.privileged), owner)
