"""What fits into the context of the model, and what is forgotten."""

import itertools

from redis.asyncio import Redis

from bot.domain import Conversation
from bot.events import Ended
from bot.settings import ChatSettings
from tests.bot.chat_bench import RELEASE, SYSTEM, asked, chat_bench
from tests.scripted_model import ScriptedModel


async def test_a_question_over_the_context_is_too_long_and_the_model_is_not_asked(
    client: "Redis",
) -> None:
    question = asked("why " * 100)
    async with chat_bench(client, ScriptedModel(context=100)) as bench:
        assert await bench.ask(question) == [Ended("error", "too_long")]
        assert bench.server.requests == []
        assert await bench.status(question) == "failed"
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
        assert await bench.ask(asked("three")) == [Ended("error", "too_long")]
