"""The commands that people see in Discord, and registering them when they have changed.

Discord lets 200 commands be created a day, and a bot may start more often than that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
import discord
import structlog
from discord import app_commands

from adapters.discord.controls import Interaction
from adapters.discord.counter import Counter
from adapters.discord.echo import QUESTION_CHARS

log = structlog.get_logger()

MENU: Final = "Ask Candor about this"
REGISTER_S: Final = 30.0
TEXT_CHARS: Final = 2500

_PLAIN: Final = {
    "help": "What I can do, and how to ask and to vote",
    "new": "Begin anew here: forget what was said in this conversation",
    "model": "Which model answers here",
    "stats": "How much is asked here, and how the answers are liked",
    "privacy": "What is kept, for how long, and whom to ask",
    "why": "Why I did not answer you",
}
_WITH_TEXT: Final = {
    "persona": ("How I speak here: show, text …, reset, sampling …", "What to do with it"),
    "forget": ("Delete what I know of you", "`me` to go through with it"),
    "feedback": ("Tell whoever runs me something", "Nothing: a form opens for it"),
}
NAMES: Final = (*_PLAIN, *_WITH_TEXT)
"""The commands under `/candor`."""

_Handler = Callable[[Interaction], Awaitable[None]]


def tree_of(client: discord.Client, counter: Counter) -> app_commands.CommandTree[Any]:
    """The commands of a client, for servers and for people who installed us for themselves."""
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(
        client,
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        allowed_contexts=app_commands.AppCommandContext(
            guild=True, dm_channel=True, private_channel=True
        ),
    )

    @tree.command(name="ask", description="Ask a question; the others here see it, too")
    @app_commands.describe(question="What you want to know")
    async def ask(
        interaction: Interaction, question: app_commands.Range[str, 1, QUESTION_CHARS]
    ) -> None:
        await counter.ask(interaction, question)

    @tree.context_menu(name=MENU)
    async def about(interaction: Interaction, message: discord.Message) -> None:
        await counter.about(interaction, message)

    if counter.has_desk:
        tree.add_command(_group(counter))
    return tree


async def register(client: discord.Client, tree: app_commands.CommandTree[Any]) -> bool:
    """Register the commands if they are not what is registered, and whether they are now.

    Never fatal: without them, everything else still works.
    """
    if client.application_id is None:
        return False
    wanted = [command.to_dict(tree) for command in tree._get_all_commands(guild=None)]
    try:
        async with asyncio.timeout(REGISTER_S):
            known = await client.http.get_global_commands(client.application_id)
            if same_commands(wanted, known):
                return True
            await client.http.bulk_upsert_global_commands(client.application_id, wanted)
    except discord.HTTPException as error:
        log.warning(
            "commands not registered; invite the bot with the scope applications.commands",
            error=str(error),
        )
        return error.status in {400, 403}  # which no repeat cures
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        log.warning("commands not registered yet", error=repr(error))
        return False
    log.info("commands registered", count=len(wanted))
    return True


def same_commands(wanted: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what is registered is what is wanted; what Discord adds by itself does not count."""
    by_name = {(one.get("type", 1), one["name"]): one for one in known}
    return len(by_name) == len(wanted) and all(
        _same(one, by_name.get((one.get("type", 1), one["name"]))) for one in wanted
    )


def _same(wanted: Any, known: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(known, Mapping) and all(
            _same(value, known.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and wanted and isinstance(known, list):
        if all(isinstance(one, int) for one in wanted):
            return sorted(wanted) == sorted(known)
        return len(wanted) == len(known) and all(map(_same, wanted, known))
    # What is empty or false need not be told.
    return bool(wanted == known or not (wanted or known))


def _group(counter: Counter) -> app_commands.Group:
    """`/candor …`: Discord's own slots for what is one command on other platforms."""
    group = app_commands.Group(name="candor", description="All but asking")
    for name, about in _PLAIN.items():
        group.command(name=name, description=about)(_plain(counter, name))
    for name, (about, what) in _WITH_TEXT.items():
        described = app_commands.describe(text=what)(_with_text(counter, name))
        group.command(name=name, description=about)(described)
    return group


def _plain(counter: Counter, name: str) -> Any:
    async def command(interaction: Interaction) -> None:
        await counter.command(interaction, name)

    return command


def _with_text(counter: Counter, name: str) -> Any:
    async def command(
        interaction: Interaction, text: app_commands.Range[str, 0, TEXT_CHARS] = ""
    ) -> None:
        await counter.command(interaction, name, text)

    return command
