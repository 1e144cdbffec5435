"""A bot on either loopback platform that answers by a scripted model, and what it asks that."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis

from adapters.border import Border
from adapters.sandbox.discord import DiscordWorld
from adapters.sandbox.platform import MessageView, Upload
from adapters.sandbox.slack import CHANNEL_IDS, SlackWorld
from bot.domain import Platform, Turn
from bot.feedback.voting import Voting
from bot.parts import Parts
from bot.settings import ContextSettings
from bot.store.places import Places
from bot.store.tickets import Tickets
from bot.store.votes import Votes
from bot.worker import Worker
from tests.adapters.core_bench import Core
from tests.adapters.discord.adapted import adapted as discord_adapted
from tests.adapters.paces import quick
from tests.adapters.sandbox.discord_bench import Served as DiscordServed
from tests.adapters.sandbox.discord_bench import served as discord_served
from tests.adapters.sandbox.slack_bench import Served as SlackServed
from tests.adapters.sandbox.slack_bench import slack as slack_served
from tests.adapters.slack.adapted import adapted as slack_adapted
from tests.bot.chat_bench import Bench, chat_bench
from tests.scripted_model import ScriptedModel
from tests.waiting import until


@dataclass
class Table:
    """People at a platform, and the bot that they ask."""

    platform: Platform
    world: DiscordWorld | SlackWorld
    bench: Bench
    worker: Worker
    client: "Redis"
    post_as_bot: Callable[[str, str], Awaitable[None]]
    """Say something as the bot in general, in the thread of a message."""

    def slack(self) -> SlackWorld:
        """The loopback Slack."""
        assert isinstance(self.world, SlackWorld)
        return self.world

    async def say(self, text: str, **where: str) -> str:
        return await self.world.post(
            channel=where.pop("channel", "general"),
            user=where.pop("user", "alice"),
            text=text,
            thread=where.pop("thread", None),
            reply_to=where.pop("reply_to", None),
        )

    async def send(
        self,
        text: str,
        files: dict[str, bytes],
        *,
        channel: str = "general",
        user: str = "alice",
        thread: str | None = None,
    ) -> str:
        """Post files."""
        return await self.world.upload(
            channel=channel,
            user=user,
            text=text,
            files=[Upload(name, data) for name, data in files.items()],
            thread=thread,
        )

    async def turn(self, message: str) -> Turn:
        """The turn of a message, once its answer was shown to the end."""
        await until(
            lambda: self._of(message, is_open=False),
            lambda: f"no answer; asked: {self.bench.server.requests}",
            within_s=8,
        )
        found = await self._of(message, is_open=False)
        assert found is not None
        return found

    async def taken_in(self, message: str) -> None:
        """Wait until a message is a question that waits for its answer."""
        await until(lambda: self._of(message, is_open=True))

    async def _of(self, message: str, *, is_open: bool) -> Turn | None:
        async for key in self.client.scan_iter(f"candor:message:*/{message}"):
            turn = await self.bench.turns.of_message(key.removeprefix("candor:message:"))
            if turn is not None and turn.is_open is is_open:
                return turn
        return None

    def shown(self, *, channel: str = "general", user: str = "alice") -> str:
        """The bot's last message there, as people see it."""
        return self.by_bot(channel=channel, user=user)[-1].text

    def by_bot(self, *, channel: str = "general", user: str = "alice") -> list[MessageView]:
        return [one for one in self.world.messages(channel=channel, user=user) if one.bot]

    def asked(self) -> list[dict[str, Any]]:
        """The messages that the model was last asked with, without the system prompt."""
        messages: list[dict[str, Any]] = self.bench.server.requests[-1]["messages"]
        return messages[1:]

    def last_question(self) -> str:
        """The last message of a person in it, as text."""
        content = self.asked()[-1]["content"]
        assert isinstance(content, str)
        return content


@asynccontextmanager
async def table(
    platform: Platform,
    client: "Redis",
    server: ScriptedModel | None = None,
    *,
    context: ContextSettings | None = None,
    is_answering: bool = True,
    content: bool = True,
    **options: Any,
) -> AsyncIterator[Table]:
    """Everything up; with `is_answering` false nobody answers before `worker.run` is called."""
    server = server or ScriptedModel(answer=lambda messages: ["Done."])
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(chat_bench(client, server, context=context))
        votes = Votes(client, bench.turns, bench.people)
        voting = Voting(bench.turns, votes, bench.people)
        book = Parts(bench.turns, voting)
        border = Border(bench.chat, voting, bench.people, quick(), book, give_up_s=1.0)
        stack.push_async_callback(border.close)
        tickets = Tickets(client, bench.turns)
        core = Core(border, bench.turns, Places(client), tickets, votes, client)
        adapter: Any
        if platform == "slack":
            at_slack = await stack.enter_async_context(slack_served(**options))
            adapter = (await stack.enter_async_context(slack_adapted(at_slack, core))).adapter
            world: DiscordWorld | SlackWorld = at_slack.world
            post: Callable[[str, str], Awaitable[None]] = partial(_post_on_slack, at_slack)
        else:
            at_discord = await stack.enter_async_context(discord_served(**options))
            adapter = (
                await stack.enter_async_context(discord_adapted(at_discord, core, content=content))
            ).adapter
            world = at_discord.world
            post = partial(_post_on_discord, at_discord)
        worker = Worker(bench.inbox, bench.turns, platform, adapter.answer, room=10)
        running = asyncio.create_task(worker.run()) if is_answering else None
        try:
            yield Table(platform, world, bench, worker, client, post)
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            await worker.stop(0)


async def _post_on_slack(served: SlackServed, text: str, thread: str) -> None:
    await served.client().chat_postMessage(
        channel=CHANNEL_IDS["general"], text=text, thread_ts=thread
    )


async def _post_on_discord(served: DiscordServed, text: str, thread: str) -> None:
    """A thread that is made from a message has its id."""
    await served.world.post(channel="general", user="bob", text="so", thread=thread)
    url = f"{served.api}/channels/{thread}/messages"
    async with served.http() as session, session.post(url, json={"content": text}) as answer:
        assert answer.status == 200
