"""Whom the border tells that they are refused, and how often."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, get_args

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import wording
from adapters.border import Border
from bot.access import Reason
from bot.domain import Standing
from bot.errors import MessageGone
from bot.platform_settings import AccessSettings
from tests.adapters.core_bench import core_bench
from tests.adapters.room import Room, later
from tests.bot.chat_bench import ANA, asked

LINE = wording.not_allowed("channel")


@asynccontextmanager
async def border(client: "Redis", **rules: Any) -> AsyncIterator[Border]:
    given = rules or {"deny_channels": ["C111"]}
    async with core_bench(client, AccessSettings.model_validate(given)) as core:
        yield core.border


async def test_who_is_refused_is_told_once_in_a_channel(client: "Redis") -> None:
    room = Room()
    async with border(client) as one:
        for _ in range(3):
            await one.take(asked(place="channel", channel="C111", mentions_bot=True), room)
    assert room.told == [(ANA.id, LINE)]
    assert room.messages == {}


async def test_where_all_would_read_it_only_who_plainly_asked_us_is_told(client: "Redis") -> None:
    """A follow-up in a thread that we are in may be said to anybody there."""
    room = Room(is_discreet=False)
    where: dict[str, Any] = {"place": "thread", "channel": "C111", "thread": "1.5"}
    async with core_bench(client) as core:
        await core.border.take(asked(**where, mentions_bot=True), room)
    async with border(client) as one:
        await one.take(asked(**where), room)
        assert room.told == []
        await one.take(asked(**where, mentions_bot=True), room)
        assert room.told == [(ANA.id, LINE)]


async def test_where_nobody_else_reads_it_a_follow_up_is_answered_too(client: "Redis") -> None:
    room = Room()
    where: dict[str, Any] = {"place": "thread", "channel": "C111", "thread": "1.5"}
    async with core_bench(client) as core:
        await core.border.take(asked(**where, mentions_bot=True), room)
    async with border(client) as one:
        await one.take(asked(**where), room)
    assert room.told == [(ANA.id, LINE)]


async def test_what_is_not_for_us_is_refused_in_silence(client: "Redis") -> None:
    room = Room()
    async with border(client) as one:
        await one.take(asked(place="channel", channel="C111"), room)
    assert room.told == []


async def test_a_bot_is_told_nothing(client: "Redis") -> None:
    room = Room()
    async with border(client, bots=["U999"], bots_in_a_row=1) as one:
        for _ in range(3):
            await one.take(replace(asked(), standing=Standing(is_bot=True)), room)
    assert room.told == []
    assert room.messages == {}


@pytest.mark.parametrize("trouble", [later(), MessageGone("left"), RuntimeError("unforeseen")])
async def test_who_cannot_be_told_ends_nothing(client: "Redis", trouble: Exception) -> None:
    room = Room()
    room.meets("tell", trouble)
    async with border(client) as one:
        with capture_logs() as logs:
            await one.take(asked(place="channel", channel="C111", mentions_bot=True), room)
    assert [line["event"] for line in logs if line["event"] == "person not told"]


def test_every_reason_has_its_words() -> None:
    reasons: tuple[Reason, ...] = get_args(Reason)
    lines = {wording.not_allowed(reason) for reason in reasons}
    assert len(lines) == len(reasons)
    assert all("/candor why" in line for line in lines)
