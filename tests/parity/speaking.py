"""When the bot speaks, and when it is silent."""

from adapters import wording
from tests.parity.room import Room


async def a_mention(room: Room) -> None:
    asked = await room.ask("hello")
    await room.sees(room.heard("hello"), to=asked)


async def a_direct_message(room: Room) -> None:
    asked = await room.ask("hello", channel="dm")
    await room.sees(room.heard("hello"), to=asked, channel="dm")


async def a_follow_up(room: Room) -> None:
    root = await room.joined()
    more = await room.write("and more?", thread=root)
    await room.sees(room.heard("and more?"), to=root, after=more)


async def somebody_else(room: Room) -> None:
    await room.ignores("@bob", "what do you think?", await room.joined())


async def everybody(room: Room) -> None:
    """By alice, who may call everybody on Discord too."""
    await room.ignores("@everyone", "is it noon?", await room.joined(), user="alice")


async def refused(room: Room) -> None:
    asked = await room.ask("may I?", user="dave")

    async def told() -> bool:
        seen = await room.read("general", "dave")
        return any(each["text"] == wording.not_allowed("person") for each in seen)

    await room.soon(told, lambda: "dave is told nothing")
    await room.command("/candor why", user="dave")
    await room.told("the settings do not allow you", user="dave")
    await room.shows(lambda found: all("heard" not in each["text"] for each in found), to=asked)
    assert room.script.prompts(room.words("may I?")) == []
