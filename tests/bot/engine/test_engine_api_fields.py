"""The finer fields of the API: penalties, log-probabilities, limits, who asks, and the metrics."""

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from transformers import AutoModelForCausalLM

from bot.engine.answer import Answer
from bot.engine.backend import GATHERED
from bot.engine.body import ChatBody, CompletionBody
from bot.engine.checked import parse
from bot.engine.metrics import Metrics
from bot.engine.request import Delta
from bot.engine.stats import Stats
from bot.engine.weights import load
from bot.model_settings import ServeSettings
from tests.bot.engine.api_client import HI, client_of, collect, http_of
from tests.bot.engine.support import CONTEXT, Serving, prompts

NEAR = 1e-3
"""How far log-probabilities of float32 may lie from transformers' own."""


@pytest.fixture(scope="module")
def oracle(tiny: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny)


def logprobs_of(oracle: Any, ids: list[int]) -> torch.Tensor:
    """For each token but the first, the log-probabilities of all tokens in its place."""
    with torch.inference_mode():
        found: torch.Tensor = oracle(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return found


async def tokens_of(address: str, body: dict[str, Any]) -> list[int]:
    async with http_of(address) as http, http.post("/tokenize", json=body) as response:
        ids: list[int] = (await response.json())["tokens"]
        return ids


# Log-probabilities of the answer


async def test_a_chat_s_logprobs_are_the_model_s_own_streamed_or_whole(
    serving: Serving, oracle: Any, tiny: Path, tmp_path: Path
) -> None:
    encoder = load(ServeSettings(model=str(tiny)), tmp_path).encoder
    async with serving() as address, client_of(address) as client:
        how: Any = {
            "model": "tiny",
            "messages": HI,
            "max_tokens": 24,
            "temperature": 1.3,
            "seed": 5,
            "frequency_penalty": 1.5,
            "logprobs": True,
            "top_logprobs": 3,
        }
        whole = await client.chat.completions.create(**how)
        text, chunks = await collect(await client.chat.completions.create(stream=True, **how))
        prompt = await tokens_of(address, {"messages": HI})
    assert whole.choices[0].logprobs
    content = whole.choices[0].logprobs.content
    assert content
    assert text == whole.choices[0].message.content
    streamed = [
        entry
        for chunk in chunks
        if chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content or ()
    ]
    assert streamed == content
    assert len(content) == 24
    ids = list(prompt)
    for entry in content:
        expected = logprobs_of(oracle, [*ids, 0])[-1]
        best = expected.topk(3)
        assert [top.logprob for top in entry.top_logprobs] == pytest.approx(
            best.values.tolist(), abs=NEAR
        )
        alike = [n for n in range(320) if list(encoder.spell(n)) == entry.bytes]
        ids.append(min(alike, key=lambda n: abs(float(expected[n]) - entry.logprob)))
        assert entry.logprob == pytest.approx(float(expected[ids[-1]]), abs=NEAR)
        assert entry.bytes is not None
        assert bytes(entry.bytes).decode("utf-8", "replace") == entry.token
    assert encoder.decode(ids[len(prompt) :]) == text


async def test_logprobs_are_absent_unless_they_are_asked_for(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how: Any = {"model": "tiny", "max_tokens": 4, "temperature": 0}
        chat = await client.chat.completions.create(messages=HI, **how)
        bare = await client.chat.completions.create(messages=HI, logprobs=True, **how)
        text = await client.completions.create(prompt="The cat", **how)
    assert chat.choices[0].logprobs is None
    assert text.choices[0].logprobs is None
    assert bare.choices[0].logprobs
    assert bare.choices[0].logprobs.content
    assert [entry.top_logprobs for entry in bare.choices[0].logprobs.content] == [[]] * 4


async def test_plain_completions_have_openai_s_older_lists(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how: Any = {
            "model": "tiny",
            "prompt": "The cat",
            "max_tokens": 16,
            "temperature": 0,
            "frequency_penalty": 0,
            "logprobs": 2,
        }
        whole = await client.completions.create(**how)
        chunks = [c async for c in await client.completions.create(stream=True, **how)]
    found = whole.choices[0].logprobs
    assert found
    assert found.tokens
    assert found.token_logprobs
    assert found.top_logprobs
    assert len(found.tokens) == len(found.token_logprobs) == len(found.top_logprobs) == 16
    assert found.text_offset == [len("".join(found.tokens[:n])) for n in range(16)]
    for logprob, top in zip(found.token_logprobs, found.top_logprobs, strict=True):
        assert logprob == max(top.values())  # greedy takes the most probable
        assert 1 <= len(top) <= 2
    parts = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        assert [x for part in parts for x in getattr(part, name)] == getattr(found, name)


async def test_what_one_asks_for_does_not_show_in_another_s_answer(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:

        async def ask(**more: Any) -> Any:
            got = await client.chat.completions.create(
                model="tiny", messages=HI, max_tokens=30, temperature=0, **more
            )
            return got.choices[0]

        alone = await ask()
        plain, scored, penalised = await asyncio.gather(
            ask(), ask(logprobs=True, top_logprobs=20), ask(frequency_penalty=2)
        )
    assert plain == alone
    assert scored.message == alone.message
    assert len(scored.logprobs.content[0].top_logprobs) == 20
    assert penalised.message != alone.message


# Log-probabilities of the prompt


@pytest.mark.parametrize("num_top", [0, 2])
async def test_prompt_logprobs_are_the_model_s_own_across_chunks(
    serving: Serving, oracle: Any, num_top: int
) -> None:
    (ids,) = prompts(150)
    expected = logprobs_of(oracle, list(ids))
    async with serving(prefill_chunk=16) as address, client_of(address) as client:

        async def ask(**more: Any) -> Any:
            return await client.completions.create(
                model="tiny", prompt=list(ids), max_tokens=3, temperature=0, **more
            )

        plain, scored, _ = await asyncio.gather(
            ask(), ask(extra_body={"prompt_logprobs": num_top}), ask()
        )
    assert scored.choices[0].text == plain.choices[0].text
    found = scored.choices[0].prompt_logprobs
    assert found[0] is None
    assert len(found) == 150
    for place, (token, entry) in enumerate(zip(ids[1:], found[1:], strict=True)):
        own = entry[str(token)]
        assert own["logprob"] == pytest.approx(float(expected[place, token]), abs=NEAR)
        assert own["rank"] == 1 + int((expected[place] > expected[place, token]).sum())
        assert num_top <= len(entry) <= num_top + 1
        assert all(str(n) in entry for n in expected[place].topk(num_top).indices.tolist())


async def test_a_chat_s_prompt_logprobs_stand_where_vllm_has_them(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        got = await client.chat.completions.create(
            model="tiny", messages=HI, max_tokens=1, extra_body={"prompt_logprobs": 0}
        )
        ids = await tokens_of(address, {"messages": HI})
    first, *found = (got.model_extra or {})["prompt_logprobs"]
    assert first is None
    assert [list(entry) for entry in found] == [[str(n)] for n in ids[1:]]
    text = "".join(entry[str(n)]["decoded_token"] for n, entry in zip(ids[1:], found, strict=True))
    assert "Hi, who are you?<|im_end|>" in text


async def test_a_prompt_alone_can_be_scored(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how: Any = {"model": "tiny", "prompt": "The cat sat", "max_tokens": 0}
        scored = await client.completions.create(extra_body={"prompt_logprobs": 1}, **how)
        echoed = await client.completions.create(echo=True, logprobs=1, **how)
        with pytest.raises(Exception, match="max_tokens"):
            await client.completions.create(**how)
    assert scored.choices[0].text == ""
    assert scored.choices[0].finish_reason == "length"
    assert scored.usage
    assert (scored.usage.completion_tokens, scored.usage.prompt_tokens > 3) == (0, True)
    assert echoed.choices[0].text == "The cat sat"
    found = echoed.choices[0].logprobs
    assert found
    assert found.tokens
    assert found.token_logprobs
    assert "".join(found.tokens) == "The cat sat"
    assert found.token_logprobs[0] is None
    prompt = (scored.choices[0].model_extra or {})["prompt_logprobs"]
    for logprob, entry in zip(found.token_logprobs[1:], prompt[1:], strict=True):
        assert logprob in [one["logprob"] for one in entry.values()]


async def test_an_echo_puts_the_prompt_before_the_answer(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how: Any = {"model": "tiny", "max_tokens": 9, "temperature": 0}
        plain = await client.completions.create(prompt="The cat", **how)
        whole = await client.completions.create(prompt="The cat", echo=True, logprobs=0, **how)
        ids = await tokens_of(address, {"prompt": "The cat"})
        by_ids = await client.completions.create(prompt=ids, echo=True, **how)
        stream = await client.completions.create(prompt="The cat", echo=True, stream=True, **how)
        text = "".join([chunk.choices[0].text async for chunk in stream])
    assert whole.choices[0].text == by_ids.choices[0].text == text
    assert text == "The cat" + plain.choices[0].text
    assert whole.choices[0].logprobs
    assert len(whole.choices[0].logprobs.tokens or ()) == len(ids) + 9


# How an answer is drawn


async def test_the_penalties_are_those_of_a_plain_loop(serving: Serving, oracle: Any) -> None:
    (prompt,) = prompts(12)
    frequency, presence = 0.7, 0.4
    ids, counts = list(prompt), torch.zeros(320)
    for _ in range(40):
        with torch.inference_mode():
            logits = oracle(torch.tensor([ids])).logits[0, -1]
        ids.append(int((logits - frequency * counts - presence * (counts > 0)).argmax()))
        counts[ids[-1]] += 1
    async with serving() as address, client_of(address) as client:
        expected, got = await asyncio.gather(
            client.completions.create(
                model="tiny", prompt=ids, max_tokens=0, echo=True, temperature=0
            ),
            client.completions.create(
                model="tiny",
                prompt=list(prompt),
                max_tokens=40,
                echo=True,
                temperature=0,
                frequency_penalty=frequency,
                presence_penalty=presence,
            ),
        )
    shown = got.choices[0].text.replace("<|im_start|>", "").replace("<|im_end|>", "")
    wanted = expected.choices[0].text.replace("<|im_start|>", "").replace("<|im_end|>", "")
    assert shown == wanted.replace("<|endoftext|>", "")


async def test_min_p_of_one_leaves_the_most_probable_alone(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:

        async def ask(**more: Any) -> str | None:
            got = await client.chat.completions.create(
                model="tiny", messages=HI, max_tokens=30, **more
            )
            text: str | None = got.choices[0].message.content
            return text

        assert await ask(temperature=0) == await ask(temperature=2, extra_body={"min_p": 1})


@pytest.fixture
def curt(tiny: Path, tmp_path: Path) -> Path:
    """The tiny model, nearly all of whose tokens end an answer."""
    path = tmp_path / "curt"
    shutil.copytree(tiny, path)
    file = path / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": [*range(3, 300)]}))
    return path


async def test_an_answer_has_its_least_number_of_tokens(serving: Serving, curt: Path) -> None:
    async with serving(model=str(curt)) as address, client_of(address) as client:

        async def ask(**more: Any) -> tuple[str, int]:
            got = await client.chat.completions.create(
                model="curt", messages=HI, max_tokens=50, temperature=0, extra_body=more
            )
            assert got.usage
            return got.choices[0].finish_reason, got.usage.completion_tokens

        assert await ask(ignore_eos=True) == ("length", 50)
        finish, least = await ask()
        assert finish == "stop"
        finish, num = await ask(min_tokens=least + 7)
        assert finish == "stop"
        assert least + 7 < num < 50


# Who asks, and for how long


def test_who_asks_is_known_by_a_hash() -> None:
    def person(**fields: str) -> str:
        return parse(ChatBody, json.dumps({"messages": HI, **fields}).encode()).person

    assert person() == ""
    ann = person(user="slack/U1")
    assert len(ann) == 32
    assert "U1" not in ann
    assert ann == person(user="slack/U1") == person(safety_identifier="slack/U1", user="other")
    assert ann != person(user="slack/U2")


async def test_who_asks_and_a_salt_change_no_answer(serving: Serving) -> None:
    async with serving() as address, client_of(address) as client:
        how: Any = {"model": "tiny", "messages": HI, "max_tokens": 9, "temperature": 0}
        plain = await client.chat.completions.create(**how)
        named = await client.chat.completions.create(
            user="ann",
            safety_identifier="ann",
            extra_body={"cache_salt": "ours"},
            extra_headers={"X-Request-Timeout": "30"},
            **how,
        )
    assert named.choices == plain.choices


def test_a_deadline_is_a_length_to_clients_that_know_no_deadline() -> None:
    for kind in ("chat", "text"):
        answer = Answer(kind, "tiny", "1")
        choice = answer.whole("So far", Delta("", 3, 4, finish="deadline"))["choices"][0]
        assert (choice["finish_reason"], choice["stop_reason"]) == ("length", "deadline")
        chunk = answer.last(Delta("", 3, 4, finish="deadline"), has_usage=False)
        choice = json.loads(chunk.removeprefix(b"data: "))["choices"][0]
        assert (choice["finish_reason"], choice["stop_reason"]) == ("length", "deadline")
        ended = answer.whole("", Delta("", 3, 4, finish="stop"))["choices"][0]
        assert "stop_reason" not in ended


async def test_what_cannot_be_is_refused_by_name(serving: Serving) -> None:
    chat: list[tuple[dict[str, Any], str]] = [
        ({"frequency_penalty": -2.5}, "frequency_penalty"),
        ({"min_p": 1.5}, "min_p"),
        ({"min_tokens": 9, "max_tokens": 3}, "min_tokens"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"prompt_logprobs": 21}, "prompt_logprobs"),
        ({"prompt_logprobs": 0, "stream": True}, "prompt_logprobs"),
        ({"cache_salt": ""}, "cache_salt"),
        ({"cache_salt": "x" * 257}, "cache_salt"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"stop_token_ids": [5]}, "stop_token_ids"),
    ]
    text: list[tuple[dict[str, Any], str]] = [
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"echo": True, "logprobs": 1, "stream": True}, "echo"),
        ({"max_tokens": 0}, "max_tokens"),
    ]
    async with serving() as address, http_of(address) as http:

        async def refused(path: str, body: dict[str, Any], **headers: str) -> tuple[int, str, str]:
            async with http.post(path, json={"max_tokens": 5} | body, headers=headers) as response:
                error = (await response.json())["error"]
                return response.status, error["param"], error["message"]

        for change, param in chat:
            status, named, said = await refused("/v1/chat/completions", {"messages": HI} | change)
            assert (status, named, param in said) == (400, param, True)
        for change, param in text:
            status, named, said = await refused("/v1/completions", {"prompt": "The"} | change)
            assert (status, named, param in said) == (400, param, True)
        for wrong in ("soon", "0", "-1", "nan", "inf"):
            header = {"X-Request-Timeout": wrong}
            status, named, _ = await refused("/v1/completions", {"prompt": "The"}, **header)
            assert (status, named) == (400, "X-Request-Timeout")


# Streams


async def test_a_request_that_waits_hears_its_place(serving: Serving) -> None:
    async with serving(max_running=1) as address, client_of(address) as client:
        how: Any = {"model": "tiny", "messages": HI, "stream": True}
        first = await client.chat.completions.create(max_tokens=CONTEXT - 100, **how)
        body = how | {"max_tokens": 3, "temperature": 0}
        async with (
            http_of(address) as http,
            http.post("/v1/chat/completions", json=body) as response,
        ):
            assert response.status == 200
            assert await response.content.readline() == b": waiting 1\n"
            await first.close()
            rest = await response.read()
        # OpenAI's client passes over the comments.
        blocked = await client.chat.completions.create(max_tokens=CONTEXT - 100, **how)
        waiting = asyncio.create_task(client.chat.completions.create(**body))
        await asyncio.sleep(1.2)
        await blocked.close()
        text, _ = await collect(await waiting)
    assert rest.endswith(b"data: [DONE]\n\n")
    assert text


async def test_a_waiting_request_whose_client_goes_away_is_forgotten(serving: Serving) -> None:
    async with serving(max_running=1) as address, client_of(address) as client:
        how: Any = {"model": "tiny", "messages": HI, "stream": True, "max_tokens": CONTEXT - 100}
        first = await client.chat.completions.create(**how)
        async with http_of(address) as http:
            async with http.post("/v1/chat/completions", json=how) as response:
                await response.content.readline()
            async with asyncio.timeout(10):
                while True:
                    async with http.get("/health") as answer:
                        if (await answer.json())["waiting"] == 0:
                            break
        await first.close()


async def test_deltas_are_joined_but_the_first_and_the_last(serving: Serving) -> None:
    how: Any = {"model": "tiny", "messages": HI, "max_tokens": 60, "temperature": 0}
    async with serving(stream_interval_ms=10_000) as address, client_of(address) as client:
        started = time.monotonic()
        joined, few = await collect(await client.chat.completions.create(stream=True, **how))
        took = time.monotonic() - started
    async with serving(stream_interval_ms=0) as address, client_of(address) as client:
        single, many = await collect(await client.chat.completions.create(stream=True, **how))
    assert joined == single
    assert took < 9
    # Who speaks, the first text, all other text, the end.
    assert len(few) == 4
    assert len(many) > 20


# The metrics


async def test_the_metrics_tell_what_was_done(serving: Serving) -> None:
    long: Any = [{"role": "user", "content": "Hello, hello, hello, hello and hello!"}]
    async with serving(api_key="s3cret") as address, client_of(address, "s3cret") as client:
        for num in (5, 9):
            stream = await client.chat.completions.create(
                model="tiny", messages=long, max_tokens=num, stream=True
            )
            await collect(stream)
        async with http_of(address) as http:
            async with http.get("/metrics") as response:
                assert response.status == 401
            key = {"Authorization": "Bearer s3cret"}
            async with http.get("/metrics", headers=key) as response:
                assert response.content_type == "text/plain"
                text = await response.text()
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "le" not in sample.labels
    }
    assert samples["candor_generation_tokens_total"] == 14
    assert samples["candor_prompt_tokens_total"] > 20
    assert samples["candor_time_to_first_token_seconds_count"] == 2
    assert samples["candor_inter_token_latency_seconds_count"] >= 2
    assert samples["candor_e2e_request_latency_seconds_count"] == 2
    assert samples["candor_num_requests_running"] == 0
    assert samples["candor_num_requests_waiting"] == 0
    assert (
        samples["candor_prefix_cache_hits_total"] == GATHERED.block_size
    )  # a block of the same prompt
    assert samples["candor_failed_steps_total"] == 0
    assert 'finished_reason="length"' in text


# What is written of it


def test_the_page_names_every_field_and_every_number() -> None:
    page = Path("docs/api.md").read_text("utf-8")
    fields = {name for body in (ChatBody, CompletionBody) for name in body.model_fields}
    metrics = text_string_to_metric_families(Metrics(Stats).render().decode())
    numbers = {family.name.removeprefix("candor_") for family in metrics}
    told = {name for name in fields | numbers if not name.endswith("_created")}
    assert {name for name in told if name not in page} == set()
