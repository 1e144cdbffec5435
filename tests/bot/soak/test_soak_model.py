"""The soak's model, asked by the bot's own client and by plain requests."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import aiohttp
import pytest

from bot.domain import Sampling
from bot.model import Message, Model
from bot.soak.answers import answer_to
from bot.soak.model import model_server, rest_of

SAMPLING = Sampling(temperature=0.2, top_p=0.9, repetition_penalty=1.0, max_tokens=64)
QUESTION: Message = {"role": "user", "content": "What is a lighthouse for?"}


async def test_the_bots_client_gets_the_answer_to_the_last_question_to_the_letter() -> None:
    messages: list[Message] = [
        {"role": "user", "content": "And before?"},
        {"role": "assistant", "content": "Before."},
        QUESTION,
    ]
    async with model_server() as server, Model(server.url) as model:
        assert (await model.served()).name == "soak"
        assert await model.count_tokens(messages) > 0
        async with aclosing(model.stream(messages, SAMPLING, user="alice")) as deltas:
            found = [delta async for delta in deltas]
    text = "".join(delta.text for delta in found)
    assert text == answer_to(QUESTION["content"])
    assert len(found) > 3
    assert found[-1].finish == "stop"


async def test_answers_come_side_by_side() -> None:
    async with model_server() as server, Model(server.url) as model:

        async def ask(number: int) -> str:
            question: Message = {"role": "user", "content": f"Question {number}?"}
            async with aclosing(model.stream([question], SAMPLING, user="alice")) as deltas:
                return "".join([delta.text async for delta in deltas])

        async with asyncio.timeout(10):
            texts = await asyncio.gather(*(ask(number) for number in range(12)))
    assert texts == [answer_to(f"Question {number}?") for number in range(12)]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
async def test_the_bots_client_goes_on_with_half_an_answer(share: float) -> None:
    whole = answer_to(QUESTION["content"])
    half = whole[: round(len(whole) * share)]
    sampling = replace(SAMPLING, max_tokens=100_000)
    async with model_server() as server, Model(server.url) as model:
        stream = model.stream([QUESTION], sampling, user="alice", begun=half)
        async with aclosing(stream) as deltas:
            found = [delta async for delta in deltas]
        assert (server.num_continued, server.num_refused) == (1, 0)
    assert half + "".join(delta.text for delta in found) == whole


def test_a_half_answer_is_gone_on_with() -> None:
    whole = answer_to(QUESTION["content"])
    for length in (0, 1, len(whole) // 2, len(whole)):
        half = {"role": "assistant", "content": whole[:length]}
        body = {
            "stream": True,
            "messages": [QUESTION, half],
            "continue_final_message": True,
            "add_generation_prompt": False,
        }
        assert whole[:length] + rest_of(body)[1] == whole


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": [QUESTION, {"role": "assistant", "content": "Something else"}]},
        {"messages": [QUESTION]},
        {"add_generation_prompt": True},
        {"stream": False},
    ],
)
async def test_what_is_no_beginning_of_the_answer_is_refused(wrong: dict[str, object]) -> None:
    half = {"role": "assistant", "content": "You asked"}
    body = {
        "stream": True,
        "messages": [QUESTION, half],
        "continue_final_message": True,
        "add_generation_prompt": False,
        **wrong,
    }
    async with model_server() as server, aiohttp.ClientSession() as session:
        async with session.post(f"{server.url}/chat/completions", json=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]["message"]
        assert server.num_refused == 1
