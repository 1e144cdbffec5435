"""The sandbox as the soak sees it: its control API, over HTTP.

Owns the requests and what comes back, as values; knows nothing of how the sandbox works. Channels
go by their names, people by their handles.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from bot.domain import Platform
from bot.soak.errors import SoakError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class Refused(Exception):
    """The sandbox does not do what was asked, and says why in one line."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: a channel, a thread in it (by its message's id), or somebody's DM."""

    channel: str
    person: str | None = None
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One platform message. `claim` is what the bot itself sent along: turn (or the question, of
    a notice that belongs to no turn) and part."""

    platform: Platform
    id: str
    place: Place
    author: str
    by_bot: bool
    text: str
    reply_to: str | None = None
    claim: tuple[str, int] | None = None
    is_streaming: bool = False
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Platform, str]:
        return self.platform, self.id


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that struck. `channel` is None where there was none at hand."""

    platform: Platform
    kind: str
    channel: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Version:
    """What a message of the bot showed from `at` on, in seconds of Unix time."""

    id: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Journal:
    """What the bot showed, and its calls by name: all, and those that a rate limit refused."""

    versions: tuple[Version, ...]
    calls: Mapping[str, int]
    limited: Mapping[str, int]


class Sandbox:
    """The control API at `url`; the session is the caller's."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def people(self) -> tuple[str, ...]:
        """Everybody's handle."""
        return tuple((await self._call("GET", "state"))["people"])

    async def connected(self) -> frozenset[str]:
        """The platforms that a bot is connected to."""
        state = await self._call("GET", "state")
        return frozenset(one["name"] for one in state["platforms"] if one["connected"])

    async def post(
        self, platform: Platform, place: Place, user: str, text: str, *, reply_to: str | None = None
    ) -> str:
        """Write as a person; the message's id."""
        body = {"channel": place.channel, "user": user, "text": text}
        more = {"thread": place.thread, "reply_to": reply_to}
        body |= {name: value for name, value in more.items() if value is not None}
        return str((await self._call("POST", f"{platform}/messages", body))["id"])

    async def edit(
        self, platform: Platform, channel: str, user: str, message: str, text: str
    ) -> None:
        """Change an own message."""
        body = {"channel": channel, "user": user, "message": message, "text": text}
        await self._call("PATCH", f"{platform}/messages", body)

    async def delete(self, platform: Platform, channel: str, user: str, message: str) -> None:
        """Delete an own message."""
        body = {"channel": channel, "user": user, "message": message}
        await self._call("DELETE", f"{platform}/messages", body)

    async def react(
        self,
        platform: Platform,
        channel: str,
        user: str,
        message: str,
        emoji: str,
        *,
        present: bool,
    ) -> None:
        """Put a reaction on a message, or take it away."""
        body = {"channel": channel, "message": message, "user": user, "emoji": emoji}
        await self._call("POST", f"{platform}/reactions", {**body, "present": present})

    async def clear_reactions(self, platform: Platform, channel: str, message: str) -> None:
        """Take all reactions from a message, as a moderator."""
        body = {"channel": channel, "message": message}
        await self._call("DELETE", f"{platform}/reactions", body)

    async def audit(self, platform: Platform) -> tuple[Message, ...]:
        """Every message that exists."""
        return tuple(
            _message(platform, one) for one in await self._call("GET", f"{platform}/audit")
        )

    async def kinds(self, platform: Platform) -> list[dict[str, Any]]:
        """The kinds of faults, with their options."""
        kinds: list[dict[str, Any]] = await self._call("GET", f"{platform}/faults/kinds")
        return kinds

    async def arm(self, platform: Platform, fault: Mapping[str, Any]) -> None:
        """Let something go wrong."""
        await self._call("POST", f"{platform}/faults", dict(fault))

    async def clear_faults(self, platform: Platform) -> None:
        """Take back what is armed."""
        await self._call("DELETE", f"{platform}/faults")

    async def strikes(self, platform: Platform) -> tuple[Strike, ...]:
        """What has struck, oldest first. Raises SoakError when the ledger does not hold all."""
        ledger = await self._call("GET", f"{platform}/faults")
        if ledger["num_fired"] > len(ledger["fired"]):
            raise SoakError(f"more faults struck on {platform} than the sandbox's ledger keeps")
        return tuple(
            Strike(platform, one["kind"], one["channel"], one["at"]) for one in ledger["fired"]
        )

    async def limit(self, platform: Platform, name: str) -> None:
        """Put the platform's API under rate limits."""
        await self._call("POST", f"{platform}/limits", {"name": name})

    async def begin_journal(self, platform: Platform) -> None:
        """Keep from now on what the bot's messages show, and its calls."""
        await self._call("POST", f"{platform}/journal", {})

    async def journal(self, platform: Platform) -> Journal:
        """What was kept. Raises SoakError when that is not all."""
        kept = await self._call("GET", f"{platform}/journal")
        if kept["num_versions"] > len(kept["versions"]):
            raise SoakError(f"more was shown on {platform} than the sandbox's journal keeps")
        return Journal(
            tuple(Version(one["id"], one["at"], one["text"]) for one in kept["versions"]),
            kept["calls"],
            kept["limited"],
        )

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        """An answer's JSON. Raises Refused, and SoakError when the sandbox is not there."""
        try:
            async with self._session.request(
                method,
                f"{self.url}/control/{path}",
                data=None if body is None else orjson.dumps(body),
                headers=None if body is None else {"Content-Type": "application/json"},
                timeout=_TIMEOUT,
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SoakError(f"the sandbox at {self.url} does not answer: {error!r}") from error
        if response.status >= 500:
            raise SoakError(f"the sandbox fails at {method} {path}: {raw[:200]!r}")
        answer = orjson.loads(raw)
        if response.status >= 400:
            raise Refused(str(answer.get("error", answer)))
        return answer


def _message(platform: Platform, one: Mapping[str, Any]) -> Message:
    return Message(
        platform=platform,
        id=one["id"],
        place=Place(one["channel"], one["person"], one["thread"]),
        author=one["user"],
        by_bot=one["bot"],
        text=one["text"],
        reply_to=one["reply_to"],
        claim=_claim(one),
        is_streaming=one["streaming"],
        reactions={who: tuple(emoji) for who, emoji in one["reactions"].items()},
    )


def _claim(one: Mapping[str, Any]) -> tuple[str, int] | None:
    """Turn and part: in the metadata on Slack, in the nonce on Discord as "{turn}-{part}"."""
    payload = (one["metadata"] or {}).get("event_payload") or {}
    if "turn" in payload and isinstance(payload.get("part"), int):
        return str(payload["turn"]), payload["part"]
    turn, _, part = str(one["nonce"] or "").rpartition("-")
    return (turn, int(part)) if turn and part.isdecimal() else None
