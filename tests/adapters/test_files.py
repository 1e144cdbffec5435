"""Files are fetched from a platform's own hosts, and only these see the token."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import yarl
from aiohttp import web

from adapters import files as files_module
from adapters.files import Files, Hosts
from bot.domain import Attachment
from bot.errors import Unreadable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Host:
    """A file host on loopback, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str | None]] = []
        self.failures = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path, request.headers.get("Authorization")))
        match request.path:
            case "/file":
                return web.Response(body=b"teal")
            case "/moved":
                raise web.HTTPFound("/file")
            case "/away":
                raise web.HTTPFound(request.query["to"])
            case "/circle":
                raise web.HTTPFound("/circle")
            case "/sign-in":
                return web.Response(text="<html>Sign in", content_type="text/html")
            case "/busy" if self.failures > 0:
                self.failures -= 1
                return web.Response(status=503)
            case "/busy":
                return web.Response(body=b"at last")
            case "/later":
                return web.Response(status=429, headers={"Retry-After": "3600"})
            case "/endless":
                return await self._endless(request)
            case "/silent":
                await asyncio.sleep(60)
                return web.Response()
        raise web.HTTPNotFound

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b"x" * 10_000)
        return response


@asynccontextmanager
async def host() -> AsyncIterator[Host]:
    one = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", one.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield one
    finally:
        await runner.cleanup()


def file(url: str, kind: str = "text/plain") -> Attachment:
    return Attachment("F1", "a.txt", kind, 4, url)


def files_of(one: Host, *more: str) -> Files:
    own = Hosts(f"{one.url}/api")
    return Files(own, trusted=own, token="xoxb-secret")


async def refusal(files: Files, url: str, most: int = 1000) -> str:
    with pytest.raises(Unreadable) as refused:
        await files.fetch(file(url), most)
    return refused.value.reason


async def test_a_file_is_fetched_with_the_token_also_where_it_has_moved() -> None:
    async with host() as one:
        assert await files_of(one).fetch(file(f"{one.url}/moved"), 4) == b"teal"
        assert one.seen == [("/moved", "Bearer xoxb-secret"), ("/file", "Bearer xoxb-secret")]


async def test_no_token_is_shown_to_whom_is_not_trusted_with_it() -> None:
    async with host() as one:
        hosts = Hosts(one.url)
        files = Files(hosts, trusted=Hosts("https://slack.com/api"), token="xoxb-secret")
        assert await files.fetch(file(f"{one.url}/file"), 4) == b"teal"
        assert one.seen == [("/file", None)]


async def test_a_foreign_address_is_not_asked_whoever_names_it() -> None:
    async with host() as one, host() as other:
        files = files_of(one)
        assert await refusal(files, f"{other.url}/file") == "denied"
        assert await refusal(files, f"{one.url}/away?to={other.url}/file") == "denied"
        assert await refusal(files, f"{one.url}/away?to=file:///etc/passwd") == "denied"
        assert await refusal(files, "") == "denied"
        assert await refusal(files, "http://[") == "denied"
        assert other.seen == []


async def test_what_a_host_refuses_has_a_reason() -> None:
    async with host() as one:
        files = files_of(one)
        assert await refusal(files, f"{one.url}/nothing") == "gone"
        assert await refusal(files, f"{one.url}/sign-in") == "denied"
        assert await refusal(files, f"{one.url}/circle") == "denied"
        assert len(one.seen) == 2 + files_module.REDIRECTS + 1


async def test_no_more_is_read_than_asked_for_whatever_the_host_sends() -> None:
    async with host() as one:
        files = files_of(one)
        assert await refusal(files, f"{one.url}/file", most=3) == "size"
        assert await refusal(files, f"{one.url}/endless", most=200_000) == "size"


async def test_a_host_that_fails_is_asked_again_and_one_that_asks_to_wait_long_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files_module, "PAUSE_S", 0.01)
    async with host() as one:
        one.failures = 2
        assert await files_of(one).fetch(file(f"{one.url}/busy"), 100) == b"at last"
        one.failures = 3
        assert await refusal(files_of(one), f"{one.url}/busy") == "unavailable"
        one.seen.clear()
        assert await refusal(files_of(one), f"{one.url}/later") == "unavailable"
        assert len(one.seen) == 1


async def test_a_silent_host_and_one_that_is_not_there_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files_module, "PAUSE_S", 0.01)
    monkeypatch.setattr(files_module, "SILENCE_S", 0.05)
    async with host() as one:
        assert await refusal(files_of(one), f"{one.url}/silent") == "unavailable"
        files = files_of(one)
        url = one.url
    assert await refusal(files, f"{url}/file") == "unavailable"


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.txt", True),
        ("https://slack.com/a", True),
        ("https://x.slack-files.com/a", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://files.slack.com.evil.example/a", False),
        ("https://evilslack.com/a", False),
        ("https://user:pass@files.slack.com/a", False),
        ("https://127.0.0.1/a", False),
        ("/a", False),
    ],
)
def test_the_hosts_of_a_platform_are_its_domains_over_https(url: str, is_allowed: bool) -> None:
    hosts = Hosts("https://slack.com/api", "slack-files.com")
    assert hosts.allow(yarl.URL(url)) is is_allowed


def test_an_api_at_an_address_stands_for_itself_alone() -> None:
    hosts = Hosts("http://127.0.0.1:8765/slack/api")
    assert hosts.allow(yarl.URL("http://127.0.0.1:8765/slack/files/F1/a"))
    assert not hosts.allow(yarl.URL("http://127.0.0.1:8766/slack/files/F1/a"))
    assert not hosts.allow(yarl.URL("https://x.127.0.0.1/a"))
