"""Interactions on the loopback Discord, with the real client: commands, menus, buttons, forms."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands

from adapters.sandbox.discord import APPLICATION_ID, PEOPLE_IDS, Intents
from adapters.sandbox.platform import ButtonView, ControlError, MessageView
from tests.adapters.sandbox.discord_bench import Bot, Served, served
from tests.waiting import until

Act = Callable[[discord.Interaction[Bot]], Awaitable[None]]

MENU = "Ask about this"


class Form(discord.ui.Modal, title="Why?"):
    """One labelled text field."""

    words: discord.ui.Label[Any] = discord.ui.Label(
        text="Your words",
        component=discord.ui.TextInput(style=discord.TextStyle.long, max_length=20),
    )


@dataclass
class Bench:
    """A bot with commands, which does with each interaction what the test says."""

    served: Served
    bot: Bot
    seen: list[discord.Interaction[Bot]]
    act: Act

    @property
    def world(self) -> Any:
        return self.served.world

    def messages(self, user: str = "alice", channel: str = "general") -> list[MessageView]:
        return list(self.world.messages(channel=channel, user=user))


@asynccontextmanager
async def bench(act: Act, **options: Any) -> AsyncIterator[Bench]:
    async with served(**options) as running:
        bot = Bot()
        tree = app_commands.CommandTree(
            bot,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )
        seen: list[discord.Interaction[Bot]] = []

        @tree.command(name="ask", description="Ask a question")
        async def ask(interaction: discord.Interaction[Bot], question: str) -> None:
            interaction.extras["question"] = question

        group = app_commands.Group(name="candor", description="All else")

        @group.command(name="help", description="What it can do")
        async def help_(interaction: discord.Interaction[Bot]) -> None:
            """Noted below."""

        @group.command(name="persona", description="How it speaks")
        async def persona(interaction: discord.Interaction[Bot], text: str = "") -> None:
            interaction.extras["text"] = text

        tree.add_command(group)

        @tree.context_menu(name=MENU)
        async def about(interaction: discord.Interaction[Bot], message: discord.Message) -> None:
            interaction.extras["message"] = message

        async with running.bot(bot):
            await tree.sync()
            found = Bench(running, bot, seen, act)

            async def on_interaction(interaction: discord.Interaction[Bot]) -> None:
                seen.append(interaction)
                await asyncio.sleep(0)  # the tree fills `extras` first
                await found.act(interaction)

            bot.on_interaction = on_interaction  # type: ignore[attr-defined]
            yield found


async def say_hello(interaction: discord.Interaction[Bot]) -> None:
    await interaction.response.send_message("hello")


async def whisper_hello(interaction: discord.Interaction[Bot]) -> None:
    await interaction.response.send_message("hello", ephemeral=True)


async def nothing(_: discord.Interaction[Bot]) -> None:
    """The bot stays silent."""


async def test_a_slash_command_comes_with_its_option_and_is_answered_for_all_to_see() -> None:
    async with bench(say_hello) as room:
        assert [one.name for one in room.world.commands()] == [
            "ask",
            "candor help",
            "candor persona",
        ]
        assert list(room.world.shortcuts()) == [MENU]
        await room.world.command(channel="general", user="bob", text="/ask what is  candour?")
        (seen,) = room.seen
        assert seen.extras == {"question": "what is  candour?"}
        assert (seen.user.id, seen.context.guild) == (PEOPLE_IDS["bob"], True)
        assert not seen.permissions.manage_messages
        assert seen.filesize_limit == 10 << 20
        for user in ("bob", "alice"):
            (answer,) = room.messages(user)
            assert (answer.text, answer.user, answer.private) == ("hello", "candor", False)
        await until(lambda: room.bot.heard)
        raw = room.bot.heard[0]
        assert raw.type is discord.MessageType.chat_input_command
        assert raw.interaction_metadata is not None
        assert raw.interaction_metadata.user.id == PEOPLE_IDS["bob"]
        assert raw.webhook_id == APPLICATION_ID


async def test_a_subcommand_of_a_moderator_tells_her_permissions_and_her_roles() -> None:
    async with bench(whisper_hello) as room:
        await room.world.command(channel="general", user="alice", text="/candor persona be kind")
        (seen,) = room.seen
        assert seen.extras == {"text": "be kind"}
        assert seen.permissions.manage_messages
        assert isinstance(seen.user, discord.Member)
        assert len(seen.user._roles) == 2


async def test_an_ephemeral_answer_is_seen_by_its_person_alone_and_is_no_history() -> None:
    async with bench(whisper_hello) as room:
        await room.world.command(channel="general", user="bob", text="/candor help")
        (answer,) = room.messages("bob")
        assert (answer.text, answer.private) == ("hello", True)
        assert room.messages("alice") == []
        assert room.bot.heard == []
        channel = await room.bot.channel()
        assert [one async for one in channel.history()] == []
        with pytest.raises(discord.NotFound):
            await channel.fetch_message(int(answer.id))
        original = await room.seen[0].original_response()
        await original.edit(content="goodbye")
        assert room.messages("bob")[0].text == "goodbye"
        await original.delete()
        assert room.messages("bob") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ask", "a command begins with /"),
        ("/aks why", "no such command: /aks; there are: /ask, /candor help, /candor persona"),
        ("/ask", "/ask: question is missing"),
        ("/candor", "/candor: say which: help, persona"),
        ("/candor help me", "the command takes nothing"),
    ],
)
async def test_what_the_client_would_not_send_is_no_interaction(text: str, line: str) -> None:
    async with bench(say_hello) as room:
        with pytest.raises(ControlError) as told:
            await room.world.command(channel="general", user="bob", text=text)
        assert str(told.value) == line
        assert room.seen == []


async def test_an_application_that_stays_silent_has_failed_and_comes_too_late() -> None:
    async with bench(nothing, answer_s=0.1) as room:
        with pytest.raises(ControlError, match="The application did not respond"):
            await room.world.command(channel="general", user="bob", text="/candor help")
        with pytest.raises(discord.NotFound) as late:
            await room.seen[0].response.send_message("sorry")
        assert late.value.code == 10062
        assert room.messages("bob") == []


async def test_an_interaction_is_answered_once() -> None:
    async with bench(say_hello) as room:
        await room.world.command(channel="general", user="bob", text="/candor help")
        seen = room.seen[0]
        again = f"{room.served.api}/interactions/{seen.id}/{seen.token}/callback"
        async with aiohttp.ClientSession() as http, http.post(again, json={"type": 5}) as answer:
            assert answer.status == 400
            assert (await answer.json())["code"] == 40060


async def test_the_first_follow_up_fills_a_deferred_answer_in() -> None:
    async def later(interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer(thinking=True)

    async with bench(later) as room:
        await room.world.command(channel="general", user="bob", text="/candor help")
        (loading,) = room.messages()
        assert loading.text == "candor is thinking…"
        first = await room.seen[0].followup.send("one", wait=True)
        await room.seen[0].followup.send("two", wait=True)
        assert [one.text for one in room.messages()] == ["one", "two"]
        assert str(first.id) == loading.id == room.messages()[0].id
        assert room.messages()[1].reply_to == loading.id
        await first.edit(content="one, edited")
        assert room.messages()[0].text == "one, edited"


async def test_a_token_works_for_a_quarter_of_an_hour_and_an_unknown_one_never() -> None:
    now = [1_800_000_000.0]
    async with bench(say_hello, clock=lambda: now[0]) as room:
        await room.world.command(channel="general", user="bob", text="/candor help")
        now[0] += 899.0
        await room.seen[0].followup.send("in time")
        now[0] += 2.0
        with pytest.raises(discord.HTTPException) as late:
            await room.seen[0].followup.send("late")
        assert (late.value.status, late.value.code) == (401, 50027)
        url = f"{room.served.api}/webhooks/{APPLICATION_ID}/nonsense"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, json={"content": "hi"}) as answer,
        ):
            assert (answer.status, (await answer.json())["code"]) == (404, 10015)


async def test_a_menu_gives_the_message_with_its_content_whatever_the_intents() -> None:
    async with bench(say_hello, privileged_intents=Intents(0)) as room:
        asked = await room.world.post(channel="general", user="carol", text="The sky is green.")
        await until(lambda: room.bot.heard)
        assert room.bot.heard[0].content == ""
        await room.world.shortcut(channel="general", message=asked, user="bob", name=MENU)
        target = room.seen[0].extras["message"]
        assert (target.content, target.author.name) == ("The sky is green.", "carol")
        await until(lambda: len(room.bot.heard) == 2)
        answer = room.bot.heard[-1]
        assert answer.type is discord.MessageType.context_menu_command
        assert answer.interaction_metadata is not None
        assert answer.interaction_metadata.target_message_id == int(asked)
        with pytest.raises(ControlError, match="no such entry"):
            await room.world.shortcut(channel="general", message=asked, user="bob", name="Nope")


async def test_a_button_is_pressed_and_changes_its_message_or_only_tells_its_presser() -> None:
    async def act(interaction: discord.Interaction[Bot]) -> None:
        if interaction.message is None:
            view = discord.ui.View(timeout=None)
            for name, label in (("go", "Go"), ("off", "Off")):
                view.add_item(
                    discord.ui.Button(
                        label=label, emoji="▶", custom_id=name, disabled=name == "off"
                    )
                )
            await interaction.response.send_message("choose", view=view)
        elif interaction.user.id == PEOPLE_IDS["bob"]:
            await interaction.response.edit_message(content="gone", view=None)
        else:
            await interaction.response.send_message("not you", ephemeral=True)

    async with bench(act) as room:
        await room.world.command(channel="general", user="bob", text="/candor help")
        (asked,) = room.messages()
        assert asked.buttons == (ButtonView("go", "▶ Go"), ButtonView("off", "▶ Off", True))
        press = {"channel": "general", "message": asked.id}
        await room.world.press(**press, user="dave", button="go")
        assert [one.text for one in room.messages("dave")] == ["choose", "not you"]
        for name, line in (("off", "disabled"), ("nope", "no such button")):
            with pytest.raises(ControlError, match=line):
                await room.world.press(**press, user="bob", button=name)
        await room.world.press(**press, user="bob", button="go")
        (changed,) = room.messages("bob")
        assert (changed.text, changed.buttons, changed.edited) == ("gone", (), True)


async def test_a_form_is_filled_in_within_its_bounds_or_closed() -> None:
    async def act(interaction: discord.Interaction[Bot]) -> None:
        if interaction.type is discord.InteractionType.modal_submit:
            await interaction.response.send_message("thanks", ephemeral=True)
        else:
            await interaction.response.send_modal(Form(custom_id="form"))

    async with bench(act) as room:
        assert room.world.modal(user="bob") is None
        for _ in range(2):
            await room.world.command(channel="general", user="bob", text="/candor help")
            modal = room.world.modal(user="bob")
            assert modal is not None
            assert room.world.modal(user="alice") is None
            (field,) = modal.fields
            assert (modal.title, field.label, field.multiline) == ("Why?", "Your words", True)
            if not room.messages("bob"):
                for text, line in (("", "Your words: missing"), ("x" * 21, "at most 20")):
                    with pytest.raises(ControlError, match=line):
                        await room.world.submit(user="bob", modal=modal.id, values={field.id: text})
                await room.world.submit(user="bob", modal=modal.id, values={field.id: "so it is"})
            else:
                await room.world.dismiss(user="bob", modal=modal.id)
            assert room.world.modal(user="bob") is None
        assert [one.text for one in room.messages("bob")] == ["thanks"]
        assert room.messages("alice") == []
        submitted = next(one for one in room.seen if one.type.name == "modal_submit")
        assert submitted.data is not None
        assert submitted.data["components"][0]["component"]["value"] == "so it is"  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("channel", "context"), [("elsewhere", "guild"), ("group", "private")])
async def test_where_the_bot_is_not_it_hears_of_interactions_alone(
    channel: str, context: str
) -> None:
    async with bench(say_hello) as room:
        await room.world.post(channel=channel, user="carol", text="@candor are you here?")
        await room.world.command(channel=channel, user="bob", text="/ask here?")
        (seen,) = room.seen
        assert (seen.is_user_integration(), seen.is_guild_integration()) == (True, False)
        assert (seen.context.guild, seen.context.private_channel) == (
            context == "guild",
            context == "private",
        )
        assert [one.text for one in room.messages("carol", channel)][1:] == ["hello"]
        assert room.bot.heard == []
        place = room.bot.get_partial_messageable(seen.channel_id or 0)
        with pytest.raises(discord.Forbidden) as refused:
            await place.send("and by myself?")
        assert refused.value.code == 50001
        for number in range(5):
            await seen.followup.send(str(number))
        with pytest.raises(discord.HTTPException) as spent:
            await seen.followup.send("too much")
        assert spent.value.code == 40094


async def test_of_the_commands_created_a_day_allows_two_hundred() -> None:
    async with served() as running, running.bot() as bot:
        assert bot.application_id is not None
        commands = [{"name": f"c{n}", "description": "d", "type": 1} for n in range(100)]
        for _ in range(2):
            await bot.http.bulk_upsert_global_commands(bot.application_id, commands)
        others = [{**one, "name": f"d{n}"} for n, one in enumerate(commands)]
        await bot.http.bulk_upsert_global_commands(bot.application_id, others)
        with pytest.raises(discord.HTTPException) as spent:
            await bot.http.bulk_upsert_global_commands(bot.application_id, commands)
        assert spent.value.code == 30034
