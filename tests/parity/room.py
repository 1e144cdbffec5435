"""A person of one platform for one feature: what they do at the sandbox, and what they see there.

Each room has a person of its own and words of its own, so that features can share one bot.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from adapters.sandbox.discord import PEOPLE_IDS
from adapters.sandbox.slack.directory import USER_IDS
from bot.domain import Platform
from bot.settings import RedisSettings
from bot.store.connection import connect
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.house import House
from tests.parity.script import Script
from tests.process import soon
from tests.scripted_model import Piece
from tests.waiting import until

PLATFORMS: Final[tuple[Platform, ...]] = ("slack", "discord")
WITHIN_S: Final = 20.0

Message = dict[str, Any]


def id_of(platform: Platform, person: str) -> str:
    """What a platform calls a person of the sandbox."""
    return USER_IDS[person] if platform == "slack" else str(PEOPLE_IDS[person])


@dataclass(frozen=True, slots=True)
class Room:
    """`person` at a platform; `mark` stands in all that is said here and nowhere else."""

    house: House
    script: Script
    platform: Platform
    person: str
    mark: str

    def words(self, text: str) -> str:
        """The text as it is said here."""
        return f"{text} {self.mark}"

    def heard(self, text: str) -> str:
        """What the model says to a text for which nothing is written."""
        return f"I heard: {self.words(text)}"

    async def ask(
        self,
        text: str,
        *,
        channel: str = "general",
        thread: str = "",
        user: str = "",
        says: tuple[Piece, ...] = (),
    ) -> str:
        """Ask the bot, and the model says `says`; the id of the question."""
        if says:
            self.script.write(self.words(text), *says)
        mention = "" if channel == "dm" else "@candor "
        return await self.write(mention + text, channel=channel, thread=thread, user=user)

    async def write(
        self, text: str, *, channel: str = "general", thread: str = "", user: str = ""
    ) -> str:
        """Write something with the room's mark; its id."""
        more = {"thread": thread} if thread else {}
        seat = self.house.seat
        return await seat.write(
            self.platform, channel, user or self.person, self.words(text), **more
        )

    async def joined(self) -> str:
        """The root of a thread in which the bot has answered."""
        root = await self.write("a thread")
        await self.ask("join us", thread=root)
        await self.sees(self.heard("join us"), to=root)
        return root

    async def answered(self, text: str) -> Message:
        """Ask in the direct message, and wait for the whole answer with its buttons."""
        asked = await self.ask(text, channel="dm")
        [answer] = await self.sees(self.heard(text), to=asked, channel="dm", button="👍")
        return answer

    async def sees(
        self, *texts: str, to: str, channel: str = "general", after: str = "", button: str = ""
    ) -> list[Message]:
        """Wait until the bot's messages to a message are these, the last with a button."""
        return await self.shows(
            lambda found: (
                [each["text"] for each in found] == [*texts]
                and any(button in one["label"] for one in found[-1]["buttons"] or [{"label": ""}])
            ),
            to=to,
            channel=channel,
            after=after,
        )

    async def shows(
        self,
        check: Callable[[list[Message]], object],
        *,
        to: str,
        channel: str = "general",
        after: str = "",
    ) -> list[Message]:
        """Wait until the bot's messages under, or in reply to, a message pass a check."""
        found: list[Message] = []

        async def shown() -> bool:
            found[:] = [
                each
                for each in await self.read(channel)
                if each["bot"]
                and not each["private"]
                and (channel == "dm" or to in (each["thread"], each["reply_to"]))
                and _is_later(each["id"], after or to)
            ]
            return bool(check(found))

        await self.soon(shown, lambda: f"what stands there: {found}")
        return list(found)

    async def told(self, text: str, *, channel: str = "general", user: str = "") -> Message:
        """Wait for a message with this text that only this person sees."""
        found: list[Message] = []

        async def shown() -> bool:
            found[:] = [each for each in await self.read(channel, user) if each["private"]]
            return bool(found) and text in found[-1]["text"]

        await self.soon(shown, lambda: f"not told {text!r} but {found}")
        assert found[-1] not in await self.read(channel, "bob")
        return found[-1]

    async def said(self, text: str) -> Message:
        """Wait for a public message of the bot in the channel that holds a text."""
        found: list[Message] = []

        async def shown() -> bool:
            found[:] = [
                each
                for each in await self.read("general")
                if each["bot"] and not each["private"] and text in each["text"]
            ]
            return bool(found)

        await self.soon(shown, lambda: f"nowhere: {text!r}")
        return found[-1]

    async def ignores(self, mention: str, text: str, root: str, user: str = "") -> None:
        """Write something in a thread that the bot is in, and see that it answers the next only."""
        quiet = await self.write(f"{mention} {text}", thread=root, user=user)
        await self.ask("and you?", thread=root)
        await self.sees(self.heard("and you?"), to=root, after=quiet)
        assert self.script.prompts(self.words(text)) == []

    async def stop(self, thread: str) -> None:
        """Write the word in a thread, and nothing else."""
        seat = self.house.seat
        await seat.write(self.platform, "general", self.person, "stop", thread=thread)

    async def wait_behind(self, text: str) -> str:
        """Ask in the direct message behind another question; back once it waits."""
        asked = await self.ask(text, channel="dm")
        await self.bot_says("question", asked)
        return asked

    async def bot_says(self, event: str, message: str) -> None:
        """Wait for the line of the bot's log that tells of an event of a message."""
        await self.house.bot.says(rf'(?m)^(?=.*"{event}").*{re.escape(message)}', WITHIN_S)

    async def edit(self, message: str, text: str, *, channel: str = "dm", user: str = "") -> None:
        """Edit a message of a person's own."""
        seat = self.house.seat
        await seat.edit(self.platform, channel, user or self.person, message, self.words(text))

    async def delete(self, message: str) -> None:
        """Delete a message of the direct message."""
        await self.house.seat.delete(self.platform, "dm", self.person, message)

    async def upload(self, text: str, **files: bytes) -> str:
        """Ask about files in the direct message; the id of the question."""
        seat, text = self.house.seat, self.words(text)
        return await seat.upload(self.platform, "dm", self.person, text, **files)

    async def forward(self, message: str) -> str:
        """Forward a message of the channel to the bot; the id of what arrives."""
        seat = self.house.seat
        return await seat.forward(self.platform, "general", self.person, message, "dm")

    async def read(self, channel: str, user: str = "") -> list[Message]:
        """All that a person sees of a channel."""
        return await self.house.seat.read(self.platform, channel, user or self.person)

    async def press(self, message: Message, label: str, channel: str = "general") -> None:
        """Press a button."""
        await self.house.seat.press(self.platform, channel, self.person, message, label)

    async def react(self, message: Message, emoji: str, *, present: bool = True) -> None:
        """React in the direct message, or take it back."""
        await self.house.seat.react(
            self.platform, "dm", message["id"], self.person, emoji, present=present
        )

    async def command(self, text: str, *, channel: str = "general", user: str = "") -> None:
        """Type a slash command."""
        await self.house.seat.command(self.platform, channel, user or self.person, text)

    async def use_menu(self, message: str, name: str) -> None:
        """Use an entry of the menu of a message of the channel."""
        await self.house.seat.shortcut(self.platform, "general", self.person, message, name)

    async def fill_in(self, text: str) -> None:
        """Fill in the form that opens."""
        await self.house.seat.fill_in(self.platform, self.person, self.words(text))

    async def voted(self, *values: int) -> None:
        """Wait until the votes of this person are these, the latest first."""
        found: list[int] = []
        person = id_of(self.platform, self.person)

        async def listed() -> bool:
            async with connect(RedisSettings(), self.house.state_dir) as client:
                votes = Votes(client, Turns(client), People(client))
                found[:] = [
                    vote.value
                    async for vote in votes.listed()
                    if (vote.person.platform, vote.person.id) == (self.platform, person)
                ]
            return found == [*values]

        await self.soon(listed, lambda: f"the votes are {found}, not {values}")

    async def soon(
        self, check: Callable[[], Awaitable[object]], otherwise: Callable[[], str]
    ) -> None:
        """Wait for what the bot does."""
        await soon(check, otherwise, within_s=WITHIN_S)

    async def idle(self) -> None:
        """Wait until the model says nothing to anybody."""
        await until(lambda: self.script.model.running == 0, within_s=WITHIN_S)


def _is_later(message: str, than: str) -> bool:
    return (len(message), message) > (len(than), than)
