"""A time limit from the client's header to the freed place, over a real socket."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

from bot.domain import Sampling
from bot.model import Model
from tests.bot.engine.api_client import HI, client_of, collect, http_of
from tests.bot.engine.support import CONTEXT, Serving

LONG = CONTEXT - 100
"""Tokens that take minutes."""


def within(seconds: float) -> dict[str, Any]:
    header = {"X-Request-Timeout": f"{seconds}"}
    return {"model": "tiny", "max_tokens": LONG, "extra_headers": header}


async def until_free(address: str) -> None:
    """Wait until nothing runs, waits or holds a block."""
    async with asyncio.timeout(10), http_of(address) as http:
        while True:
            async with http.get("/health") as response:
                now = await response.json()
            if (now["running"], now["waiting"], now["blocks_used"]) == (0, 0, 0):
                return
            await asyncio.sleep(0.01)


async def test_an_answer_ends_as_it_stands_and_its_place_is_free(serving: Serving) -> None:
    async with serving(max_running=1, max_waiting=0) as address, client_of(address) as client:
        began = time.monotonic()
        stream = await client.chat.completions.create(messages=HI, stream=True, **within(0.4))
        text, chunks = await collect(stream)
        took = time.monotonic() - began
        end = chunks[-1].choices[0]
        assert (end.finish_reason, (end.model_extra or {})["stop_reason"]) == ("length", "deadline")
        assert text
        assert 0.4 <= took < 5
        await until_free(address)
        whole: Any = await client.chat.completions.create(messages=HI, **within(0.3))
        end = whole.choices[0]
        assert (end.finish_reason, end.model_extra["stop_reason"]) == ("length", "deadline")
        assert end.message.content
        assert 0 < whole.usage.completion_tokens < LONG
        await until_free(address)
        plain: Any = await client.completions.create(prompt="The", **within(0.3))
        assert plain.choices[0].model_extra["stop_reason"] == "deadline"
        await until_free(address)


async def test_an_answer_that_still_waits_ends_empty_and_leaves_the_queue(serving: Serving) -> None:
    async with serving(max_running=1, max_waiting=1) as address, client_of(address) as client:
        first = await client.chat.completions.create(
            model="tiny", messages=HI, max_tokens=LONG, stream=True
        )
        await anext(aiter(first))
        for _ in range(2):  # the second finds the queue as empty as the first did
            # Longer than a heartbeat: the headers and comments of who waits are out already.
            stream = await client.chat.completions.create(messages=HI, stream=True, **within(1.2))
            text, chunks = await collect(stream)
            end = chunks[-1].choices[0]
            assert (text, end.finish_reason) == ("", "length")
            assert (end.model_extra or {})["stop_reason"] == "deadline"
        await first.close()
        await until_free(address)


async def test_time_that_is_left_changes_nothing(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how = within(60) | {"max_tokens": 5}
        whole: Any = await client.chat.completions.create(messages=HI, **how)
        assert whole.choices[0].finish_reason == "length"
        assert "stop_reason" not in whole.choices[0].model_extra


async def test_the_bot_s_client_hears_of_its_own_limit(serving: Serving) -> None:
    sampling = Sampling(temperature=0, top_p=1, repetition_penalty=1, max_tokens=LONG)
    async with serving() as address, Model(f"{address}/v1", answer_s=0.4) as model:
        async with aclosing(
            model.stream([{"role": "user", "content": "Hi"}], sampling, user="u")
        ) as answer:
            deltas = [delta async for delta in answer]
        await until_free(address)
    assert deltas[-1].finish == "deadline"
    assert "".join(delta.text for delta in deltas)
