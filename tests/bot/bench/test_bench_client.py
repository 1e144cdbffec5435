"""The client against a server that says what each test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from bot.bench.client import Client, events, opened
from bot.bench.errors import BenchError
from bot.bench.memory import listener, resident
from bot.bench.subject import Server
from bot.bench.workload import Question

QUESTION = Question((5, 6, 7), 2)


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": finish}
    return b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n"


def usage(tokens: int) -> bytes:
    counts = {"prompt_tokens": 3, "completion_tokens": tokens}
    return b"data: " + orjson.dumps({"choices": [], "usage": counts}) + b"\n\n"


DONE = b"data: [DONE]\n\n"


class Scripted:
    """Writes `parts`, with a pause between each two, and keeps what it was asked."""

    def __init__(self, *parts: bytes, pause_s: float = 0.0) -> None:
        self.parts, self.pause_s = parts, pause_s
        self.asked: list[dict[str, object]] = []
        self.running = self.most = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.running += 1
        self.most = max(self.most, self.running)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in self.parts:
            await response.write(part)
            await asyncio.sleep(self.pause_s)
        self.running -= 1
        return response


@asynccontextmanager
async def served(handler: Callable[[web.Request], object]) -> AsyncIterator[tuple[Client, str]]:
    app = web.Application()
    app.router.add_post("/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with opened(f"{url}/v1", api_key="secret") as client:
            yield client, url
    finally:
        await runner.cleanup()


async def test_an_answer_has_the_time_of_each_piece_and_the_server_s_count() -> None:
    script = Scripted(event("ab"), event(""), event("c", "length") + usage(2) + DONE, pause_s=0.05)
    async with served(script.complete) as (client, _):
        answer = await client.complete(QUESTION, model="m", user="p")
    assert (answer.num_tokens, answer.num_prompt, answer.text) == (2, 3, "abc")
    assert len(answer.pieces) == 2
    assert 0 < answer.first_s < answer.pieces[1] - answer.sent
    assert answer.gaps_s[0] >= 0.09  # an empty piece is none
    [asked] = script.asked
    assert asked["prompt"] == [5, 6, 7]
    assert (asked["max_tokens"], asked["temperature"], asked["ignore_eos"]) == (2, 0, True)
    assert asked["stream_options"] == {"include_usage": True}


async def test_an_answer_that_ends_early_is_no_equal_work() -> None:
    script = Scripted(event("a", "stop") + usage(1) + DONE)
    async with served(script.complete) as (client, _):
        with pytest.raises(BenchError, match=r"1 tokens in place of 2.*ignore_eos"):
            await client.complete(QUESTION, model="m", user="p")


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ((event("a"),), "an answer broke off"),
        ((event("a"), b'data: {"error": {"message": "no memory\\nat all"}}\n\n'), "no memory$"),
    ],
)
async def test_an_answer_that_breaks_off_is_an_error(parts: tuple[bytes, ...], line: str) -> None:
    async with served(Scripted(*parts).complete) as (client, _):
        with pytest.raises(BenchError, match=line):
            await client.complete(QUESTION, model="m", user="p")


async def test_an_answer_of_no_text_came_when_it_ended() -> None:
    async with served(Scripted(event("", "stop") + usage(1) + DONE).complete) as (client, _):
        answer = await client.chat([], max_tokens=3, model="m", user="p")
    assert (answer.text, answer.num_tokens, len(answer.pieces)) == ("", 1, 1)


async def test_what_a_server_refuses_is_one_line() -> None:
    async def refuse(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        return web.json_response({"error": {"message": "too busy\nsorry"}}, status=429)

    async with served(refuse) as (client, _):
        for ask in (
            client.complete(QUESTION, model="m", user="p"),
            client.tokenize(prompt="a"),
            client.load_adapter("a", Path("/a")),
        ):
            with pytest.raises(BenchError, match=r"^the server said 429: too busy$"):
                await ask


async def test_as_many_are_in_flight_as_asked_until_fewer_are_left() -> None:
    script = Scripted(event("a"), event("b", "length") + usage(2) + DONE, pause_s=0.02)
    async with served(script.complete) as (client, url):
        server = Server("s", client, ("base", "other"), listener(url))
        answers = await server.answer([QUESTION] * 7, 3)
        assert server.pid is not None
        assert (resident(server.pid) or 0) > 1_000_000
    assert (len(answers), script.most) == (7, 3)
    assert {asked["user"] for asked in script.asked} == {"bench-0", "bench-1", "bench-2"}
    assert sorted(str(asked["model"]) for asked in script.asked) == ["base"] * 4 + ["other"] * 3


def test_events_may_come_in_any_pieces() -> None:
    raw = event("a") + b": a comment\n\n" + DONE
    for size in (1, 2, 7, len(raw)):
        reads = [(float(at), raw[at : at + size]) for at in range(0, len(raw), size)]
        assert [data for _, data in events(reads)] == [event("a")[6:-2], b"[DONE]"]
    assert list(events([(1.0, b"data: a"), (2.0, b"\n")])) == [(2.0, b"a")]


def test_only_this_machine_s_processes_are_seen() -> None:
    assert listener("http://192.0.2.1:80") is None
    assert resident(2**22 + 1) is None
