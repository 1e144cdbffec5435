"""Who and what can exist in a loopback workspace: one team, its people, the app, its channels.

Owns the ids, which are constants, so that a test can name them, for everybody whom a workspace
could have. Nothing here changes; who is there is state of the workspace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.sandbox.interactive import AWAY
from adapters.sandbox.people import MAX_PEOPLE, handles
from adapters.sandbox.platform import BOT_HANDLE, CHANNELS

TEAM_ID = "T0SANDBOX1"
TEAM_DOMAIN = "candor-sandbox"
APP_ID = "A0SANDBOX1"
BOT_ID = "B0SANDBOX1"
BOT_USER_ID = "U0SANDBOX1"

USER_IDS: dict[str, str] = {handle: f"U0{handle.upper()}" for handle in handles(MAX_PEOPLE)}
"""Handle of a person -> user id. The bot's is BOT_USER_ID."""

CHANNEL_IDS: dict[str, str] = {name: f"C0{name.upper()}" for name in CHANNELS}
"""Name of a public channel -> channel id."""

ELSEWHERE, *_ = AWAY
AWAY_IDS: dict[str, str] = {ELSEWHERE: f"C0{ELSEWHERE.upper()}"}
"""Name of a public channel that the bot is no member of -> channel id."""

IM_IDS: dict[str, str] = {handle: f"D0{handle.upper()}" for handle in USER_IDS}
"""Handle of a person -> id of the direct message between that person and the bot."""

HANDLES: dict[str, str] = {
    **{user: handle for handle, user in USER_IDS.items()},
    BOT_USER_ID: BOT_HANDLE,
}
"""User id -> handle, the bot included."""

# When the workspace was made; Slack's `created` fields need some fixed moment.
CREATED_S = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Channel:
    """A public channel, or the direct message between one person and the bot.

    `name` is the channel's name, for a direct message the person's user id. `members` are user ids
    of people; whether the bot is in a public channel is state of the workspace.
    """

    id: str
    name: str
    kind: Literal["channel", "im"]
    members: tuple[str, ...]

    @property
    def history_scope(self) -> str:
        """The scope that reads this channel and receives its messages."""
        return "im:history" if self.kind == "im" else "channels:history"

    @property
    def read_scope(self) -> str:
        """The scope that reads facts about this channel."""
        return "im:read" if self.kind == "im" else "channels:read"


def channels(people: Sequence[str]) -> dict[str, Channel]:
    """Every channel of a workspace with these people, by its id."""
    everybody = tuple(USER_IDS[handle] for handle in people)
    return {
        **{
            id_: Channel(id=id_, name=name, kind="channel", members=everybody)
            for name, id_ in (CHANNEL_IDS | AWAY_IDS).items()
        },
        **{
            IM_IDS[handle]: Channel(
                id=IM_IDS[handle], name=USER_IDS[handle], kind="im", members=(USER_IDS[handle],)
            )
            for handle in people
        },
    }
