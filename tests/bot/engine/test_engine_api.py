"""The API as OpenAI's own client sees it, over a real socket."""

import asyncio
from io import BytesIO
from typing import Any, Final

import openai
import orjson
import pytest

from bot.engine.backend import GATHERED
from tests.bot.engine.api_client import HI, client_of, collect, http_of
from tests.bot.engine.support import CONTEXT, Serving


async def health(address: str) -> dict[str, Any]:
    async with http_of(address) as http, http.get("/health") as response:
        detail: dict[str, Any] = await response.json()
        return detail


async def until_running(address: str, num: int) -> None:
    async with asyncio.timeout(10):
        while (await health(address))["running"] != num:  # noqa: ASYNC110 -- behind a socket
            await asyncio.sleep(0.01)


LONG: Final[Any] = [{"role": "user", "content": "Hello, hello, hello, hello and hello!"}]
"""Longer than a block."""


async def test_a_streamed_answer_is_the_whole_answer(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        whole = await client.chat.completions.create(
            model="tiny", messages=LONG, max_tokens=40, temperature=0
        )
        stream = await client.chat.completions.create(
            model="tiny",
            messages=LONG,
            max_completion_tokens=40,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        text, chunks = await collect(stream)
    assert whole.object == "chat.completion"
    assert whole.choices[0].message.role == "assistant"
    assert whole.choices[0].message.content == text
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage
    assert whole.usage.completion_tokens == 40
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 40
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 2) + [
        "length"
    ]
    # The second answer found the first one's prompt computed; all other counts are the same.
    whole.usage.prompt_tokens_details = None
    assert chunks[-1].usage
    assert chunks[-1].usage.prompt_tokens_details
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == GATHERED.block_size
    chunks[-1].usage.prompt_tokens_details = None
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_plain_completions_take_text_or_token_ids(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client, http_of(address) as http:
        async with http.post("/tokenize", json={"prompt": "The capital"}) as response:
            ids = (await response.json())["tokens"]
        how: Any = {"model": "tiny", "max_tokens": 10, "temperature": 0}
        by_text = await client.completions.create(prompt="The capital", **how)
        by_ids = await client.completions.create(prompt=ids, **how)
        stream = await client.completions.create(prompt="The capital", stream=True, **how)
        chunks = [chunk async for chunk in stream]
    assert by_text.choices[0].text == by_ids.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks) == by_text.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "length"


async def test_a_stop_string_ends_the_answer_and_is_left_out(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how: Any = {"model": "tiny", "messages": HI, "max_tokens": 60, "temperature": 0}
        free = (await client.chat.completions.create(**how)).choices[0].message.content
        assert free
        stop = free[20:24]
        cut = await client.chat.completions.create(stop=["never seen", stop], **how)
        streamed, chunks = await collect(
            await client.chat.completions.create(stop=stop, stream=True, **how)
        )
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].message.content == streamed == free[: free.index(stop)]
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_a_seed_repeats_an_answer(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:

        async def ask(seed: int) -> str | None:
            got = await client.chat.completions.create(
                model="tiny", messages=HI, max_tokens=40, seed=seed, temperature=1.2
            )
            return got.choices[0].message.content

        one, again, other = await asyncio.gather(ask(1), ask(1), ask(2))
    assert one == again != other


async def test_many_streams_at_once_never_mix(serving: Serving) -> None:
    async with serving(max_running=3) as address, client_of(address) as client:

        async def ask(number: int, *, stream: bool) -> str:
            messages: Any = [{"role": "user", "content": f"Question {number} " * (number + 1)}]
            how: Any = {"model": "tiny", "messages": messages, "temperature": 0}
            got: Any = await client.chat.completions.create(
                max_tokens=30 + number, stream=stream, **how
            )
            return (await collect(got))[0] if stream else got.choices[0].message.content

        together = await asyncio.gather(*(ask(n, stream=True) for n in range(8)))
        alone = [await ask(n, stream=False) for n in range(8)]
    assert together == alone
    assert len(set(alone)) == 8


async def test_a_client_that_goes_away_stops_its_request(serving: Serving) -> None:
    async with serving(max_running=1) as address, client_of(address) as client:
        how: Any = {"model": "tiny", "messages": HI, "max_tokens": CONTEXT - 100}
        stream = await client.chat.completions.create(stream=True, **how)
        await anext(aiter(stream))
        assert (await health(address))["running"] == 1
        await stream.close()
        await until_running(address, 0)
        whole = asyncio.create_task(client.chat.completions.create(**how))
        await until_running(address, 1)
        whole.cancel()
        await until_running(address, 0)
        assert (await health(address))["output_tokens"] < CONTEXT / 2


async def test_over_the_waiting_limit_the_answer_is_429_with_a_time(serving: Serving) -> None:
    async with serving(max_running=1, max_waiting=0) as address, client_of(address) as client:
        how: Any = {"model": "tiny", "messages": HI, "max_tokens": CONTEXT - 100}
        stream = await client.chat.completions.create(stream=True, **how)
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(stream=True, **how)
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
        assert caught.value.code == "rate_limit_exceeded"
        await stream.close()


async def test_a_prompt_over_the_context_is_named_so(serving: Serving) -> None:
    async with serving(context=256) as address, client_of(address) as client:
        long: Any = [{"role": "user", "content": "word " * 400}]
        for how in ({"messages": long}, {"messages": HI, "max_tokens": 250}):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model="tiny", **how)
            assert caught.value.code == "context_length_exceeded"
            assert "256" in caught.value.message


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"presence_penalty": 2.5}, "presence_penalty"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 1e-9}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": ["x" * 300]}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"messages": None}, "messages"),
        ({"seed": 2**70}, "seed"),
    ],
)
async def test_what_the_server_cannot_do_is_refused_by_name(
    serving: Serving, change: dict[str, Any], param: str
) -> None:
    async with serving() as address, http_of(address) as http:
        body = {"model": "tiny", "messages": HI} | change
        async with http.post("/v1/chat/completions", json=body) as response:
            error = (await response.json())["error"]
            assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert param in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


async def test_neutral_and_unknown_fields_are_accepted(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        got = await client.chat.completions.create(
            model="tiny",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "ann"},
            ],
            max_tokens=3,
            n=1,
            logprobs=False,
            presence_penalty=0,
            logit_bias={},
            user="somebody",
            store=False,
            extra_body={"top_k": -1, "repetition_penalty": 1.0, "some_new_thing": {"a": 1}},
        )
    assert got.usage
    assert got.usage.completion_tokens == 3


async def test_another_model_is_not_found(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="gpt-4", messages=HI)
        assert caught.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="tiny", input="x")


async def test_the_model_is_listed_with_its_context(serving: Serving) -> None:
    async with serving(context=300) as address, client_of(address) as client:
        models = [model async for model in client.models.list()]
    assert [model.id for model in models] == ["tiny"]
    assert (models[0].model_extra or {})["max_model_len"] == 300


async def test_tokenize_counts_as_the_chat_will(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client, http_of(address) as http:
        body = {"model": "tiny", "messages": HI, "add_generation_prompt": True}
        async with http.post("/tokenize", json=body) as response:
            counted = await response.json()
        for wrong in ({}, {"messages": HI, "prompt": "x"}):
            async with http.post("/tokenize", json=wrong) as response:
                assert response.status == 400
        got = await client.chat.completions.create(model="tiny", messages=HI, max_tokens=1)
    assert got.usage
    assert counted["count"] == len(counted["tokens"]) == got.usage.prompt_tokens
    assert counted["max_model_len"] == CONTEXT


async def test_the_key_is_asked_for_everywhere_but_at_health(serving: Serving) -> None:
    async with serving(api_key="s3cret") as address:
        for key in ("wrong", "s3cre", "s3crett"):
            async with client_of(address, key) as client:
                with pytest.raises(openai.AuthenticationError):
                    await client.models.list()
        async with http_of(address) as http:
            for path in ("/v1/models", "/tokenize", "/nothing"):
                async with http.get(path) as response:
                    assert response.status == 401
                    assert (await response.json())["error"]["code"] == "invalid_api_key"
        assert (await health(address))["status"] == "ok"
        async with client_of(address, "s3cret") as client:
            assert [model.id async for model in client.models.list()] == ["tiny"]


async def test_bodies_that_are_no_json_or_too_large_are_refused_in_shape(serving: Serving) -> None:
    async with serving() as address, http_of(address) as http:
        path, as_json = "/v1/chat/completions", {"Content-Type": "application/json"}
        cases: list[tuple[bytes, dict[str, str], int]] = [
            (b"{", as_json, 400),
            (b"[]", as_json, 400),
            (orjson.dumps({"messages": HI}), {"Content-Type": "text/plain"}, 415),
            (b" " * (5 * 1024 * 1024), as_json, 413),
        ]
        for data, headers, status in cases:
            async with http.post(path, data=BytesIO(data), headers=headers) as response:
                assert response.status == status
                assert (await response.json())["error"]["message"]
        async with http.get(path) as response:
            assert response.status == 405
            assert response.headers["Allow"] == "POST"
            assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_a_web_page_s_own_host_name_is_refused(serving: Serving) -> None:
    async with serving() as address, http_of(address) as http:
        async with http.get("/v1/models", headers={"Host": "evil.example:8010"}) as response:
            assert response.status == 403
        async with http.get("/v1/models", headers={"Host": "localhost:8010"}) as response:
            assert response.status == 200
