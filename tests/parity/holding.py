"""What people do with an answer: stop it, go on with it, try it again."""

import asyncio

from tests.parity.room import Message, Room

HALF, REST = "It is", " so."
STOPPED = f"{HALF}\n\n_(stopped)_"


async def _begun(room: Room) -> tuple[str, Message, asyncio.Event]:
    """The thread in which half an answer stands, that half, and what lets the rest go."""
    gate = asyncio.Event()
    root = await room.write("a thread")
    await room.ask("so?", thread=root, says=(HALF, gate.wait, REST))
    [half] = await room.sees(HALF, to=root, button="Stop")
    return root, half, gate


async def stopped_by_button(room: Room) -> None:
    root, half, _ = await _begun(room)
    await room.press(half, "Stop")
    await room.sees(STOPPED, to=root, button="Continue")
    await room.idle()


async def stopped_by_word(room: Room) -> None:
    root, _, _ = await _begun(room)
    await room.stop(root)
    await room.sees(STOPPED, to=root, button="Continue")
    await room.idle()


async def continued(room: Room) -> None:
    root, half, gate = await _begun(room)
    await room.press(half, "Stop")
    [half] = await room.sees(STOPPED, to=root, button="Continue")
    gate.set()
    await room.press(half, "Continue")
    [whole] = await room.sees(HALF + REST, to=root, button="Try again")
    assert whole["id"] == half["id"]


async def tried_again(room: Room) -> None:
    asked = await room.write("a thread")
    await room.ask("again?", thread=asked)
    heard = room.heard("again?")
    [first] = await room.sees(heard, to=asked, button="Try again")
    await room.press(first, "Try again")
    one, two = await room.sees(heard, heard, to=asked, button="Try again")
    assert one["id"] == first["id"] != two["id"]
    assert len(room.script.prompts(room.words("again?"))) == 2
