"""How an answer looks: it grows, is whole over its parts, and pings nobody."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from adapters.sandbox import discord
from adapters.sandbox.slack.directory import CHANNEL_IDS, USER_IDS
from tests.parity.room import Message, Room

LIMITS = {"slack": 9_000, "discord": 2_000}
"""About what one message holds."""


async def it_grows(room: Room) -> None:
    gate = asyncio.Event()
    asked = await room.ask("grow", says=("It grows", gate.wait, " and ends."))
    [half] = await room.sees("It grows", to=asked, button="Stop")
    gate.set()
    [whole] = await room.sees("It grows and ends.", to=asked, button="👍")
    assert whole["id"] == half["id"]


async def it_is_whole(room: Room) -> None:
    """Code that fits no message, then a table: all there, once, in order, and every fence shut."""
    lines = [f"line_{number:04} = {number}" for number in range(LIMITS[room.platform] // 15)]
    cells = [f"cell{row}x{column}" for row in range(12) for column in range(3)]
    rows = [" | ".join(cells[at : at + 3]) for at in range(0, len(cells), 3)]
    table = "\n".join(f"| {row} |" for row in [rows[0], "--- | --- | ---", *rows[1:]])
    code = "\n".join(["```python", *lines, "```"])
    answer = f"It begins.\n\n{code}\n\nNow a table.\n\n{table}\n\nIt ends."
    root = await room.write("a thread")
    await room.ask("long", thread=root, says=(answer[:500], answer[500:]))

    def is_over(found: list[Message]) -> bool:
        return any("It ends." in each["text"] and _has_ended(each) for each in found)

    texts = [each["text"] for each in await room.shows(is_over, to=root)]
    assert len(texts) > 1
    everything = "\n".join(texts)
    expected = ["It begins.", *lines, "Now a table.", *cells, "It ends."]
    places = [re.search(rf"(?<!\w){re.escape(each)}(?!\w)", everything) for each in expected]
    assert None not in places
    found = [place.start() for place in places if place is not None]
    assert found == sorted(found)
    for each in expected:
        assert len(re.findall(rf"(?<!\w){re.escape(each)}(?!\w)", everything)) == 1
    for text in texts:
        assert len(re.findall(r"^\s*```", text, re.MULTILINE)) % 2 == 0, text


async def it_pings_nobody(room: Room) -> None:
    """What the platform has of it is looked at, not what people are shown."""
    everybody = "@everyone @here <!channel> <!here> <!everyone>"
    alice = f"<@{USER_IDS['alice']}> <@{discord.PEOPLE_IDS['alice']}> <@&{discord.PEOPLE_ROLE_ID}>"
    asked = await room.ask("ping", says=(f"{everybody} {alice} <!subteam^S0TEAM> all",))
    [answer] = await room.shows(
        lambda found: found and found[-1]["text"].endswith("all") and found[-1]["buttons"], to=asked
    )
    stored = await _stored(room, asked, answer["id"])
    if room.platform == "slack":
        assert not re.search(r"<[@!]", str(stored)), stored
        assert "everyone" in str(stored["blocks"])
    else:
        assert "@everyone" in stored["content"]
        assert [stored["mentions"], stored["mention_roles"], stored["mention_everyone"]] == [
            [],
            [],
            False,
        ]


def _has_ended(part: Message) -> bool:
    return any("👍" in one["label"] for one in part["buttons"])


async def _stored(room: Room, question: str, answer: str) -> Mapping[str, Any]:
    """A message as the bot's own token reads it back."""
    settings = room.house.settings
    http = room.house.seat.session
    if room.platform == "slack":
        url = f"{settings['CANDOR_SLACK_API_URL'].rstrip('/')}/conversations.replies"
        token = f"Bearer {settings['CANDOR_SLACK_BOT_TOKEN']}"
        query = {"channel": CHANNEL_IDS["general"], "ts": question}
        async with http.get(url, params=query, headers={"Authorization": token}) as response:
            told = await response.json()
        [found] = [each for each in told["messages"] if each["ts"] == answer]
    else:
        place = f"channels/{discord.CHANNEL_IDS['general']}/messages/{answer}"
        url = f"{settings['CANDOR_DISCORD_API_URL'].rstrip('/')}/{place}"
        token = f"Bot {settings['CANDOR_DISCORD_TOKEN']}"
        async with http.get(url, headers={"Authorization": token}) as response:
            found = await response.json()
    message: Mapping[str, Any] = found
    return message
