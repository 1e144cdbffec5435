"""What changes under the bot: a question that waits, and the bot itself."""

import asyncio

from tests.parity.room import Room


async def a_question_that_waits(room: Room) -> None:
    """One is edited and answered as edited; one is deleted and not answered."""
    gate = asyncio.Event()
    first = await room.ask("one", channel="dm", says=("At ", gate.wait, "work."))
    await room.sees("At", to=first, channel="dm")
    second, third = await room.wait_behind("two"), await room.wait_behind("three")
    await room.edit(second, "two and a half")
    await room.bot_says("question edited", second)
    await room.delete(third)
    await room.bot_says("message deleted", third)
    gate.set()
    await room.ask("four", channel="dm")
    heard = [room.heard("two and a half"), room.heard("four")]
    await room.sees("At work.", *heard, to=first, channel="dm")
    for text in ("two", "three"):
        assert room.script.prompts(room.words(text)) == []


async def the_process(room: Room) -> None:
    """What an earlier process put under an answer works."""
    answer = await room.answered("still there?")
    await room.bot_says("answer", "done")
    await room.house.kill()
    await room.house.start()
    await room.press(answer, "👍", "dm")
    await room.told("Your vote on this answer: 👍.", channel="dm")
    await room.press(answer, "Try again", "dm")
    heard = room.heard("still there?")
    await room.sees(heard, heard, to="0", channel="dm", button="Try again")
