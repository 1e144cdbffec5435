"""A turn, from an incoming message to the stored answer."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.core import Accepted, Ended, Text, Waiting
from bot.domain import Conversation, Incoming, MessageRef
from bot.settings import ChatSettings
from tests.bot.chat_bench import ANA, BO, RELEASE, SYSTEM, asked, chat_bench, text_of
from tests.scripted_model import Piece, ScriptedModel, scripted_model
from tests.waiting import until

FULL = Ended("error", "busy")


class Gate:
    """A scripted model that waits in mid-answer until it is let go."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.server = ScriptedModel(answer=self._answer)

    def _answer(self, messages: list[dict[str, str]]) -> Sequence[Piece]:
        return ["first ", self.opened.wait, f"to {messages[-1]['content']}"]

    def open(self) -> None:
        self.opened.set()


def port_of(server: ScriptedModel) -> int:
    return int(server.url.split(":")[2].removesuffix("/v1"))


def part_of(incoming: Incoming, name: str) -> MessageRef:
    """A message of ours beside a question."""
    return replace(incoming.ref, message=name)


# One turn


async def test_a_question_is_accepted_answered_and_ended(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        events = await bench.ask(asked("Why?"))
    accepted, *texts, ended = events
    assert isinstance(accepted, Accepted)
    assert texts == [Text("I heard: "), Text("Why?")]
    assert ended == Ended("stop")


async def test_the_whole_turn_is_stored(client: "Redis") -> None:
    question = asked("Why?")
    async with chat_bench(client) as bench:
        turn = await bench.answer(question)
        assert turn.question == question.ref
        assert turn.asker == ANA
        assert turn.text == "Why?"
        assert turn.answer == "I heard: Why?"
        assert turn.status == "done"
        assert turn.finish == "stop"
        assert turn.release == RELEASE.id
        assert turn.conversation == Conversation("slack", "T1", "D1", "dm")
        assert turn.created_at == turn.first_text_at == turn.finished_at == 1000.0
        assert await bench.turns.of_message(question.ref.key) == turn
        assert await bench.people.get_many([ANA.key]) == [ANA]


async def test_a_running_turn_is_stored_as_such(client: "Redis") -> None:
    gate = Gate()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.chat.respond(asked())) as events,
    ):
        accepted = await anext(events)
        assert isinstance(accepted, Accepted)
        running = await bench.turns.get(accepted.turn)
        assert running is not None
        assert running.status == "running"
        assert running.finish is None


async def test_the_times_of_a_turn_are_those_of_the_clock(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.chat.respond(asked())) as events:
            accepted = await anext(events)
            bench.clock[0] = 1002.0
            await anext(events)
            bench.clock[0] = 1007.0
            gate.open()
            async for _ in events:
                pass
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
    assert turn is not None
    assert (turn.created_at, turn.first_text_at, turn.finished_at) == (1000.0, 1002.0, 1007.0)


async def test_the_model_is_asked_with_the_release_and_the_person(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("Why?", author=BO))
        [request] = bench.server.requests
    assert request["messages"] == [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "Why?"},
    ]
    assert request["max_tokens"] == 64
    assert request["user"] == BO.key


async def test_an_answer_cut_by_its_length_is_done(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(finish="length")) as bench:
        events = await bench.ask(asked())
        assert events[-1] == Ended("length")
        assert isinstance(events[0], Accepted)
        turn = await bench.turns.get(events[0].turn)
        assert turn is not None
        assert (turn.status, turn.finish) == ("done", "length")


async def test_an_answer_without_a_word_is_done_and_is_no_memory(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(answer=lambda _: [" ", "\n"])) as bench:
        turn = await bench.answer(asked("first"))
        assert turn.answer == ""
        await bench.answer(asked("second"))
        assert bench.prompts()[1] == ["second"]


@pytest.mark.parametrize("finish", ["deadline", "error", "shutdown"])
async def test_an_answer_that_its_server_ended_is_failed(client: "Redis", finish: str) -> None:
    async with chat_bench(client, ScriptedModel(finish=finish)) as bench:
        accepted, *_, ended = await bench.ask(asked())
        assert ended == Ended(finish, "model_unavailable")  # type: ignore[arg-type]
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.finish) == ("failed", finish)


# Which conversation


async def test_a_direct_message_remembers_what_was_said(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one"))
        await bench.answer(asked("two"))
        assert bench.prompts() == [["one"], ["one", "I heard: one", "two"]]


async def test_each_direct_message_has_its_own_memory(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one", channel="D1"))
        await bench.answer(asked("two", channel="D2", author=BO))
        assert bench.prompts()[1] == ["two"]


async def test_a_thread_in_a_direct_message_has_its_own_memory(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one"))
        await bench.answer(asked("two", thread="m1"))
        await bench.answer(asked("three", thread="m1"))
        await bench.answer(asked("four"))
    assert bench.prompts()[1:] == [
        ["two"],
        ["two", "I heard: two", "three"],
        ["one", "I heard: one", "four"],
    ]


async def test_each_thread_has_its_own_memory_shared_by_all_in_it(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        for text, thread, author in (("one", "t1", ANA), ("two", "t2", ANA), ("three", "t1", BO)):
            await bench.answer(
                asked(text, place="thread", channel="C1", thread=thread, author=author,
                      mentions_bot=True)
            )  # fmt: skip
    assert bench.prompts() == [["one"], ["two"], ["one", "I heard: one", "three"]]


async def test_a_follow_up_in_a_known_thread_needs_no_mention(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(
            asked("one", place="thread", channel="C1", thread="t1", mentions_bot=True)
        )
        await bench.answer(asked("two", place="thread", channel="C1", thread="t1", author=BO))
        assert bench.prompts()[1] == ["one", "I heard: one", "two"]


async def test_each_mention_in_a_channel_begins_a_conversation(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one", place="channel", channel="C1", mentions_bot=True))
        await bench.answer(asked("two", place="channel", channel="C1", mentions_bot=True))
        assert bench.prompts() == [["one"], ["two"]]


async def test_a_reply_to_an_answer_goes_on_with_its_conversation(client: "Redis") -> None:
    first = asked("one", place="channel", channel="C1", mentions_bot=True)
    async with chat_bench(client) as bench:
        turn = await bench.answer(first)
        await bench.chat.add_part(turn.id, part_of(first, "answer-1"))
        second = asked("two", place="channel", channel="C1", reply_to="answer-1", author=BO)
        turn = await bench.answer(second)
        await bench.chat.add_part(turn.id, part_of(second, "answer-2"))
        await bench.answer(asked("three", place="channel", channel="C1", reply_to="answer-2"))
    assert bench.prompts()[2] == ["one", "I heard: one", "two", "I heard: two", "three"]


async def test_a_reply_to_a_question_goes_on_when_the_bot_is_mentioned(client: "Redis") -> None:
    first = asked("one", place="channel", channel="C1", mentions_bot=True)
    async with chat_bench(client) as bench:
        await bench.answer(first)
        chained = asked("two", place="channel", channel="C1", reply_to=first.ref.message)
        assert await bench.ask(chained) == []
        await bench.answer(
            asked("three", place="channel", channel="C1", reply_to=first.ref.message,
                  mentions_bot=True)
        )  # fmt: skip
    assert bench.prompts() == [["one"], ["one", "I heard: one", "three"]]


async def test_a_mention_in_a_reply_to_somebody_begins_a_conversation(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(
            asked("one", place="channel", channel="C1", reply_to="stranger", mentions_bot=True)
        )
        assert bench.prompts() == [["one"]]


# What is not for us


@pytest.mark.parametrize(
    "incoming",
    [
        asked(place="channel", channel="C1"),
        asked(place="channel", channel="C1", mentions_others=True),
        asked(place="channel", channel="C1", reply_to="stranger"),
        asked(place="thread", channel="C1", thread="unknown"),
        asked("", place="dm"),
        asked(" \n ", place="dm"),
        asked("", place="channel", channel="C1", mentions_bot=True),
    ],
    ids=["channel", "others", "reply", "thread", "empty", "blank", "mention alone"],
)
async def test_a_message_that_is_not_for_us_is_left_alone(
    client: "Redis", incoming: Incoming
) -> None:
    async with chat_bench(client) as bench:
        assert await bench.ask(incoming) == []
        assert bench.server.requests == []
        assert await bench.turns.of_message(incoming.ref.key) is None


async def test_who_addresses_somebody_else_in_a_known_thread_is_left_alone(
    client: "Redis",
) -> None:
    async with chat_bench(client) as bench:
        first = asked(place="thread", channel="C1", thread="t1", mentions_bot=True)
        await bench.answer(first)
        other = asked(place="thread", channel="C1", thread="t1", mentions_others=True)
        assert await bench.ask(other) == []
        both = replace(other, mentions_bot=True)
        await bench.answer(both)


async def test_a_message_is_answered_once_however_often_it_comes(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench:
        await bench.answer(question)
        assert await bench.ask(question) == []
        assert len(bench.server.requests) == 1


async def test_a_message_that_comes_many_times_at_once_is_answered_once(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench, chat_bench(client, bench.server) as other:
        answers = await asyncio.gather(
            *(one.ask(question) for one in (bench, other) for _ in range(10))
        )
    assert len([events for events in answers if events]) == 1
    assert len(bench.server.requests) == 1


# Order


async def test_in_one_conversation_questions_are_answered_in_their_order(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        second = asyncio.create_task(bench.ask(asked("two")))
        conversation = Conversation("slack", "T1", "D1", "dm")

        async def taken() -> bool:
            return len(await bench.turns.history(conversation, 9)) == 2

        await until(taken)
        assert len(gate.server.requests) == 1
        gate.open()
        assert text_of(await first) == "first to one"
        assert text_of(await second) == "first to two"
    assert bench.prompts() == [["one"], ["one", "first to one", "two"]]


async def test_a_waiting_question_is_told_to_be_accepted(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        async with aclosing(bench.chat.respond(asked("two"))) as events:
            assert isinstance(await asyncio.wait_for(anext(events), 2), Accepted)
        gate.open()
        await first


async def test_a_question_is_no_memory_of_one_that_came_before_it(client: "Redis") -> None:
    """The second is in the store already when the first one's prompt is made."""
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        asking = [asyncio.create_task(bench.ask(asked(text))) for text in ("one", "two", "three")]
        gate.open()
        await asyncio.gather(*asking)
    assert bench.prompts() == [
        ["one"],
        ["one", "first to one", "two"],
        ["one", "first to one", "two", "first to two", "three"],
    ]


async def test_different_conversations_run_side_by_side(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        asking = [
            asyncio.create_task(bench.ask(asked("one", channel=f"D{number}")))
            for number in range(20)
        ]
        await until(lambda: gate.server.running == 20)
        gate.open()
        answers = await asyncio.gather(*asking)
    assert all(events[-1] == Ended("stop") for events in answers)


# Bounds


async def test_a_conversation_takes_no_more_questions_than_its_bound(client: "Redis") -> None:
    gate = Gate()
    bounds = ChatSettings(max_waiting_conversation=2)
    async with chat_bench(client, gate.server, settings=bounds) as bench:
        asking = [asyncio.create_task(bench.ask(asked("in"))) for _ in range(2)]
        await until(lambda: gate.server.running == 1)
        refused = asked("out")
        assert await bench.ask(refused) == [FULL]
        assert await bench.turns.of_message(refused.ref.key) is None
        elsewhere = asyncio.create_task(bench.ask(asked(channel="D2")))
        await until(lambda: gate.server.running == 2)
        gate.open()
        await asyncio.gather(*asking, elsewhere)
        await bench.answer(asked("later"))


async def test_over_all_conversations_no_more_questions_are_taken_than_the_bound(
    client: "Redis",
) -> None:
    gate = Gate()
    async with chat_bench(client, gate.server, settings=ChatSettings(max_waiting=3)) as bench:
        asking = [
            asyncio.create_task(bench.ask(asked(channel=f"D{number}"))) for number in range(3)
        ]
        await until(lambda: gate.server.running == 3)
        assert await bench.ask(asked(channel="D9")) == [FULL]
        gate.open()
        await asyncio.gather(*asking)
        await bench.answer(asked(channel="D9"))


async def test_the_model_s_own_bound_is_told_and_stored(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(refuse=(429, "rate_limited"))) as bench:
        accepted, ended = await bench.ask(asked())
        assert ended == FULL
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert turn.status == "failed"


# The model in trouble


async def test_a_model_that_is_starting_is_waited_for(client: "Redis") -> None:
    async with (
        chat_bench(client, wait_s=60, serve=False) as bench,
        aclosing(bench.chat.respond(asked("Why?"))) as events,
    ):
        assert isinstance(await anext(events), Accepted)
        assert await anext(events) == Waiting("model")
        async with scripted_model(bench.server, port=port_of(bench.server)):
            rest = [event async for event in events]
    assert rest == [Text("I heard: "), Text("Why?"), Ended("stop")]


async def test_that_the_model_is_waited_for_is_told_once(client: "Redis") -> None:
    async with (
        chat_bench(client, wait_s=60, serve=False) as bench,
        aclosing(bench.chat.respond(asked("Why?"))) as events,
    ):
        await anext(events)
        await anext(events)
        last = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.7)
        assert not last.done()
        bench.clock[0] += 60
        assert await last == Ended("error", "model_unavailable")


async def test_a_model_that_stays_away_is_a_problem_in_the_end(client: "Redis") -> None:
    async with chat_bench(client, wait_s=0, serve=False) as bench:
        accepted, ended = await bench.ask(asked())
        assert ended == Ended("error", "model_unavailable")
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.finish, turn.answer) == ("failed", "error", "")


async def test_an_answer_that_breaks_off_is_failed_with_what_there_is(client: "Redis") -> None:
    server = ScriptedModel(answer=lambda _: ["It is ", "so", ConnectionResetError()])
    async with chat_bench(client, server, wait_s=60) as bench:
        accepted, *texts, ended = await bench.ask(asked())
        assert ended == Ended("error", "model_unavailable")
        assert texts == [Text("It is "), Text("so")]
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.answer) == ("failed", "It is so")
        assert len(server.requests) == 1, "an answer that has begun is not begun again"


async def test_an_answer_that_breaks_off_before_its_first_word_is_begun_again(
    client: "Redis",
) -> None:
    def once(_: list[dict[str, str]]) -> Sequence[Piece]:
        return [ConnectionResetError()] if len(server.requests) == 1 else ["so"]

    server = ScriptedModel(answer=once)
    async with chat_bench(client, server, wait_s=60) as bench:
        events = await bench.ask(asked())
    assert events[1:] == [Waiting("model"), Text("so"), Ended("stop")]


async def test_a_model_that_goes_silent_is_a_problem(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server, timeout_s=0.1) as bench:
        events = await bench.ask(asked())
    assert events[1:] == [Text("first "), Ended("error", "model_unavailable")]


async def test_a_model_that_refuses_the_request_is_a_problem(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(refuse=(400, "nonsense")), wait_s=60) as bench:
        assert (await bench.ask(asked()))[1:] == [Ended("error", "model_refuses")]


# Length


async def test_a_question_over_the_context_is_too_long_and_the_model_is_not_asked(
    client: "Redis",
) -> None:
    async with chat_bench(client, ScriptedModel(context=100)) as bench:
        accepted, ended = await bench.ask(asked("why " * 100))
        assert ended == Ended("error", "too_long")
        assert bench.server.requests == []
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert turn.status == "failed"
        await bench.answer(asked("Why?"))


async def test_the_answer_s_length_is_kept_free_in_the_context(client: "Redis") -> None:
    room = 100 - RELEASE.sampling.max_tokens
    async with chat_bench(client, ScriptedModel(context=100)) as bench:
        fits = " ".join(["why"] * (room - 1 - 1 - len(SYSTEM.split())))
        await bench.answer(asked(fits, channel="D1"))
        events = await bench.ask(asked(fits + " why", channel="D2"))
        assert events[-1] == Ended("error", "too_long")


async def test_what_does_not_fit_is_forgotten_for_good_the_oldest_first(client: "Redis") -> None:
    """What was left out does not come back: the prompts share their beginning for many turns."""
    server = ScriptedModel(context=64 + 60, answer=lambda _: ["so it is"])
    async with chat_bench(client, server) as bench:
        for number in range(30):
            await bench.answer(asked(f"question {number}"))
        prompts = bench.prompts()
    begins = [prompt[0] for prompt in prompts]
    assert begins[0] == "question 0"
    numbers = [int(begin.split()[1]) for begin in begins]
    assert numbers == sorted(numbers), "nothing that was forgotten comes back"
    assert 2 <= len(set(numbers)) <= 10, "forgotten in large steps"
    for before, after in itertools.pairwise(prompts):
        if before[0] == after[0]:
            assert after[: len(before)] == before
        assert after[-3:-1] == [before[-1], "so it is"], "the newest is remembered"
    assert all(sum(1 + len(text.split()) for text in prompt) + 3 <= 60 for prompt in prompts)


async def test_the_window_is_kept_in_the_store(client: "Redis") -> None:
    server = ScriptedModel(context=64 + 60, answer=lambda _: ["so it is"])
    conversation = Conversation("slack", "T1", "D1", "dm")
    async with chat_bench(client, server) as bench:
        while await bench.turns.window(conversation) is None:
            await bench.answer(asked("question"))
        before = len(bench.prompts()[-1])
    async with chat_bench(client, server) as restarted:
        await restarted.answer(asked("question"))
        assert len(restarted.prompts()[-1]) == before + 2


async def test_a_long_conversation_of_short_turns_keeps_its_beginning_for_many_turns(
    client: "Redis",
) -> None:
    """The bound on turns, too, is met in large steps."""
    async with chat_bench(client, settings=ChatSettings(history_turns=8)) as bench:
        for number in range(40):
            await bench.answer(asked(f"question {number}"))
        begins = [prompt[0] for prompt in bench.prompts()]
    assert all(len(prompt) <= 2 * 8 + 1 for prompt in bench.prompts())
    assert len(set(begins)) <= 40 / (8 / 2) + 1


async def test_without_memory_each_question_stands_alone(client: "Redis") -> None:
    async with chat_bench(client, settings=ChatSettings(history_turns=0)) as bench:
        await bench.answer(asked("one"))
        await bench.answer(asked("two"))
        assert bench.prompts() == [["one"], ["two"]]


async def test_a_prompt_that_the_server_finds_too_long_is_asked_with_less_memory(
    client: "Redis",
) -> None:
    """Where the server can't count, our estimate may be too low; the memory has to shrink then,
    or no later question of the conversation would ever be answered."""
    server = ScriptedModel(answer=lambda _: ["so"], tokenize=False)
    async with chat_bench(client, server) as bench:
        for _ in range(4):
            await bench.answer(asked("question"))
        server.longest = 6
        await bench.answer(asked("one"))
        assert bench.prompts()[-1][-3:] == ["question", "so", "one"]
        await bench.answer(asked("two"))
        server.longest = 1
        assert (await bench.ask(asked("three")))[1:] == [Ended("error", "too_long")]


# Stopping


async def test_closing_the_answer_stops_the_model_and_stores_what_there_is(
    client: "Redis",
) -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.chat.respond(asked("one"))) as events:
            accepted = await anext(events)
            assert await anext(events) == Text("first ")
        await until(lambda: gate.server.running == 0)
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.finish, turn.answer) == ("stopped", "cancelled", "first")
        gate.open()
        await asyncio.wait_for(bench.answer(asked("two")), 5)


async def test_a_cancelled_task_stops_its_answer(client: "Redis") -> None:
    gate = Gate()
    question = asked("one")
    async with chat_bench(client, gate.server) as bench:
        task = asyncio.create_task(bench.ask(question))
        await until(lambda: gate.server.running == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: gate.server.running == 0)
        turn = await bench.turns.of_message(question.ref.key)
        assert turn is not None
        assert turn.status == "stopped"
        gate.open()
        await asyncio.wait_for(bench.answer(asked("two")), 5)


async def test_who_stops_while_waiting_is_passed_over_and_stored_as_stopped(
    client: "Redis",
) -> None:
    gate = Gate()
    question = asked("two")
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        async with aclosing(bench.chat.respond(question)) as events:
            await anext(events)
            third = asyncio.create_task(bench.ask(asked("three")))
        gate.open()
        await first
        assert text_of(await asyncio.wait_for(third, 5)) == "first to three"
        turn = await bench.turns.of_message(question.ref.key)
    assert turn is not None
    assert turn.status == "stopped"


async def test_who_stops_before_anything_else_is_stored_as_stopped(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench:
        async with aclosing(bench.chat.respond(question)) as events:
            await anext(events)
        turn = await bench.turns.of_message(question.ref.key)
        assert turn is not None
        assert (turn.status, turn.finish) == ("stopped", "cancelled")
        assert bench.server.requests == []


async def test_a_stopped_answer_is_remembered_as_far_as_it_came(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.chat.respond(asked("one"))) as events:
            await anext(events)
            await anext(events)
        gate.open()
        await bench.answer(asked("two"))
        assert bench.prompts()[1] == ["one", "first", "two"]


# Redis in trouble


@pytest.mark.parametrize(
    ("incoming", "told"),
    [
        (asked(place="dm"), True),
        (asked(place="channel", channel="C1", mentions_bot=True), True),
        (asked(place="thread", channel="C1", thread="t1", mentions_bot=True), True),
        (asked(place="thread", channel="C1", thread="t1"), False),
        (asked(place="channel", channel="C1", reply_to="m1"), False),
        (asked(place="channel", channel="C1"), False),
    ],
    ids=["dm", "mention", "mention in a thread", "thread", "reply", "channel"],
)
async def test_without_redis_only_who_addresses_the_bot_is_told(
    client: "Redis", incoming: Incoming, *, told: bool
) -> None:
    async with chat_bench(client) as bench:
        await client.shutdown(nosave=True)
        assert await bench.ask(incoming) == ([Ended("error", "store")] if told else [])


async def test_a_redis_that_goes_away_in_mid_answer_does_not_take_the_answer_away(
    client: "Redis",
) -> None:
    gate = Gate()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.chat.respond(asked("one"))) as events,
    ):
        await anext(events)
        await anext(events)
        await client.shutdown(nosave=True)
        gate.open()
        rest = [event async for event in events]
    assert rest == [Text("to one"), Ended("stop")]


async def test_a_redis_that_goes_away_before_the_prompt_is_a_problem(client: "Redis") -> None:
    gate = Gate()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.chat.respond(asked("one"))) as events,
    ):
        await anext(events)
        await client.shutdown(nosave=True)
        rest = [event async for event in events]
    assert rest == [Ended("error", "store")]


async def test_a_redis_that_takes_no_writes_is_a_problem(client: "Redis") -> None:
    await client.config_set("maxmemory", "1")
    async with chat_bench(client) as bench:
        assert await bench.ask(asked()) == [Ended("error", "store")]
    await client.config_set("maxmemory", "0")


async def test_a_question_that_could_not_be_stored_takes_no_place(client: "Redis") -> None:
    async with chat_bench(client, settings=ChatSettings(max_waiting=1)) as bench:
        await client.set("candor:people", "in the way of the hash of names")
        assert await bench.ask(asked()) == [Ended("error", "store")]
        await client.delete("candor:people")
        await bench.answer(asked())


# Whatever comes


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    questions=st.lists(
        st.tuples(st.sampled_from(["D1", "D2", "D3"]), st.integers(0, 3)), min_size=1, max_size=12
    )
)
async def test_however_questions_come_each_conversation_remembers_its_own_in_order(
    client: "Redis", questions: list[tuple[str, int]]
) -> None:
    """A question comes with so many copies of its event beside it."""
    await client.flushall()
    bounds = ChatSettings(max_waiting_conversation=20)
    async with chat_bench(client, settings=bounds) as bench:
        said: dict[str, list[str]] = {}
        asking = []
        for number, (channel, copies) in enumerate(questions):
            said.setdefault(channel, []).append(f"q{number}")
            question = asked(f"q{number}", channel=channel)
            asking += [bench.ask(question) for _ in range(1 + copies)]
        answers = [events for events in await asyncio.gather(*asking) if events]
        assert len(answers) == len(questions)
        for channel, texts in said.items():
            turns = await bench.turns.history(Conversation("slack", "T1", channel, "dm"), 50)
            assert [turn.text for turn in turns] == texts
            assert [turn.answer for turn in turns] == [f"I heard: {text}" for text in texts]
            longest = max((prompt for prompt in bench.prompts() if prompt[-1] in texts), key=len)
            assert longest[::2] == texts
