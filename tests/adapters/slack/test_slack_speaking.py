"""When the bot speaks on Slack, and whom it refuses: the real adapter at the loopback Slack."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters import wording
from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, TEAM_ID, USER_IDS
from adapters.sandbox.slack.payload import envelope
from bot.platform_settings import AccessSettings
from tests.adapters.core_bench import Core, core_bench
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.adapted import adapted, ref
from tests.waiting import until

GENERAL = CHANNEL_IDS["general"]
OTHER_BOT = "U0OTHERBOT"


@dataclass
class Town:
    """People at a loopback Slack, and what the bot took in."""

    served: Served
    core: Core
    events: int = 0

    async def say(self, text: str, *, user: str = "alice", **where: str) -> str:
        ts = await self.served.world.post(
            **{"channel": "general", "user": user, **where}, text=text
        )
        await self.settled()
        return ts

    async def by_bot(self, text: str, **fields: Any) -> str:
        """A message of an integration, as Slack tells of it."""
        self.events += 1
        ts = f"1795427000.{self.events:06d}"
        event = {
            "type": "message",
            "user": OTHER_BOT,
            "bot_id": "B0OTHERBOT",
            "text": text,
            "ts": ts,
            "channel": GENERAL,
            "channel_type": "channel",
            "team": TEAM_ID,
            "event_ts": ts,
            **fields,
        }
        found = {name: value for name, value in event.items() if value is not None}
        name = f"EvBot{self.events}"
        self.served.world._deliveries.submit(name, envelope(found, event_id=name, now=1.0))
        await self.settled()
        return ts

    async def by_person(self, text: str, thread: str) -> None:
        """What Slack's own client makes of a group that there is, which the sandbox has not."""
        person = {"user": USER_IDS["alice"], "bot_id": None, "thread_ts": thread}
        await self.by_bot(text, **person)

    async def settled(self) -> None:
        await until(lambda: self.served.world.pending_events == 0, within_s=10)

    async def taken(self) -> list[str]:
        return await self.core.texts("slack")

    def told(self, user: str = "alice", channel: str = "general") -> list[str]:
        """What the bot told one person."""
        seen = self.served.world.messages(channel=channel, user=user)
        return [one.text for one in seen if one.bot]


@asynccontextmanager
async def town(client: "Redis", **rules: Any) -> AsyncIterator[Town]:
    access = AccessSettings.model_validate(rules)
    async with (
        slack() as served,
        core_bench(client, access) as core,
        adapted(served, core),
    ):
        yield Town(served, core)


async def test_it_speaks_where_it_is_addressed_and_nowhere_else(client: "Redis") -> None:
    async with town(client) as one:
        root = await one.say("@candor yes: a mention")
        await one.say("yes: a direct message", channel="dm")
        await one.say("yes: @bob in a direct message", channel="dm")
        await one.say("yes: a follow-up", thread=root, user="bob")
        await one.say("@bob no: to somebody else", thread=root)
        await one.say("@bob @candor yes: to both", thread=root)
        await one.say("@here no: to everybody in a thread of ours", thread=root)
        await one.say("no: to nobody")
        await one.say("@channel no: to everybody")
        await one.by_person("<!subteam^S0TEAM> no: to a group in a thread of ours", root)
        other = await one.say("no: a thread of others")
        await one.say("no: a follow-up there", thread=other)
        await one.say("@candor yes: called into it", thread=other)
        await one.say("yes: and from then on", thread=other)
        found = await one.taken()
        assert [text for text in found if "yes: " not in text] == []
        assert len(found) == 7


async def test_a_reply_in_a_thread_under_a_message_of_ours_is_a_question(client: "Redis") -> None:
    async with town(client) as one:
        note = await one.served.client().chat_postMessage(channel=GENERAL, text="Hello.")
        await one.say("Why?", thread=str(note["ts"]))
        await one.say("@bob what?", thread=str(note["ts"]))
        assert await one.taken() == ["Why?"]


async def test_bots_are_answered_only_when_they_are_listed_and_itself_never(
    client: "Redis",
) -> None:
    mention = f"<@{BOT_USER_ID}>"
    async with town(client, bots=[OTHER_BOT, "B0HOOK", BOT_USER_ID]) as one:
        await one.by_bot(f"{mention} listed by its user")
        await one.by_bot(
            f"{mention} listed by its id", user=None, bot_id="B0HOOK", subtype="bot_message"
        )
        await one.by_bot(f"{mention} a stranger", user="U0STRANGE", bot_id="B0STRANGE")
        await one.by_bot(f"{mention} a nameless one", user=None, subtype="bot_message")
        await one.by_bot(f"{mention} ourselves", user=BOT_USER_ID, bot_id="B0CANDOR")
        await one.by_bot(f"{mention} Slack's own", user="USLACKBOT", bot_id=None)
        assert await one.taken() == ["listed by its user", "listed by its id"]


async def test_without_a_list_no_bot_is_answered(client: "Redis") -> None:
    async with town(client) as one:
        await one.by_bot(f"<@{BOT_USER_ID}> Why?")
        assert await one.taken() == []


async def test_two_bots_do_not_talk_for_ever(client: "Redis") -> None:
    async with town(client, bots=[OTHER_BOT], bots_in_a_row=2) as one:
        for number in range(4):
            await one.by_bot(f"<@{BOT_USER_ID}> {number}")
        assert await one.taken() == ["0", "1"]
        await one.say("@candor a person's")
        await one.by_bot(f"<@{BOT_USER_ID}> again")
        assert await one.taken() == ["0", "1", "a person's", "again"]
        assert one.told() == []


# Refusals


async def test_who_is_refused_reads_so_alone_and_once(client: "Redis") -> None:
    async with town(client, deny_channels=[GENERAL]) as one:
        root = await one.say("@candor Why?")
        await one.say("@candor And why?")
        await one.say("@candor Why here?", thread=root)
        assert await one.taken() == []
        assert one.told() == [wording.not_allowed("channel")]
        assert one.told("bob") == []
        await one.say("@candor Why there?", channel="random")
        assert await one.taken() == ["Why there?"]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"dms": False}, "dm"),
        ({"deny_people": [USER_IDS["alice"]]}, "person"),
        ({"allow_people": [USER_IDS["bob"]]}, "person"),
        ({"deny_workspaces": [TEAM_ID]}, "workspace"),
    ],
)
async def test_the_rules_hold_in_a_direct_message(
    client: "Redis", rules: dict[str, Any], reason: Any
) -> None:
    async with town(client, **rules) as one:
        asked = await one.say("Why?", channel="dm")
        assert await one.taken() == []
        assert one.told(channel="dm") == [wording.not_allowed(reason)]
        assert await one.core.turns.of_message(ref("dm", asked).key) is None


async def test_what_was_asked_of_nobody_is_refused_in_silence(client: "Redis") -> None:
    async with town(client, deny_channels=[GENERAL]) as one:
        await one.say("to nobody")
        assert one.told() == []
