"""The sandbox's server: where it listens, what it serves, and how it closes."""

import asyncio
import errno
import re
import socket
import time
from importlib import resources

import aiohttp
import pytest

from adapters.sandbox.server import Sandbox
from tests.adapters.sandbox.tiny_platform import TinyPlatform, serving


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "127.0.0.1.example.com"]
)
def test_a_host_that_is_not_loopback_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"sandbox host: .* is refused; allowed: 127\.0\.0\.1"):
        Sandbox(platforms=[], host=host)


def test_the_same_platform_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="each may be there once"):
        Sandbox(platforms=[TinyPlatform("slack"), TinyPlatform("slack")])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
async def test_port_zero_takes_a_free_port_and_the_url_names_it(host: str) -> None:
    sandbox = Sandbox(platforms=[TinyPlatform("slack")], host=host, port=0)
    with pytest.raises(RuntimeError, match="before it has started"):
        _ = sandbox.url
    async with sandbox:
        assert re.fullmatch(r"http://127\.0\.0\.[12]:[1-9]\d+", sandbox.url)
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"{sandbox.url}/control/state") as response,
        ):
            assert response.status == 200


async def test_it_listens_on_ipv6_loopback_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    async with Sandbox(platforms=[], host="::1", port=0) as sandbox:
        assert sandbox.url.startswith("http://[::1]:")
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"{sandbox.url}/control/state") as response,
        ):
            assert response.status == 200


async def test_a_platform_learns_the_address_that_the_server_really_has() -> None:
    async with serving() as world:
        for name in ("slack", "discord"):
            async with world.client.get(f"/{name}/where") as response:
                assert await response.text() == world.sandbox.url


async def test_a_taken_port_raises_the_system_error_and_leaves_everything_closed() -> None:
    platform = TinyPlatform("slack")
    async with serving() as world:
        port = int(world.sandbox.url.rsplit(":", 1)[1])
        with pytest.raises(OSError) as caught:
            await Sandbox(platforms=[platform], port=port).start()
    assert caught.value.errno == errno.EADDRINUSE
    assert platform.closed
    assert platform.num_subscribers == 0


async def test_closing_ends_every_connection_and_task_quickly() -> None:
    before = asyncio.all_tasks()
    slack, discord = TinyPlatform("slack"), TinyPlatform("discord")
    sandbox = Sandbox(platforms=[slack, discord], port=0)
    await sandbox.start()
    async with aiohttp.ClientSession(base_url=sandbox.url) as client:
        stream = await client.get("/control/changes")
        stuck = await client.get("/slack/forever")
        talk = await client.ws_connect("/discord/socket")
        started = time.monotonic()
        closing = asyncio.create_task(sandbox.close())
        assert (await talk.receive()).type is aiohttp.WSMsgType.CLOSE
        await closing
        assert time.monotonic() - started < 5
        await stream.read()
        with pytest.raises(aiohttp.ClientError):
            await stuck.read()
        with pytest.raises(aiohttp.ClientError):
            await client.get("/")
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before
    assert (slack.closed, discord.closed) == (True, True)
    assert (slack.num_subscribers, discord.num_subscribers) == (0, 0)


async def test_closing_again_does_nothing() -> None:
    sandbox = Sandbox(platforms=[TinyPlatform("slack")], port=0)
    await sandbox.start()
    await sandbox.close()
    await sandbox.close()


async def test_a_sandbox_that_never_started_closes() -> None:
    platform = TinyPlatform("slack")
    await Sandbox(platforms=[platform]).close()
    assert platform.closed


async def test_the_page_may_load_and_run_nothing_but_its_own_files() -> None:
    async with serving() as world:
        async with world.client.get("/") as response:
            html = await response.text()
            policy = response.headers["Content-Security-Policy"]
        assert response.content_type == "text/html"
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|//", html)
        for path in re.findall(r'(?:src|href)="([^"]+)"', html):
            async with world.client.get(path) as response:
                assert response.status == 200, path


async def test_every_file_of_the_page_is_served_with_its_type() -> None:
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    names = [each.name for each in resources.files("adapters.sandbox").joinpath("page").iterdir()]
    assert {"index.html", "page.css", "page.js"} <= set(names)
    async with serving() as world:
        for name in set(names) - {"index.html"}:
            async with world.client.get(f"/page/{name}") as response:
                assert response.content_type == types[name.rsplit(".", 1)[1]]
                assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nothing", "/page/", "/page/..%2fserver.py", "/page/index.py"])
async def test_what_is_not_there_is_not_found(path: str) -> None:
    async with serving() as world, world.client.get(path) as response:
        assert response.status == 404
