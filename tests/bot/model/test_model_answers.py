"""An answer of the model, as it grows, over a real loopback server."""

import asyncio
from contextlib import aclosing

import pytest
from aiohttp import web

from bot.domain import Sampling
from bot.errors import ModelError, ModelUnavailable
from bot.model import Delta, Message
from bot.model.events import MAX_LINE_BYTES
from tests.bot.model.support import (
    QUESTION,
    SAMPLING,
    answer_of,
    client_of,
    refusal,
    saying,
)
from tests.scripted_model import Piece, ScriptedModel
from tests.waiting import until


async def test_an_answer_comes_piece_by_piece_and_its_last_delta_tells_the_end() -> None:
    async with client_of(saying("It ", "is ", "so.")) as model:
        assert await answer_of(model) == [
            Delta("It "),
            Delta("is "),
            Delta("so."),
            Delta(finish="stop"),
        ]


async def test_a_piece_is_there_before_the_next_one_is_made() -> None:
    shown = asyncio.Event()

    async def until_shown() -> None:
        await shown.wait()

    async with (
        client_of(saying("first", until_shown, "second")) as model,
        aclosing(model.stream(QUESTION, SAMPLING, user="u")) as deltas,
    ):
        assert await asyncio.wait_for(anext(deltas), 2) == Delta("first")
        shown.set()
        assert [delta.text async for delta in deltas] == ["second", ""]


@pytest.mark.parametrize("finish", ["stop", "length", "cancelled", "deadline", "shutdown"])
async def test_the_reason_of_the_end_is_told(finish: str) -> None:
    server = saying("Text")
    server.finish = finish
    async with client_of(server) as model:
        assert (await answer_of(model))[-1] == Delta(finish=finish)  # type: ignore[arg-type]


async def test_an_empty_answer_is_an_end_alone() -> None:
    async with client_of(saying()) as model:
        assert await answer_of(model) == [Delta(finish="stop")]


async def test_a_letter_that_is_cut_by_the_network_is_put_together() -> None:
    chunk = 'data: {"choices": [{"delta": {"content": "naïve 👋"}}]}\n\n'.encode()

    async def pause() -> None:
        await asyncio.sleep(0.01)

    pieces: list[Piece] = []
    for at in range(0, len(chunk), 3):
        pieces += [chunk[at : at + 3], pause]
    async with client_of(saying(*pieces)) as model:
        assert (await answer_of(model))[0] == Delta("naïve 👋")


async def test_what_is_no_piece_of_the_answer_is_passed_over() -> None:
    """Comments keep a connection open; vLLM begins with a role, and ends with the usage."""
    server = saying(
        b": ping\n\n",
        b"event: message\n",
        b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": null}}]}\n\n',
        b'data: {"choices": [{"delta": null}]}\n\n',
        "Text",
        b'data: {"choices": []}\n\n',
        b'data: {"choices": null, "usage": {"total_tokens": 9}}\n\n',
    )
    async with client_of(server) as model:
        assert await answer_of(model) == [Delta("Text"), Delta(finish="stop")]


class Raw(ScriptedModel):
    """Sends the first piece of its answer in one write, and nothing else."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        [piece] = self.answer([])
        assert isinstance(piece, bytes)
        await response.write(piece)
        return response


async def test_many_lines_of_one_write_are_read_whatever_they_end_in() -> None:
    chunk = b'data: {"choices": [{"delta": {"content": "%s"}}]}'
    raw = b": waiting 3\n\n" + b"\n\n".join(chunk % text for text in (b"a", b"b", b"c"))
    raw += b"\r\n\r\n" + chunk % b"d" + b"\n\ndata: [DONE]"
    async with client_of(Raw(answer=lambda _: [raw])) as model:
        assert [delta.text for delta in await answer_of(model)] == ["a", "b", "c", "d", ""]


async def test_a_line_without_an_end_is_given_up() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    server = saying(b"data: " + b"x" * (MAX_LINE_BYTES + 1), for_ever)
    line = await refusal(server, ModelUnavailable)
    assert line == "the model's server sent a line without an end"


async def test_a_length_that_was_a_deadline_is_told_as_one() -> None:
    end = b'data: {"choices": [{"finish_reason": "length", "stop_reason": "deadline"}]}\n\n'
    async with client_of(saying("Text", end, b"data: [DONE]\n\n")) as model:
        assert (await answer_of(model))[-1] == Delta(finish="deadline")


async def test_a_long_line_of_the_stream_is_read_whole() -> None:
    text = "x" * 400_000
    async with client_of(saying(text)) as model:
        assert (await answer_of(model))[0].text == text


async def test_what_is_asked_for_stands_in_the_request() -> None:
    server = saying("Text")
    async with client_of(server) as model:
        await answer_of(model)
    [request] = server.requests
    assert request == {
        "model": "scripted",
        "messages": QUESTION,
        "stream": True,
        "temperature": 0.6,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.3,
        "max_tokens": 64,
        "user": "slack/U1",
    }


async def test_the_server_is_told_how_long_an_answer_may_take() -> None:
    told: list[str | None] = []

    class Noting(ScriptedModel):
        async def chat(self, request: web.Request) -> web.StreamResponse:
            told.append(request.headers.get("X-Request-Timeout"))
            return await super().chat(request)

    server = Noting()
    server.unknown = ("repetition_penalty",)  # so that it is asked twice
    async with client_of(server, answer_s=7.5) as model:
        await answer_of(model)
    assert told == ["7.5", "7.5"]


async def test_a_repetition_penalty_that_asks_for_nothing_is_not_sent() -> None:
    """OpenAI does not know it; its own penalty is sent even so, since a server may have another."""
    server = saying("Text")
    plain = Sampling(temperature=0.6, top_p=0.9, repetition_penalty=1.0, max_tokens=64)
    async with (
        client_of(server) as model,
        aclosing(model.stream(QUESTION, plain, user="u")) as deltas,
    ):
        assert [delta async for delta in deltas]
    assert "repetition_penalty" not in server.requests[0]
    assert server.requests[0]["frequency_penalty"] == 0


@pytest.mark.parametrize(
    "unknown",
    [
        ("repetition_penalty",),
        ("frequency_penalty",),
        ("repetition_penalty", "frequency_penalty"),
    ],
)
async def test_fields_that_the_server_does_not_know_are_left_out_from_then_on(
    unknown: tuple[str, ...],
) -> None:
    server = saying("Text")
    server.unknown = unknown
    async with client_of(server) as model:
        assert (await answer_of(model))[0] == Delta("Text")
        num_asked = len(server.requests)
        assert num_asked == 1 + len(unknown)
        assert (await answer_of(model))[0] == Delta("Text")
        assert len(server.requests) == num_asked + 1
    kept = {"repetition_penalty", "frequency_penalty"} - set(unknown)
    assert {name for name in server.requests[-1] if name.endswith("_penalty")} == kept


async def test_a_refused_field_that_the_answer_needs_is_told() -> None:
    server = saying("Text")
    server.unknown = ("temperature",)
    assert "temperature" in await refusal(server, ModelError)
    assert len(server.requests) == 1


async def test_many_answers_come_side_by_side() -> None:
    everyone = asyncio.Event()

    async def wait_for_all() -> None:
        await everyone.wait()

    server = saying("a", wait_for_all, "b")
    async with client_of(server) as model:
        asking = [asyncio.create_task(answer_of(model)) for _ in range(150)]
        await until(lambda: server.running == 150)
        everyone.set()
        answers = await asyncio.gather(*asking)
    assert all(len(answer) == 3 for answer in answers)


async def test_closing_the_generator_ends_the_work_on_the_server() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    server = saying("first", for_ever)
    async with client_of(server) as model:
        async with aclosing(model.stream(QUESTION, SAMPLING, user="u")) as deltas:
            await anext(deltas)
            assert server.running == 1
        await until(lambda: server.running == 0)
        server.answer = lambda _: ["second"]
        assert (await answer_of(model))[0] == Delta("second")


async def test_a_cancelled_reader_ends_the_work_on_the_server() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    server = saying(for_ever)
    async with client_of(server) as model:
        reading = asyncio.create_task(answer_of(model))
        await until(lambda: server.running == 1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await until(lambda: server.running == 0)


async def test_images_are_parts_of_their_message_also_when_an_answer_goes_on() -> None:
    server = saying("one ", "two")
    asked: Message = {"role": "user", "content": "What?", "images": ["data:image/png;base64,x"]}
    async with client_of(server) as model:
        assert "".join(delta.text for delta in await answer_of(model, [asked])) == "one two"
        assert "".join(one.text for one in await answer_of(model, [asked], begun="one ")) == "two"
        for request in server.requests:
            assert request["messages"][0]["content"] == [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}},
                {"type": "text", "text": "What?"},
            ]
