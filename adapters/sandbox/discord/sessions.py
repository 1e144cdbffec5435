"""Gateway sessions: what was dispatched to each, so that RESUME can replay it in order.

A session outlives its connection for a while; its sequence only grows. The newest events are
kept; a client that missed more than that cannot resume. Of the sessions whose client is away a few
are kept, since one that was killed leaves its own behind each time.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import orjson

from adapters.sandbox.discord.dispatch import Dispatch
from adapters.sandbox.discord.flags import Intents
from adapters.sandbox.discord.ids import GUILD_ID
from adapters.sandbox.discord.model import Json

KEPT_EVENTS: Final = 2000
KEPT_AWAY: Final = 8


class Link(Protocol):
    """The way to the client that a session is attached to."""

    def send(self, text: str) -> None:
        """Queue a frame; never blocks."""

    def close(self, code: int) -> None:
        """Close after what is queued."""


class Session:
    """One identified session. `link` is None while its client is away."""

    def __init__(self, *, intents: Intents, shard: tuple[int, int] | None, link: Link) -> None:
        self.id: Final = secrets.token_hex(16)
        self.intents: Final = intents
        self.shard: Final = shard
        self.link: Link | None = link
        self.sequence = 0
        self.away_since: float | None = None
        self._events: deque[tuple[int, str]] = deque(maxlen=KEPT_EVENTS)
        self._replay_after: int | None = None

    def wants(self, dispatch: Dispatch) -> bool:
        """Whether the session's intents and shard let the event through."""
        shard_id, shards = self.shard or (0, 1)
        home = (GUILD_ID >> 22) % shards if dispatch.in_guild else 0
        is_let = dispatch.intent is None or bool(self.intents & dispatch.intent)
        return is_let and shard_id == home

    def dispatch(self, name: str, body: Json) -> None:
        """Number the event, keep it for a resume, and send it if the client is there."""
        self.sequence += 1
        frame = {"op": 0, "t": name, "s": self.sequence, "d": body}
        text = orjson.dumps(frame).decode()
        self._events.append((self.sequence, text))
        if self.link is not None:
            self.link.send(text)

    def replay_newest(self) -> None:
        """Let the next resume send the newest event again, though the client has it."""
        self._replay_after = min(self._replay_after or self.sequence, self.sequence - 1)

    def missed(self, after: int) -> list[str] | None:
        """The frames after that sequence, or None when some of them are no longer kept."""
        if self._replay_after is not None:
            after, self._replay_after = min(after, self._replay_after), None
        if after < self.sequence and (not self._events or self._events[0][0] > after + 1):
            return None
        return [text for sequence, text in self._events if sequence > after]


class Sessions:
    """All sessions of the world. `clock` gives seconds, `resume_s` how long one may be away."""

    def __init__(self, *, clock: Callable[[], float], resume_s: float) -> None:
        self._clock = clock
        self._resume_s = resume_s
        self._by_id: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        """Begin a session."""
        self._by_id[session.id] = session

    def find(self, session_id: str) -> Session | None:
        """The session, unless it is unknown or was away for too long."""
        self._forget_lost()
        return self._by_id.get(session_id)

    def drop(self, session: Session) -> None:
        """End a session: it cannot be resumed."""
        session.link = None
        self._by_id.pop(session.id, None)

    def leave(self, session: Session, link: Link) -> None:
        """The client of that link is gone; another may have taken the session over already."""
        if session.link is link:
            session.link = None
            session.away_since = self._clock()
            # Left again it is the newest of those away.
            self._by_id[session.id] = self._by_id.pop(session.id)
            away = [one for one in self._by_id.values() if one.link is None]
            for lost in away[:-KEPT_AWAY]:
                self.drop(lost)

    def __iter__(self) -> Iterator[Session]:
        """The sessions that live or may be resumed."""
        self._forget_lost()
        return iter(list(self._by_id.values()))

    def _forget_lost(self) -> None:
        oldest = self._clock() - self._resume_s
        for session in list(self._by_id.values()):
            if session.link is None and (session.away_since or 0.0) < oldest:
                self.drop(session)
