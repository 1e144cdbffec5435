"""The client of the model's server, over a real loopback server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bot.domain import Sampling
from bot.errors import Busy, CandorError, ModelError, ModelUnavailable, TooLong
from bot.model import MAX_LINE_BYTES, Delta, Message, Model
from tests.scripted_model import Piece, ScriptedModel, scripted_model
from tests.waiting import until

SAMPLING = Sampling(
    temperature=0.6, top_p=0.9, repetition_penalty=1.1, max_tokens=64, frequency_penalty=0.3
)
QUESTION: list[Message] = [{"role": "user", "content": "Why?"}]
KEY = "hunter2-hunter2"


def saying(*pieces: Piece) -> ScriptedModel:
    return ScriptedModel(answer=lambda _: pieces)


@asynccontextmanager
async def client_of(
    server: ScriptedModel, *, timeout_s: float = 5, api_key: str | None = None
) -> AsyncIterator[Model]:
    async with (
        scripted_model(server),
        Model(server.url, timeout_s=timeout_s, api_key=api_key) as model,
    ):
        yield model


async def answer_of(model: Model, messages: Sequence[Message] = QUESTION) -> list[Delta]:
    async with aclosing(model.stream(messages, SAMPLING, user="slack/U1")) as deltas:
        return [delta async for delta in deltas]


async def refusal(server: ScriptedModel, kind: type[CandorError]) -> str:
    """The one line that the answer ends with."""
    async with client_of(server, api_key=KEY) as model:
        with pytest.raises(kind) as caught:
            await answer_of(model)
    line = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in line
    assert KEY not in line
    return line


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@asynccontextmanager
async def serving(raw: bytes) -> AsyncIterator[str]:
    """A server that answers everything with these bytes; yields its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


# The answer


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


# What goes wrong


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "context_length_exceeded", TooLong),
        (413, "context_length_exceeded", TooLong),
        (400, "invalid_request_error", ModelError),
        (401, "invalid_api_key", ModelError),
        (403, "forbidden", ModelError),
        (404, "model_not_found", ModelError),
        (422, "bad_value", ModelError),
        (429, "rate_limited", Busy),
        (500, "internal", ModelUnavailable),
        (502, "", ModelUnavailable),
        (503, "overloaded", ModelUnavailable),
    ],
)
async def test_a_refusal_is_told_by_its_kind(
    status: int, code: str, kind: type[CandorError]
) -> None:
    server = ScriptedModel(refuse=(status, code))
    line = await refusal(server, kind)
    if kind is ModelError:
        assert str(status) in line
        assert server.url in line


async def test_a_server_that_no_longer_has_the_model_is_asked_what_it_has() -> None:
    server = ScriptedModel(refuse=(404, "model_not_found"))
    async with client_of(server) as model:
        assert (await model.served()).context == 4096
        with pytest.raises(ModelError):
            await answer_of(model)
        server.refuse, server.context = None, 2048
        assert (await answer_of(model))[-1] == Delta(finish="stop")
        assert (await model.served()).context == 2048


async def test_a_refused_key_is_told_by_the_setting_s_name() -> None:
    server = ScriptedModel(api_key="another")
    assert await refusal(server, ModelError) == (
        f"the model server at {server.url} refuses model.api_key (401)"
    )


async def test_the_key_is_shown_to_the_server_with_every_call() -> None:
    async with client_of(ScriptedModel(api_key=KEY), api_key=KEY) as model:
        assert (await model.served()).name == "scripted"
        assert await model.count_tokens(QUESTION) == 2
        assert (await answer_of(model))[-1] == Delta(finish="stop")


async def test_a_server_that_breaks_off_in_mid_answer_is_unavailable() -> None:
    async with (
        client_of(saying("It ", ConnectionResetError())) as model,
        aclosing(model.stream(QUESTION, SAMPLING, user="u")) as deltas,
    ):
        assert await anext(deltas) == Delta("It ")
        with pytest.raises(ModelUnavailable):
            await anext(deltas)


async def test_a_server_that_breaks_off_before_the_first_word_is_unavailable() -> None:
    await refusal(saying(ConnectionResetError()), ModelUnavailable)


class Unfinished(ScriptedModel):
    """Ends its stream in order, and without a word that the answer is over."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self._send(response, {"delta": {"content": "It"}, "finish_reason": None})
        return response


async def test_a_stream_that_ends_without_an_end_is_unavailable() -> None:
    line = await refusal(Unfinished(), ModelUnavailable)
    assert line == "the model's server broke off in the middle of an answer"


class Curt(ScriptedModel):
    """Tells the reason of the end, and ends without `[DONE]`."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self._send(response, {"delta": {"content": "It"}, "finish_reason": "length"})
        return response


async def test_a_stream_that_ends_after_its_reason_is_whole() -> None:
    async with client_of(Curt()) as model:
        assert await answer_of(model) == [Delta("It"), Delta(finish="length")]


@pytest.mark.parametrize(
    "said",
    [
        b'data: {"error": {"message": "out of memory"}}\n\n',
        b'data: {"error": "out of memory"}\n\n',
        b"data: no json\n\n",
        b"data: 3\n\n",
        b"data: null\n\n",
        b'data: ["x"]\n\n',
        b'data: {"choices": [3]}\n\n',
        b'data: {"choices": 3}\n\n',
        b'data: {"choices": [{"delta": "text"}]}\n\n',
        b'data: {"choices": [{"delta": {"content": 3}}]}\n\n',
        b"data: \xff\xfe\n\n",
    ],
)
async def test_an_error_or_nonsense_in_mid_answer_is_unavailable(said: bytes) -> None:
    line = await refusal(saying("It ", said), ModelUnavailable)
    if b"memory" in said:
        assert "out of memory" in line


async def test_a_reason_of_the_end_that_nobody_knows_is_an_error_of_the_server() -> None:
    """OpenAI knows content_filter and tool_calls, too; a turn can't hold what we don't know."""
    server = saying("Text")
    server.finish = "content_filter"
    async with client_of(server) as model:
        assert (await answer_of(model))[-1] == Delta(finish="error")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    async with Model(url, api_key=KEY) as model:
        for call in (model.served(), model.count_tokens(QUESTION), answer_of(model)):
            with pytest.raises(ModelUnavailable, match="cannot be reached") as caught:
                await call
            assert url in str(caught.value)
            assert KEY not in str(caught.value)
        assert not await model.healthy()


async def test_a_server_that_goes_silent_between_two_words_is_unavailable() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    server = saying("It ", for_ever)
    async with client_of(server, timeout_s=0.1) as model:
        with pytest.raises(ModelUnavailable, match="takes too long"):
            await answer_of(model)
        await until(lambda: server.running == 0)


async def test_a_long_answer_may_take_longer_than_the_time_between_two_words() -> None:
    async def pause() -> None:
        await asyncio.sleep(0.1)

    pieces: list[Piece] = ["word", pause] * 5
    async with client_of(saying(*pieces), timeout_s=0.3) as model:
        assert len(await answer_of(model)) == 6


@pytest.mark.parametrize(
    "body",
    [b"<html>hello</html>", b"", b"[1, 2]", b'"text"', b"null", b'{"data": 3}', b'{"data": [3]}',
     b'{"data": {"id": "x"}}'],
)  # fmt: skip
async def test_a_server_that_does_not_speak_the_api_is_told(body: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    async with serving(raw % (len(body), body)) as url, Model(url) as model:
        with pytest.raises(ModelError) as caught:
            await model.served()
        assert url in str(caught.value)
        assert not await model.healthy()


async def test_a_page_that_is_not_found_is_told_with_the_url() -> None:
    body = b"<html>nginx</html>"
    raw = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    async with serving(raw % (len(body), body)) as url, Model(url) as model:
        with pytest.raises(ModelError) as caught:
            await model.served()
    assert str(caught.value) == (
        f"the model server at {url} refuses a request (404): no reason given"
    )


async def test_something_that_speaks_no_http_is_unavailable() -> None:
    async with serving(b"220 mail.example ESMTP\r\n") as url, Model(url) as model:
        with pytest.raises(ModelUnavailable):
            await model.served()


# What is served


async def test_the_first_model_of_the_server_is_asked_when_none_is_named() -> None:
    async with client_of(ScriptedModel(context=2048)) as model:
        served = await model.served()
        assert (served.name, served.context) == ("scripted", 2048)


async def test_a_context_that_the_server_does_not_tell_is_none() -> None:
    async with client_of(ScriptedModel(context=None)) as model:
        assert (await model.served()).context is None


async def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    async with scripted_model() as server, Model(server.url, name="gpt-9") as model:
        with pytest.raises(ModelError) as caught:
            await model.served()
    assert str(caught.value) == (
        f"the model server at {server.url} has no model 'gpt-9'; it has scripted"
    )


async def test_a_server_without_any_model_is_told() -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    server = ScriptedModel()
    server.models = nothing  # type: ignore[method-assign]
    async with client_of(server) as model:
        with pytest.raises(ModelError, match=f"^the model server at {server.url} serves no model"):
            await model.served()


async def test_a_url_may_end_in_a_slash() -> None:
    async with scripted_model() as server, Model(server.url + "/") as model:
        assert (await model.served()).name == "scripted"
        assert await model.count_tokens(QUESTION) == 2


async def test_a_server_behind_a_path_is_reached() -> None:
    app = web.Application()
    server = ScriptedModel()
    app.router.add_get("/llm/v1/models", server.models)
    app.router.add_post("/llm/tokenize", server.count)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/llm/v1"
        async with Model(url) as model:
            assert await model.count_tokens(QUESTION) == 2
    finally:
        await runner.cleanup()


async def test_a_unix_socket_is_used_in_place_of_host_and_port(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    async with (
        scripted_model(saying("Text"), socket=path) as server,
        Model(server.url, socket=path) as model,
    ):
        assert await model.healthy()
        assert await model.count_tokens(QUESTION) == 2
        assert (await answer_of(model))[0] == Delta("Text")


async def test_a_unix_socket_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with Model("http://localhost/v1", socket=tmp_path / "none.sock") as model:
        with pytest.raises(ModelUnavailable):
            await model.served()
        assert not await model.healthy()


async def test_a_server_is_healthy_while_it_answers() -> None:
    async with Model("http://127.0.0.1:1/v1") as none:
        assert not await none.healthy()
    async with scripted_model() as server, Model(server.url) as model:
        assert await model.healthy()
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    async with Model(server.url) as model:
        assert not await model.healthy()
        async with scripted_model(server, port=port):
            assert await model.healthy()


async def test_an_unopened_client_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Model("http://127.0.0.1:1/v1").served()


# Counting


async def test_the_server_counts_the_tokens() -> None:
    server = ScriptedModel()
    async with client_of(server) as model:
        messages: list[Message] = [{"role": "user", "content": "one two three"}]
        assert await model.count_tokens(messages) == 4
        assert await model.count_tokens([]) == 0
    assert server.counted == 2


async def test_where_the_server_cannot_count_it_is_asked_once_and_then_estimated() -> None:
    server = ScriptedModel(tokenize=False)
    async with client_of(server) as model:
        short = await model.count_tokens([{"role": "user", "content": "word " * 10}])
        long = await model.count_tokens([{"role": "user", "content": "word " * 1000}])
    assert server.counted == 1
    assert short >= 10
    assert 1000 <= long <= 3000


async def test_an_estimate_is_never_too_low_for_text_of_many_tokens_a_sign() -> None:
    """A prompt that is thought to fit and does not is refused by the server."""
    async with client_of(ScriptedModel(tokenize=False)) as model:
        content = "日本語の文章です" * 50
        counted = await model.count_tokens([{"role": "user", "content": content}])
    assert counted >= len(content)


async def test_a_server_that_does_not_answer_does_not_end_the_counting() -> None:
    server = ScriptedModel()
    async with client_of(server) as model:
        served = await model.served()
        assert served.name == "scripted"
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    async with Model(server.url) as model:
        with pytest.raises(ModelUnavailable):
            await model.count_tokens(QUESTION)
        async with scripted_model(server, port=port):
            assert await model.count_tokens(QUESTION) == 2
