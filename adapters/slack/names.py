"""What people on Slack are called: events tell their ids alone."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.border import Border
from adapters.slack.calls import Calls
from bot.domain import Person
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

KEPT: Final = 10_000
MOST_WAITING: Final = 1000


class Names:
    """Looks names up, one after the other; without the scope users:read there are none."""

    def __init__(self, calls: Calls, border: Border) -> None:
        self._calls = calls
        self._border = border
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._waiting: asyncio.Queue[Person] = asyncio.Queue(MOST_WAITING)

    def learn(self, person: Person) -> None:
        """Look a person's name up, unless it was."""
        if person.id in self._asked or self._waiting.full():
            return
        self._asked[person.id] = None
        while len(self._asked) > KEPT:
            self._asked.popitem(last=False)
        self._waiting.put_nowait(person)

    async def run(self) -> None:
        """Look names up until cancelled."""
        while True:
            person = await self._waiting.get()
            try:
                profile = (await self._calls.do("users.info", user=person.id)).get("user")
            except (SlackApiError, PlatformUnavailable, MessageGone) as error:
                log.debug("name not known", user=person.id, error=str(error))
                self._asked.pop(person.id, None)
                continue
            if isinstance(profile, Mapping) and (
                name := profile.get("real_name") or profile.get("name")
            ):
                await self._border.remember(replace(person, name=str(name)))
