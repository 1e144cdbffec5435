"""Votes, and the reasons for them."""

import asyncio

from adapters import wording
from bot.store import keys
from tests.parity.room import Room
from tests.process import feedback


async def by_reaction(room: Room) -> None:
    await room.react(await room.answered("good?"), "👍")
    await room.voted(1)


async def by_button(room: Room) -> None:
    await room.press(await room.answered("good?"), "👎", "dm")
    await room.told("Your vote on this answer: 👎.", channel="dm")
    await room.voted(-1)


async def one_of_both(room: Room) -> None:
    answer = await room.answered("good?")
    await room.react(answer, "👍")
    await room.press(answer, "👍", "dm")
    await room.told("Your vote on this answer: 👍.", channel="dm")
    await room.voted(1)


async def taken_back(room: Room) -> None:
    first, second = await room.answered("good?"), await room.answered("better?")
    await room.react(first, "👍")
    await room.voted(1)  # a press may overtake it: it comes by another connection
    await room.press(second, "👎", "dm")
    await room.voted(-1, 1)
    await room.react(first, "👍", present=False)
    await room.voted(-1)
    await asyncio.sleep(keys.PRESSED_MS / 1000)  # twice within that is a double click
    await room.press(second, "👎", "dm")
    await room.told("You took your vote back.", channel="dm")
    await room.voted()


async def with_a_reason(room: Room) -> None:
    await room.press(await room.answered("why?"), "👎", "dm")
    told = await room.told(wording.SAY_WHY, channel="dm")
    await room.press(told, "why", "dm")
    await room.fill_in("Too short.")
    await room.told(wording.REASON_KEPT, channel="dm")
    notes = await feedback(room.house.settings)
    assert [
        (note["platform"], note["vote"], note["question"])
        for note in notes
        if note["text"] == room.words("Too short.")
    ] == [(room.platform, -1, room.words("why?"))]


async def seeded(room: Room) -> None:
    """The bot's own thumbs are there to be clicked, and are no votes."""
    answer = await room.answered("good?")

    async def seeds() -> bool:
        [found] = [each for each in await room.read("dm") if each["id"] == answer["id"]]
        given = {each["emoji"]: each["users"] for each in found["reactions"]}
        return given == {"👍": ["candor"], "👎": ["candor"]}

    await room.soon(seeds, lambda: "the thumbs are not there")
    await room.voted()
