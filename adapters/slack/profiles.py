"""What Slack says of a person: the name, what they may in the workspace, their user groups.

Asked when it is needed, kept for a while, and never waited for long: who is not known in time has
no special standing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.calls import Calls
from adapters.slack.errors import code
from bot.domain import NOBODY, Standing
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

KEPT: Final = 10_000
KEPT_S: Final = 600.0
"""Seconds after which an admin who is none any more is found out."""
FAILED_S: Final = 30.0
"""Seconds for which nobody waits for a person of whom Slack told nothing."""
WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A person of a workspace; `is_moderator`: an admin or an owner of it."""

    name: str
    is_moderator: bool = False
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    profile: Profile | None
    until: float


@dataclass(frozen=True, slots=True)
class _Groups:
    of: Mapping[str, frozenset[str]]
    until: float


class Profiles:
    """The people of one workspace.

    Without the scope users:read nothing is known of them, without usergroups:read no group.
    """

    def __init__(self, calls: Calls, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Profile | None]] = {}
        self._groups = _Groups({}, 0.0)
        self._grouping: asyncio.Task[None] | None = None

    async def of(self, user: str) -> Profile | None:
        """A person, or None when Slack does not say so within `WAIT_S`.

        Those who wait for the same person go on in the order in which they came.
        """
        kept = self._kept.get(user)
        if kept is not None and kept.until > self._clock():
            return kept.profile
        asking = self._asking.get(user)
        if asking is None:
            asking = self._asking[user] = asyncio.create_task(self._ask(user))
            asking.add_done_callback(lambda _: self._asking.pop(user, None))
        await asyncio.wait({asking}, timeout=WAIT_S)
        return asking.result() if asking.done() and not asking.cancelled() else None

    async def standing(self, user: str, told: Standing = NOBODY) -> Standing:
        """What a person may, with what an event told of it."""
        profile, roles = await asyncio.gather(self.of(user), self._groups_of(user))
        known = replace(told, roles=told.roles | roles)
        if profile is None:
            return known
        return replace(
            known,
            is_moderator=profile.is_moderator and not told.is_outside,
            is_bot=told.is_bot or profile.is_bot,
        )

    async def _groups_of(self, user: str) -> frozenset[str]:
        """The user groups that a person is in, as they were within the last `KEPT_S`."""
        if self._groups.until <= self._clock():
            if self._grouping is None or self._grouping.done():
                self._grouping = asyncio.create_task(self._ask_groups())
            await asyncio.wait({self._grouping}, timeout=WAIT_S)
        return self._groups.of.get(user, frozenset())

    async def _ask_groups(self) -> None:
        found: dict[str, frozenset[str]] = {}
        kept_s = KEPT_S
        try:
            answer = await self._calls.do("usergroups.list", include_users=True, wait_s=WAIT_S)
        except SlackApiError as error:  # mostly an app that was made before the scope was asked for
            log.info("user groups are not known", error=code(error))
        except (PlatformUnavailable, MessageGone) as error:
            log.debug("user groups are not known", error=str(error))
            found, kept_s = dict(self._groups.of), FAILED_S
        else:
            for group in answer.get("usergroups") or ():
                for user in group.get("users") or ():
                    found[user] = found.get(user, frozenset()) | {str(group.get("id"))}
        self._groups = _Groups(found, self._clock() + kept_s)

    async def close(self) -> None:
        """End what is being asked."""
        asking: list[asyncio.Task[Any]] = list(self._asking.values())
        if self._grouping is not None:
            asking.append(self._grouping)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, user: str) -> Profile | None:
        found, kept_s = None, FAILED_S
        try:
            answer = await self._calls.do("users.info", user=user, wait_s=WAIT_S)
        except (SlackApiError, PlatformUnavailable, MessageGone) as error:
            log.debug("person not known", user=user, error=str(error))
        else:
            found, kept_s = _profile(answer.get("user"), user), KEPT_S
        self._kept[user] = _Kept(found, self._clock() + kept_s)
        self._kept.move_to_end(user)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def _profile(told: object, user: str) -> Profile | None:
    if not isinstance(told, Mapping):
        return None
    return Profile(
        name=str(told.get("real_name") or told.get("name") or user),
        is_moderator=bool(told.get("is_admin") or told.get("is_owner")),
        is_bot=bool(told.get("is_bot")),
    )
