"""Questions by a command or by a message's menu, and what is left of one when the bot dies."""

import pytest
from redis.asyncio import Redis

from adapters import wording
from adapters.discord import questions as questions_module
from adapters.discord.commands import MENU
from adapters.discord.echo import echo
from adapters.sandbox.discord import CHANNEL_IDS, GUILD_ID
from adapters.sandbox.faults import Fault
from adapters.surface import Content
from bot.domain import MessageRef, Quote
from bot.errors import StoreUnavailable
from bot.store.tickets import Tickets
from tests.adapters.core_bench import core_bench
from tests.adapters.discord.adapted import adapted
from tests.adapters.discord.desk import RecordingDesk
from tests.adapters.discord.offices import BOB, Bench, bench
from tests.adapters.sandbox.discord_bench import served
from tests.waiting import until

CALLBACK = "POST /interactions/{interaction_id}/{webhook_token}/callback"


async def ask_about(room: Bench, question: str = "") -> None:
    """Carol says something, and Bob uses its menu."""
    said = await room.world.post(channel="general", user="carol", text="The sky is green.")
    await room.world.shortcut(channel="general", message=said, user="bob", name=MENU)
    modal = room.world.modal(user="bob")
    [field] = modal.fields
    await room.world.submit(user="bob", modal=modal.id, values={field.id: question})


async def test_a_question_by_a_command_stands_there_and_is_its_person_s(client: "Redis") -> None:
    async with bench(client) as room:
        await room.command("/ask What is **candour**? @everyone")
        await room.takes("What is **candour**? @everyone")
        [posted] = room.messages("carol")
        assert posted.text == "**Bob** asks: What is **candour**? @everyone"
        ref = MessageRef("discord", str(GUILD_ID), str(CHANNEL_IDS["general"]), posted.id)
        turn = await room.core.turns.of_message(ref.key)
        assert turn is not None
        assert (turn.question, turn.asker) == (ref, BOB)
        assert turn.conversation.root == posted.id
        assert room.world.pinged(channel="general", message=posted.id, user="bob") == frozenset()


async def test_the_answer_to_it_is_a_reply_to_what_we_posted(client: "Redis") -> None:
    async with bench(client) as room:
        await room.command("/ask Why?")
        await room.takes("Why?")
        [posted] = room.messages()
        turn = await room.core.turns.of_message(f"discord/{CHANNEL_IDS['general']}/{posted.id}")
        assert turn is not None
        surface = room.one.adapter._surface(turn.question, turn.conversation)
        await surface.post(Content("It is so."), turn=turn.id, part=0)
        assert room.messages()[-1].reply_to == posted.id


async def test_it_may_be_asked_in_a_direct_message_and_in_a_thread(client: "Redis") -> None:
    async with bench(client) as room:
        await room.command("/ask One?", channel="dm")
        await room.takes("One?")
        said = await room.world.post(channel="general", user="bob", text="Let us talk.")
        await room.world.command(channel="general", user="bob", text="/ask Two?", thread=said)
        await room.takes("One?", "Two?")
        posted = room.messages(channel="dm")[-1], room.messages()[-1]
        turns = [
            await room.core.turns.of_message(f"discord/{channel}/{one.id}")
            for one, channel in zip(posted, (await _direct(room), said), strict=True)
        ]
        places = [(one.conversation.place, one.conversation.root) for one in turns if one]
        assert places == [("dm", ""), ("thread", said)]


async def _direct(room: Bench) -> str:
    async with room.served.http() as http:
        url = f"{room.served.api}/users/@me/channels"
        async with http.post(url, json={"recipient_id": BOB.id}) as answer:
            return str((await answer.json())["id"])


async def test_a_menu_asks_about_a_message_with_words_of_one_s_own_or_without(
    client: "Redis",
) -> None:
    async with bench(client) as room:
        await ask_about(room, "Is that so?")
        await room.takes("Is that so?")
        await ask_about(room)
        await room.takes("Is that so?", wording.ABOUT_THIS)
        quote = Quote("Carol", "The sky is green.")
        posted = [one.text for one in room.messages() if one.bot]
        assert posted == [
            echo("Bob", "Is that so?", quote),
            echo("Bob", wording.ABOUT_THIS, quote),
        ]


async def test_a_form_that_is_older_than_what_is_kept_is_told_so(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(client) as room:
        monkeypatch.setattr(questions_module, "TOKEN_S", -1.0)
        said = await room.world.post(channel="general", user="carol", text="The sky is green.")
        await room.world.shortcut(channel="general", message=said, user="bob", name=MENU)
        modal = room.world.modal(user="bob")
        keys = await client.keys("candor:about:*")
        await client.delete(*keys)
        await room.world.submit(user="bob", modal=modal.id, values={})
        await until(lambda: room.private() == [wording.NO_QUESTION])


async def test_while_the_store_is_away_a_menu_says_so(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    async with bench(client) as room:
        said = await room.world.post(channel="general", user="carol", text="The sky is green.")
        monkeypatch.setattr(Tickets, "set_about", away)
        await room.world.shortcut(channel="general", message=said, user="bob", name=MENU)
        await until(lambda: room.private() == [wording.NOTHING_CAME])


async def test_a_question_whose_posting_was_not_confirmed_is_found(client: "Redis") -> None:
    async with bench(client) as room:
        room.world.faults.arm(Fault(kind="lose_reply", on=CALLBACK))
        await room.command("/ask Why?")
        await room.takes("Why?")
        assert len(room.messages()) == 1


async def test_a_question_that_was_posted_and_not_taken_in_is_read_back(client: "Redis") -> None:
    async with served() as running, core_bench(client) as core:
        desk = RecordingDesk()
        async with adapted(running, core, desk=desk) as one:
            room = Bench(running, core, desk, one)
            await until(room.world.commands)
            await room.command("/ask Before?")
            await room.takes("Before?")
            one.adapter.counter._questions._take = _forget
            await room.command("/ask Why?")
            await room.takes("Before?")
        async with adapted(running, core, desk=desk) as one:
            room = Bench(running, core, desk, one)
            history = one.adapter.history
            posted = [message for message in room.messages() if message.bot]
            ref = MessageRef("discord", str(GUILD_ID), str(CHANNEL_IDS["general"]), posted[-1].id)
            again = await history.question(ref)
            assert again is not None
            assert (again.author, again.text, again.mentions_bot) == (BOB, "Why?", True)
            missed = [each async for each in history.missed(again.sent_at - 60)]
            assert [each.text for each in missed] == ["Before?", "Why?"]
            for each in missed:
                await one.adapter.take(each)
            await room.takes("Before?", "Why?")


async def _forget(_: object) -> None:
    """The process dies here."""
