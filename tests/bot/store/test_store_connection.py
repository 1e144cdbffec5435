"""Connecting to a server by its URL: what is refused, in one line that tells no password."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.errors import StoreError, StoreUnavailable
from bot.settings import RedisSettings
from bot.store.connection import connect, converted, without_password
from bot.store.embedded import embedded_server

PASSWORD = "hunter2-hunter2"


def at(url: str, *, timeout_s: float = 2) -> RedisSettings:
    return RedisSettings(url=SecretStr(url), timeout_s=timeout_s)


async def refusal(settings: RedisSettings) -> str:
    """The one line that connecting ends with."""
    with pytest.raises(StoreError) as caught:
        async with connect(settings, Path("/nowhere")):
            raise AssertionError("it connected")
    line = str(caught.value)
    assert "\n" not in line
    assert PASSWORD not in line
    return line


async def unless_unavailable(command: Awaitable[Any]) -> Any:
    """What a command gives, as the rooms of the store call it."""
    with converted():
        return await command


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@asynccontextmanager
async def tiny_server(answers: Mapping[bytes, bytes], *, mute: bool = False) -> AsyncIterator[int]:
    """A server of the Redis protocol that knows the commands in `answers`; yields its port."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        try:
            while header := await reader.readline():
                words = []
                for _ in range(int(header[1:])):
                    await reader.readline()
                    words.append((await reader.readline()).strip())
                if not mute:
                    unknown = b"-ERR unknown command '%b'\r\n" % words[0]
                    writer.write(answers.get(words[0].upper(), unknown))
        except ConnectionResetError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
        await server.wait_closed()
        await asyncio.sleep(0)


ALWAYS = {b"CLIENT": b"+OK\r\n", b"AUTH": b"+OK\r\n", b"PING": b"+PONG\r\n"}
"""What every server answers, however old."""

HELLO = {b"HELLO": b"%3\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n+modules\r\n*0\r\n"}
"""What servers answer from Redis 6 on."""


def info(text: str) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text.encode())


def of(version: str) -> dict[bytes, bytes]:
    """What a server of that version answers."""
    return {
        **ALWAYS,
        **(HELLO if version >= "6" else {}),
        b"INFO": info(f"# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n"),
    }


async def test_a_server_is_used_by_its_url(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path / "valkey") as url,
        connect(at(url), tmp_path / "unused") as client,
    ):
        await client.set("greeting", "hello")
        assert await client.get("greeting") == "hello"
    assert not (tmp_path / "unused").exists(), "no server of our own beside it"


async def test_a_server_by_url_is_left_running(tmp_path: Path) -> None:
    async with embedded_server(tmp_path / "valkey") as url:
        async with connect(at(url), tmp_path):
            pass
        async with connect(at(url), tmp_path) as client:
            assert await client.ping()


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    port = free_port()
    line = await refusal(at(f"redis://somebody:{PASSWORD}@127.0.0.1:{port}/3"))
    assert line.startswith(f"Redis at redis://127.0.0.1:{port}/3 cannot be reached: ")
    assert line.endswith("; is redis.url right, and the server running?")


async def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    line = await refusal(at(f"unix://{tmp_path}/none.sock?password={PASSWORD}"))
    assert line.startswith(f"Redis at unix://{tmp_path}/none.sock cannot be reached: ")


async def test_a_host_that_takes_no_connection_in_time_is_told() -> None:
    async with tiny_server({}, mute=True) as port:
        line = await refusal(at(f"redis://:{PASSWORD}@127.0.0.1:{port}", timeout_s=0.05))
    assert line.startswith(f"Redis at redis://127.0.0.1:{port} cannot be reached: ")


async def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    async with embedded_server(tmp_path / "valkey") as url:
        admin = Redis.from_url(url)
        await admin.config_set("requirepass", "another")
        try:
            line = await refusal(at(f"{url}?password={PASSWORD}"))
            assert line.startswith(f"Redis at {url} refuses the user or password: ")
            none = await refusal(at(url))
            assert none.startswith(f"Redis at {url} refuses the user or password: ")
            async with connect(at(f"{url}?password=another"), tmp_path) as client:
                assert await client.ping()
        finally:
            await admin.config_set("requirepass", "")
            await admin.aclose()


async def test_a_password_may_hold_any_sign_when_it_is_quoted(tmp_path: Path) -> None:
    password = "a/b@c:d%e?f#g"
    async with embedded_server(tmp_path / "valkey") as url:
        admin = Redis.from_url(url)
        await admin.config_set("requirepass", password)
        try:
            async with connect(at(f"{url}?password={quote(password)}"), tmp_path) as client:
                assert await client.ping()
        finally:
            await admin.config_set("requirepass", "")
            await admin.aclose()


@pytest.mark.parametrize("version", ["6.2.0", "6.9"])
async def test_a_server_that_is_too_old_is_told_with_its_version(version: str) -> None:
    async with tiny_server(of(version)) as port:
        line = await refusal(at(f"redis://:{PASSWORD}@127.0.0.1:{port}"))
    assert line == (
        f"Redis {version} at redis://127.0.0.1:{port} is too old: 7.0 or newer is needed"
    )


@pytest.mark.parametrize("version", ["5.0.14", "2.8"])
async def test_a_server_from_before_hello_is_told_to_be_too_old(version: str) -> None:
    async with tiny_server(of(version)) as port:
        line = await refusal(at(f"redis://:{PASSWORD}@127.0.0.1:{port}"))
    assert line.endswith("is too old: 7.0 or newer is needed")


@pytest.mark.parametrize("version", ["7.0.0", "7.2.5", "8.0.1", "8.10.0"])
async def test_a_server_that_is_new_enough_is_taken(version: str) -> None:
    async with (
        tiny_server(of(version)) as port,
        connect(at(f"redis://127.0.0.1:{port}"), Path("/nowhere")),
    ):
        pass


async def test_a_valkey_is_judged_by_its_own_version() -> None:
    """Valkey gives the last Redis version that it is compatible with beside its own."""
    text = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n"
    answers = {b"INFO": info(text), **ALWAYS, **HELLO}
    async with (
        tiny_server(answers) as port,
        connect(at(f"redis://127.0.0.1:{port}"), Path("/nowhere")),
    ):
        pass


async def test_a_server_that_refuses_the_command_is_told() -> None:
    async with tiny_server({**ALWAYS, **HELLO}) as port:
        line = await refusal(at(f"redis://127.0.0.1:{port}"))
    assert line.startswith(f"Redis at redis://127.0.0.1:{port} refuses us: ")


async def test_a_server_that_forbids_the_command_is_told() -> None:
    forbidden = b"-NOPERM User default has no permissions to run the 'info' command\r\n"
    async with tiny_server({b"INFO": forbidden, **ALWAYS, **HELLO}) as port:
        line = await refusal(at(f"redis://127.0.0.1:{port}"))
    assert line.startswith(f"Redis at redis://127.0.0.1:{port} refuses ")


async def test_something_that_is_no_redis_is_told() -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = await refusal(at(f"redis://127.0.0.1:{port}"))
    assert line.startswith(f"Redis at redis://127.0.0.1:{port} ")


async def test_a_version_that_is_no_number_is_told() -> None:
    async with tiny_server(of("unstable")) as port:
        line = await refusal(at(f"redis://127.0.0.1:{port}"))
    assert f"redis://127.0.0.1:{port}" in line


async def test_a_server_that_is_loading_its_data_is_told() -> None:
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    async with tiny_server({b"INFO": loading, **ALWAYS, **HELLO}) as port:
        line = await refusal(at(f"redis://127.0.0.1:{port}"))
    assert "loading the dataset" in line


async def test_a_server_that_goes_away_while_we_run_is_unavailable(tmp_path: Path) -> None:
    async with embedded_server(tmp_path / "valkey") as url, connect(at(url), tmp_path) as client:
        await unless_unavailable(client.set("greeting", "hello"))
        admin = Redis.from_url(url)
        await admin.shutdown(nosave=True)
        await admin.aclose()
        with pytest.raises(StoreUnavailable, match=r"^Redis does not answer: ") as caught:
            await unless_unavailable(client.get("greeting"))
        assert caught.value.__cause__ is not None


async def test_a_server_that_comes_back_is_used_again(tmp_path: Path) -> None:
    async with embedded_server(tmp_path / "valkey") as url, connect(at(url), tmp_path) as client:
        await client.set("greeting", "hello")
        admin = Redis.from_url(url)
        await admin.shutdown(nosave=True)
        await admin.aclose()
        async with embedded_server(tmp_path / "valkey"):
            assert await unless_unavailable(client.get("greeting")) == "hello"


async def test_a_server_that_hangs_is_unavailable_in_time() -> None:
    answers = {**of("7.0.0"), b"GET": b""}
    async with tiny_server(answers) as port:
        settings = at(f"redis://127.0.0.1:{port}", timeout_s=0.1)
        async with connect(settings, Path("/nowhere")) as client:
            hanging = asyncio.wait_for(client.get("greeting"), 3)
            with pytest.raises(StoreUnavailable):
                await unless_unavailable(hanging)


async def test_a_server_that_takes_no_writes_is_unavailable(client: "Redis") -> None:
    """A full disk, a full memory, a replica: the command may succeed later."""
    await client.config_set("maxmemory", "1")
    with pytest.raises(StoreUnavailable, match="maxmemory"), converted():
        await client.set("greeting", "hello")
    await client.config_set("maxmemory", "0")


async def test_many_commands_at_once_wait_for_their_connection(client: "Redis") -> None:
    await asyncio.gather(*(unless_unavailable(client.incr("count")) for _ in range(300)))
    assert await client.get("count") == "300"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host", "redis://host"),
        ("redis://:secret@host:6379/0", "redis://host:6379/0"),
        ("rediss://user:secret@host:6379/0", "rediss://host:6379/0"),
        ("redis://user:se%40cret@host", "redis://host"),
        ("redis://user:se@cret@host", "redis://host"),
        ("unix:///run/redis.sock?db=1&password=secret", "unix:///run/redis.sock"),
        ("redis://host/0?username=user&password=secret", "redis://host/0"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
