"""Holding an answer, end to end: real processes, and a person who presses what stands there."""

import asyncio
from pathlib import Path
from typing import Any

from tests.house import House, house
from tests.process import feedback, soon
from tests.scripted_model import ScriptedModel
from tests.waiting import until


class Alice:
    """Alice in a channel with the bot: in a direct message Slack has a Stop of its own."""

    def __init__(self, up: House, platform: str) -> None:
        self._up, self._platform = up, platform

    async def write(self, text: str) -> None:
        await self._up.seat.write(self._platform, "general", "alice", f"@candor {text}")

    async def sees(self, *texts: str, button: str = "") -> list[dict[str, Any]]:
        """Wait until the bot's messages say this in order, the last with a button."""
        found: list[dict[str, Any]] = []

        async def shown() -> bool:
            found[:] = await self._up.seat.answers(self._platform, "general")
            said = [each for each in found if not each["private"]]
            return (
                len(said) == len(texts)
                and all(text in each["text"] for text, each in zip(texts, said, strict=True))
                and any(button in one["label"] for one in said[-1]["buttons"])
            )

        await soon(shown, lambda: f"not {texts} with {button!r} but {found}")
        return [each for each in found if not each["private"]]

    async def told(self, text: str) -> dict[str, Any]:
        """Wait for a message for her alone."""
        found: list[dict[str, Any]] = []

        async def shown() -> bool:
            answers = await self._up.seat.answers(self._platform, "general")
            found[:] = [each for each in answers if each["private"] and text in each["text"]]
            return bool(found)

        await soon(shown, lambda: f"nobody told her {text!r}")
        return found[-1]

    async def press(self, message: dict[str, Any], label: str) -> None:
        await self._up.seat.press(self._platform, "general", "alice", message, label)

    async def fill_in(self, text: str) -> None:
        await self._up.seat.fill_in(self._platform, "alice", text)


async def test_an_answer_is_stopped_continued_tried_again_and_judged(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    model = ScriptedModel(answer=lambda _: ["It is ", go_on.wait, "so, ", "and so it is."])
    async with house(tmp_path, model) as up:
        people = [Alice(up, "slack"), Alice(up, "discord")]
        stopped = await asyncio.gather(*(asks_and_stops(alice) for alice in people))
        await until(lambda: model.running == 0)
        go_on.set()
        await up.kill()
        await up.start()
        pairs = zip(people, stopped, strict=True)
        await asyncio.gather(*(goes_on_and_judges(alice, first) for alice, first in pairs))
        assert sorted((platform, value) for platform, _, value in await up.votes()) == [
            ("discord", -1),
            ("discord", 1),
            ("slack", -1),
            ("slack", 1),
        ]
        notes = await feedback(up.settings)
        assert sorted(note["platform"] for note in notes) == ["discord", "slack"]
        for note in notes:
            assert (note["text"], note["vote"], note["question"]) == ("No.", -1, "Why?")


async def asks_and_stops(alice: Alice) -> dict[str, Any]:
    """The answer that was stopped."""
    await alice.write("Why?")
    [first] = await alice.sees("It is", button="Stop")
    await alice.press(first, "Stop")
    [first] = await alice.sees("(stopped)", button="Continue")
    return first


async def goes_on_and_judges(alice: Alice, first: dict[str, Any]) -> None:
    """By buttons that an earlier process put there, and by new ones."""
    whole = "It is so, and so it is."
    await alice.press(first, "Continue")
    [first] = await alice.sees(whole, button="Try again")
    await alice.press(first, "Try again")
    first, second = await alice.sees(whole, whole, button="👎")
    await alice.press(second, "👎")
    told = await alice.told("👎")
    await alice.press(told, "why")
    await alice.fill_in("No.")
    await alice.press(first, "👍")
    await alice.told("👍")
    await alice.sees(whole, whole, button="👎")
