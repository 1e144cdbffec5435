"""What goes wrong between the client and the model's server."""

import asyncio
from contextlib import aclosing

import pytest
from aiohttp import web

from bot.errors import Busy, CandorError, ModelError, ModelUnavailable, TooLong
from bot.model import Delta, Model, client
from tests.bot.model.support import (
    KEY,
    QUESTION,
    SAMPLING,
    answer_of,
    client_of,
    free_port,
    refusal,
    saying,
    serving,
)
from tests.scripted_model import Piece, ScriptedModel
from tests.waiting import until


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


async def test_a_server_that_keeps_an_answer_waiting_is_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is never silent: it sends comments for as long as nothing comes."""
    monkeypatch.setattr(client, "GRACE_S", 0.05)

    async def pause() -> None:
        await asyncio.sleep(0.02)

    waits: list[Piece] = [b": waiting 1\n\n", pause] * 500
    server = saying(*waits)
    async with client_of(server, timeout_s=0.2, answer_s=0.3) as model:
        with pytest.raises(ModelUnavailable, match="takes too long"):
            await answer_of(model)
        await until(lambda: server.running == 0)
