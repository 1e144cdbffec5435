"""Answers that people stop, continue and have again, by a button."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.access import Refused
from bot.domain import Standing, Turn
from bot.events import Anew, Ended, Text
from bot.hold import may_hold
from bot.platform_settings import AccessSettings
from bot.settings import ChatSettings
from bot.store.wishes import MOST_RETRIES
from tests.bot.chat_bench import ANA, BO, RELEASE, Bench, Gate, asked, chat_bench, text_of
from tests.bot.turns_of import WORKER, turn
from tests.waiting import until

MODERATOR = Standing(is_moderator=True)
STOPPED = Ended("cancelled")
OTHER = "worker-2"


async def taken_up(bench: Bench, name: str) -> Turn:
    """Answer a turn by its id, as a worker does; how it stands then."""
    while name not in {entry.turn for entry in await bench.inbox.left("slack")}:
        await bench.inbox.read("slack", 9)
    held = await bench.turns.get(name)
    assert held is not None
    _ = [event async for event in bench.shown(bench.chat.answer(held))]
    found = await bench.turns.get(name)
    assert found is not None
    return found


async def cut(bench: Bench, text: str = "one") -> Turn:
    """A turn whose answer was cut by its length."""
    question = asked(text)
    bench.server.finish = "length"
    assert (await bench.ask(question))[-1] == Ended("length")
    bench.server.finish = "stop"
    return await bench.stored(question)


async def retried(bench: Bench, of: Turn) -> Turn:
    """One more answer to a turn's question, whole."""
    assert await bench.chat.hold.by_turn("again", of.id, of.asker) == "done"
    newest = (await bench.turns.history(of.conversation, 1))[0]
    return await taken_up(bench, newest.id)


# Who may


@pytest.mark.parametrize(
    ("person", "standing", "may"),
    [
        (ANA, Standing(), True),
        (replace(ANA, name="renamed"), Standing(), True),
        (BO, Standing(), False),
        (BO, MODERATOR, True),
        (BO, Standing(is_moderator=True, is_bot=True), False),
        (ANA, Standing(is_bot=True), False),
    ],
)
def test_the_asker_and_moderators_hold_an_answer(person, standing, *, may) -> None:  # type: ignore[no-untyped-def]
    found = may_hold(turn(), person, standing, is_moderator=standing.is_moderator)
    assert found is may


async def test_nobody_else_changes_anything(client: "Redis") -> None:
    gate = Gate()
    question = asked("one")
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        running = await bench.stored(question)
        assert await bench.chat.hold.by_turn("stop", running.id, BO) == "denied"
        gate.open()
        assert (await answering)[-1] == Ended("stop")
        ended = await bench.stored(question)
        for wish in ("stop", "continue", "again"):
            assert await bench.chat.hold.by_turn(wish, ended.id, BO) == "denied"
        assert await bench.turns.history(ended.conversation, 9) == [ended]


async def test_an_answer_that_is_not_known_is_nobodys(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        for wish in ("stop", "continue", "again"):
            assert await bench.chat.hold.by_turn(wish, "nonsense", ANA, MODERATOR) == "unknown"


# Stop


async def test_a_stopped_answer_ends_at_once_with_what_was_said(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        running = await bench.stored(question)
        assert await bench.chat.hold.by_turn("stop", running.id, ANA) == "done"
        assert await asyncio.wait_for(answering, 1) == [Text("first "), STOPPED]
        await until(lambda: gate.server.running == 0)
        ended = await bench.stored(question)
        assert (ended.status, ended.finish, ended.answer) == ("stopped", "cancelled", "first")
        assert await bench.inbox.waiting("slack") == 0
        assert await bench.chat.hold.by_turn("stop", running.id, ANA) == "ended"


@pytest.mark.parametrize("grows", [True, False])
async def test_another_process_stops_its_answer(
    client: "Redis", monkeypatch: pytest.MonkeyPatch, *, grows: bool
) -> None:
    """Noticed at its next save, or soon where it does not grow."""
    monkeypatch.setattr("bot.answer.LOOK_S", 60 if grows else 0.05)
    question, go_on = asked("one"), asyncio.Event()
    async with chat_bench(client) as bench:
        bench.server.answer = lambda _: ["first ", go_on.wait, "second ", asyncio.Event().wait]
        async with chat_bench(client, beside=bench, worker=OTHER) as other:
            answering = asyncio.create_task(bench.ask(question))
            await bench.saves(question, "first ")
            running = await bench.stored(question)
            assert await other.chat.hold.by_turn("stop", running.id, BO, MODERATOR) == "done"
            if grows:
                go_on.set()
            events = await asyncio.wait_for(answering, 3)
        assert events[-1] == STOPPED
        assert (await bench.stored(question)).status == "stopped"


async def test_a_waiting_answer_that_is_stopped_waits_no_more(client: "Redis") -> None:
    gate, first, second = Gate(), asked("one"), asked("two")
    async with chat_bench(client, gate.server) as bench:
        running = asyncio.create_task(bench.ask(first))
        await until(lambda: gate.server.running == 1)
        waiting = asyncio.create_task(bench.ask(second))
        await bench.saves(second, "")
        stored = await bench.stored(second)
        assert await bench.chat.hold.by_turn("stop", stored.id, ANA) == "done"
        assert await asyncio.wait_for(waiting, 1) == [STOPPED]
        assert await bench.status(second) == "stopped"
        assert not running.done()
        gate.open()
        assert text_of(await running) == "first to one"
    assert len(gate.server.requests) == 1


async def test_a_waiting_answer_of_another_process_is_stopped_soon(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.line.POLL_S", 0.05)
    gate, second = Gate(), asked("two")
    async with chat_bench(client, gate.server) as bench:
        running = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        waiting = asyncio.create_task(bench.ask(second))
        await bench.saves(second, "")
        async with chat_bench(client, beside=bench, worker=OTHER) as other:
            stored = await bench.stored(second)
            assert await other.chat.hold.by_turn("stop", stored.id, ANA) == "done"
            assert await asyncio.wait_for(waiting, 2) == [STOPPED]
        gate.open()
        await running


async def test_after_a_crash_a_stopped_answer_stays_stopped(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(question, "first ")
        gate.open()
        running = await killed.stored(question)
        async with chat_bench(client, worker=WORKER, beside=killed) as heir:
            assert await heir.chat.hold.by_turn("stop", running.id, ANA) == "done"
            assert await heir.taken_up(question) == [Text("first "), STOPPED]
            assert (await heir.stored(question)).status == "stopped"
    assert len(gate.server.requests) == 1


async def test_a_stop_that_comes_once_all_is_said_hides_nothing(client: "Redis") -> None:
    """The process that said it was killed before it could show it."""
    question = asked("one")
    async with chat_bench(client) as bench:
        answer = bench.chat.answer(await bench.taken(question))
        assert [event async for event in answer.events()][-1] == Ended("stop")
        async with chat_bench(client, beside=bench) as heir:
            assert await heir.chat.hold.by_turn("stop", answer.turn.id, ANA) == "done"
            assert await heir.taken_up(question) == [Text("I heard: one"), Ended("stop")]
            assert await heir.status(question) == "done"


async def test_a_stop_in_a_conversation_means_what_runs_there(client: "Redis") -> None:
    gate, first, second = Gate(), asked("one"), asked("two", author=BO)
    async with chat_bench(client, gate.server) as bench:
        running = asyncio.create_task(bench.ask(first))
        await until(lambda: gate.server.running == 1)
        waiting = asyncio.create_task(bench.ask(second))
        await bench.saves(second, "")
        where = (await bench.stored(first)).conversation
        nobody = replace(BO, id="U9")
        assert await bench.chat.hold.stop_in(where, nobody) == "denied"
        assert await bench.chat.hold.stop_in(where, BO) == "done"
        assert await waiting == [STOPPED]
        assert not running.done()
        assert await bench.chat.hold.stop_in(where, nobody, MODERATOR) == "done"
        assert (await running)[-1] == STOPPED
        assert await bench.chat.hold.stop_in(where, ANA, MODERATOR) == "ended"


# Continue


async def test_a_cut_answer_goes_on_where_it_was_cut(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        bench.server.answer = lambda _: ["I heard"]
        first = await cut(bench)
        await bench.turns.add_part(first.id, 0, replace(first.question, message="p1"))
        bench.server.answer = lambda _: ["I heard", " you."]
        bench.clock[0] += 5000
        assert await bench.chat.hold.by_turn("continue", first.id, ANA) == "done"
        whole = await taken_up(bench, first.id)
        assert (whole.status, whole.finish, whole.answer) == ("done", "stop", "I heard you.")
        assert (whole.continued, whole.kept) == (1, len("I heard"))
        assert [ref.message for ref in whole.parts] == ["p1"]
        assert bench.begun_by() == ["", "I heard"]
        assert await bench.turns.history(whole.conversation, 9) == [whole]
        assert await bench.inbox.waiting("slack") == 0
        assert await bench.chat.hold.by_turn("continue", first.id, ANA) == "whole"


async def test_what_was_there_takes_nothing_of_the_new_allowance(client: "Redis") -> None:
    most = RELEASE.sampling.max_tokens
    async with chat_bench(client) as bench:
        first = await cut(bench)
        tokens = await bench.model.count_begun(first.answer)
        assert tokens > 0
        await bench.chat.hold.by_turn("continue", first.id, ANA)
        await taken_up(bench, first.id)
        assert [request["max_tokens"] for request in bench.server.requests] == [most, most]


async def test_what_a_crash_leaves_of_a_continued_answer_takes_of_its_allowance(
    client: "Redis",
) -> None:
    go_on = asyncio.Event()
    async with chat_bench(client) as killed:
        first = await cut(killed)
        killed.server.answer = lambda _: [first.answer, " more words are here", go_on.wait, " end."]
        await killed.chat.hold.by_turn("continue", first.id, ANA)
        answering = asyncio.create_task(taken_up(killed, first.id))

        async def is_saved() -> bool:
            found = await killed.turns.get(first.id)
            return found is not None and found.answer.endswith("here")

        await until(is_saved)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        half = await killed.turns.get(first.id)
        assert half is not None
        new = await killed.model.count_begun(half.answer) - await killed.model.count_begun(
            first.answer
        )
        killed.server.answer = lambda _: ["I heard: one more words are here", " end."]
        async with chat_bench(client, beside=killed) as heir:
            whole = await taken_up(heir, first.id)
        assert whole.answer == "I heard: one more words are here end."
        left = killed.server.requests[-1]["max_tokens"]
        assert left == RELEASE.sampling.max_tokens - new


async def test_a_stopped_answer_can_go_on(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        stopped = await bench.stored(question)
        await bench.chat.hold.by_turn("stop", stopped.id, ANA)
        await answering
        gate.open()
        assert await bench.chat.hold.by_turn("continue", stopped.id, ANA) == "done"
        whole = await taken_up(bench, stopped.id)
        assert (whole.status, whole.answer, whole.stopped) == ("done", "first to one", False)


async def test_a_double_click_continues_once(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await cut(bench)
        hold = bench.chat.hold
        found = await asyncio.gather(*(hold.by_turn("continue", first.id, ANA) for _ in range(5)))
        assert sorted(map(str, found)) == ["done", *["open"] * 4]
        assert await bench.inbox.waiting("slack") == 1
        assert (await taken_up(bench, first.id)).continued == 1


async def test_a_continued_answer_takes_its_place_behind_those_that_wait(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        gate.open()
        first = await cut(bench)
        gate.opened.clear()
        running = asyncio.create_task(bench.ask(asked("two")))
        await until(lambda: gate.server.running == 1)
        await bench.chat.hold.by_turn("continue", first.id, ANA)
        continued = asyncio.create_task(taken_up(bench, first.id))
        gate.open()
        await running
        await continued
    begun = [bool(request.get("continue_final_message")) for request in gate.server.requests]
    assert begun == [False, False, True]
    assert bench.prompts()[-1] == ["one"], "what came later is not in its prompt"


async def test_another_releases_answer_is_not_gone_on_with(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await cut(bench)
        newer = replace(RELEASE, id="r2")
        async with chat_bench(client, beside=bench, release=newer) as changed:
            assert await changed.chat.hold.by_turn("continue", first.id, ANA) == "changed"
            assert await changed.turns.get(first.id) == first


async def test_an_answer_that_fills_the_context_says_so(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        bench.server.context = 128
        bench.server.answer = lambda _: ["word " * 90]
        first = await cut(bench)
        await bench.model.served(fresh=True)
        await bench.chat.hold.by_turn("continue", first.id, ANA)
        await bench.inbox.read("slack", 9)
        reopened = await bench.turns.get(first.id)
        assert reopened is not None
        answer = bench.chat.answer(reopened)
        events = [event async for event in bench.shown(answer)]
        assert events[-1] == Ended("error", "full")
        ended = await bench.turns.get(first.id)
        assert ended is not None
        assert (ended.status, ended.answer) == ("failed", first.answer)


async def test_a_close_from_before_does_not_end_a_continued_answer(client: "Redis") -> None:
    """Its reply was lost, and it is made again."""
    async with chat_bench(client) as bench:
        first = await cut(bench)
        await bench.chat.hold.by_turn("continue", first.id, ANA)
        await bench.inbox.read("slack", 9)
        assert not await bench.inbox.close(first)
        found = await bench.turns.get(first.id)
        assert found is not None
        assert found.is_open


async def test_a_continued_answer_outlives_a_crash_long_after_its_question(
    client: "Redis",
) -> None:
    async with chat_bench(client) as bench:
        first = await cut(bench)
        bench.clock[0] += 5000
        await bench.chat.hold.by_turn("continue", first.id, ANA)
        await bench.inbox.read("slack", 9)
        reopened = await bench.turns.get(first.id)
        assert reopened is not None
        bench.clock[0] = reopened.since + 10
        answer = bench.chat.answer(reopened, resumed=True)
        events = [event async for event in bench.shown(answer)]
        assert events[-1] == Ended("stop")


# Again


async def test_another_try_is_a_turn_of_its_own(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await bench.answer(asked("one"))
        bench.server.answer = lambda _: ["Once more."]
        second = await retried(bench, first)
        assert (second.retry_of, second.text, second.answer) == (first.id, "one", "Once more.")
        assert (second.question, second.asker) == (first.question, first.asker)
        assert await bench.turns.get(first.id) == first
        assert bench.prompts() == [["one"], ["one"]]


async def test_a_try_of_a_try_is_one_of_the_first(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await bench.answer(asked("one"))
        second = await retried(bench, first)
        third = await retried(bench, second)
        assert (second.retry_of, third.retry_of) == (first.id, first.id)


async def test_a_double_click_tries_once(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await bench.answer(asked("one"))
        hold = bench.chat.hold
        found = await asyncio.gather(*(hold.by_turn("again", first.id, ANA) for _ in range(5)))
        assert sorted(map(str, found)) == ["done", *["open"] * 4]
        assert len(await bench.turns.history(first.conversation, 9)) == 2


async def test_a_running_answer_is_not_tried_again(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        running = await bench.stored(question)
        assert await bench.chat.hold.by_turn("again", running.id, ANA) == "open"
        gate.open()
        await answering


async def test_there_is_an_end_to_trying(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await bench.answer(asked("one"))
        for _ in range(MOST_RETRIES):
            await retried(bench, first)
        assert await bench.chat.hold.by_turn("again", first.id, ANA) == "most"


async def test_there_is_no_try_and_no_going_on_without_room(client: "Redis") -> None:
    settings = ChatSettings(max_waiting_conversation=1)
    async with chat_bench(client, settings=settings) as bench:
        first = await cut(bench)
        await bench.taken(asked("two"))
        assert await bench.chat.hold.by_turn("again", first.id, ANA) == "busy"
        assert await bench.chat.hold.by_turn("continue", first.id, ANA) == "busy"


async def test_later_prompts_have_one_answer_to_each_question(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        first = await bench.answer(asked("one"))
        await bench.answer(asked("two"))
        bench.server.answer = lambda _: ["Once more."]
        await retried(bench, first)
        assert bench.prompts()[-1] == ["one"], "neither the first answer nor what came later"
        await bench.ask(asked("three"))
        assert bench.prompts()[-1] == ["one", "Once more.", "two", "I heard: two", "three"]


async def test_a_try_moves_no_memory(client: "Redis") -> None:
    """Its prompt looks back into what the conversation no longer holds."""
    settings = ChatSettings(history_turns=2)
    async with chat_bench(client, settings=settings) as bench:
        turns = [await bench.answer(asked(str(number))) for number in range(6)]
        window = await bench.turns.window(turns[0].conversation)
        await retried(bench, turns[3])
        assert await bench.turns.window(turns[0].conversation) == window


async def test_a_deleted_question_withdraws_its_tries(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        gate.open()
        first = await bench.answer(question)
        gate.opened.clear()
        assert await bench.chat.hold.by_turn("again", first.id, ANA) == "done"
        [_, second] = await bench.turns.history(first.conversation, 9)
        answering = asyncio.create_task(taken_up(bench, second.id))
        await until(lambda: gate.server.running == 1)
        await bench.chat.deleted(question.ref)
        ended = await asyncio.wait_for(answering, 2)
        assert (ended.status, ended.withdrawn) == ("stopped", True)
        assert await bench.chat.hold.by_turn("again", first.id, ANA) == "gone"
        assert await bench.chat.hold.by_turn("continue", second.id, ANA) == "gone"


async def test_where_the_model_cannot_go_on_a_continued_answer_begins_anew(
    client: "Redis",
) -> None:
    async with chat_bench(client) as bench:
        first = await cut(bench)
        bench.server.unknown = ("continue_final_message",)
        await bench.chat.hold.by_turn("continue", first.id, ANA)
        await bench.inbox.read("slack", 9)
        reopened = await bench.turns.get(first.id)
        assert reopened is not None
        async with aclosing(bench.shown(bench.chat.answer(reopened))) as events:
            found = [event async for event in events]
        assert Anew() in found
        assert found[-1] == Ended("stop")


# The gate


async def test_who_may_not_ask_has_no_answer_made_but_may_stop_one(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        ended = await bench.answer(asked("one"))
        denied = AccessSettings(dms=False)
        async with chat_bench(client, beside=bench, access=denied) as closed:
            for wish in ("again", "continue"):
                found = await closed.chat.hold.by_turn(wish, ended.id, ANA)
                assert found == Refused("dm")
            assert await closed.chat.hold.by_turn("stop", ended.id, ANA) == "ended"
        assert await bench.turns.history(ended.conversation, 9) == [ended]


async def test_the_settings_make_moderators(client: "Redis") -> None:
    async with chat_bench(client, access=AccessSettings(moderators=("U222",))) as bench:
        first = await bench.answer(asked("one"))
        assert await bench.chat.hold.by_turn("again", first.id, BO) == "denied"
        named = replace(BO, id="U222")
        assert await bench.chat.hold.by_turn("again", first.id, named) == "done"
