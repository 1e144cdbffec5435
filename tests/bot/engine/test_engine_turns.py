"""Turn after turn of a conversation, through the API: what is computed, and what is remembered."""

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from bot.engine.backend import GATHERED
from tests.bot.engine.support import Serving


def whole_blocks(num_tokens: int) -> int:
    return num_tokens // GATHERED.block_size * GATHERED.block_size


def num_cached(answer: ChatCompletion) -> int:
    assert answer.usage
    assert answer.usage.prompt_tokens_details
    return answer.usage.prompt_tokens_details.cached_tokens or 0


async def test_the_usage_says_how_many_tokens_of_the_prompt_were_known(serving: Serving) -> None:
    messages: Any = [{"role": "user", "content": "The cat sat on the mat, " * 20}]
    how: Any = {"model": "tiny", "messages": messages, "max_tokens": 3, "temperature": 0}
    async with (
        serving() as address,
        AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        first = await client.chat.completions.create(**how)
        second = await client.chat.completions.create(**how)
        stream = await client.chat.completions.create(
            stream=True, stream_options={"include_usage": True}, **how
        )
        last = [chunk async for chunk in stream][-1]
    assert first.usage
    assert num_cached(first) == 0
    assert num_cached(second) == whole_blocks(first.usage.prompt_tokens - 1) > 100
    assert last.usage == second.usage
    assert second.choices[0].message.content == first.choices[0].message.content


@pytest.mark.model
async def test_each_turn_computes_only_what_is_new(
    serving: Serving, default_model_dir: Path
) -> None:
    """Its template only ever appends, and what it says is split into tokens as it said it."""
    messages: Any = [{"role": "system", "content": "You are a helpful AI assistant."}]
    known = 0
    async with (
        serving(model=str(default_model_dir), context=1024) as address,
        AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        for question in (
            "What is the capital of France?",
            "Write a short Python function that reverses a list.",
            "Say hello in Spanish.",
        ):
            messages.append({"role": "user", "content": question})
            answer = await client.chat.completions.create(
                model="smollm2-135m-instruct", messages=messages, max_tokens=60, temperature=0
            )
            messages.append(answer.choices[0].message.model_dump(include={"role", "content"}))
            assert num_cached(answer) == whole_blocks(known)
            assert answer.usage
            known = answer.usage.total_tokens - 1  # the last token is drawn and never computed
    assert known > 100
