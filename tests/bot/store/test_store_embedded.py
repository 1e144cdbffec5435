"""The embedded server: shared, durable, taken over, and its troubles as one line."""

import asyncio
import os
import signal
import stat
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.errors import StoreError
from bot.settings import RedisSettings
from bot.socket_path import LONGEST, socket_path
from bot.store.connection import connect
from bot.store.embedded import embedded_server
from tests.waiting import until

USER = """
import asyncio, sys
from pathlib import Path
from bot.settings import RedisSettings
from bot.store.connection import connect

async def main():
    async with connect(RedisSettings(), Path(sys.argv[1])) as client:
        await client.rpush("who", sys.argv[2])
        print("connected", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""
"""Another candor, as far as the store is concerned."""


async def another_user(state_dir: Path, name: str) -> asyncio.subprocess.Process:
    """A process of its own that uses the server, connected when this returns."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, state_dir, name, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"connected\n"
    return process


async def killed(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


def server_pid(state_dir: Path) -> int:
    return int((state_dir / "valkey" / "valkey.pid").read_text("ascii"))


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


async def test_the_server_starts_and_stops_with_its_only_user(tmp_path: Path) -> None:
    async with connect(RedisSettings(), tmp_path) as client:
        await client.set("greeting", "hello")
        assert await client.get("greeting") == "hello"
        pid = server_pid(tmp_path)
        assert runs(pid)
    await until(lambda: not runs(pid))


async def test_data_outlives_the_server(tmp_path: Path) -> None:
    async with connect(RedisSettings(), tmp_path) as client:
        await client.set("greeting", "hello")
    async with connect(RedisSettings(), tmp_path) as client:
        assert await client.get("greeting") == "hello"


async def test_a_write_that_was_acknowledged_outlives_a_server_that_is_killed(
    tmp_path: Path,
) -> None:
    async with connect(RedisSettings(), tmp_path) as client:
        await client.set("greeting", "hello")
        pid = server_pid(tmp_path)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not runs(pid))
    async with connect(RedisSettings(), tmp_path) as client:
        assert await client.get("greeting") == "hello"


async def test_two_users_share_one_server_and_the_last_one_stops_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as first:
        one = await first.enter_async_context(connect(RedisSettings(), tmp_path))
        async with connect(RedisSettings(), tmp_path) as two:
            pid = server_pid(tmp_path)
            await first.aclose()
            assert runs(pid)
            await two.set("greeting", "hello")
            assert await two.get("greeting") == "hello"
        assert one is not two
    await until(lambda: not runs(pid))


async def test_many_users_that_come_at_once_start_one_server(tmp_path: Path) -> None:
    async def use(number: int) -> int:
        async with connect(RedisSettings(), tmp_path) as client:
            await client.rpush("numbers", number)
            await everyone.wait()
            return server_pid(tmp_path)

    everyone = asyncio.Barrier(6)
    pids = await asyncio.gather(*(use(number) for number in range(6)))
    assert len(set(pids)) == 1
    async with connect(RedisSettings(), tmp_path) as client:
        assert sorted(await client.lrange("numbers", 0, -1)) == list("012345")


async def test_a_user_in_another_process_keeps_the_server_running(tmp_path: Path) -> None:
    other = await another_user(tmp_path, "other")
    try:
        async with connect(RedisSettings(), tmp_path) as client:
            assert await client.lrange("who", 0, -1) == ["other"]
            pid = server_pid(tmp_path)
        assert runs(pid)
    finally:
        await killed(other)
    assert runs(pid), "the one that was killed could not stop it"
    async with connect(RedisSettings(), tmp_path) as client:
        assert server_pid(tmp_path) == pid, "taken over, not started again"
        assert await client.lrange("who", 0, -1) == ["other"]
    await until(lambda: not runs(pid))


async def test_a_server_that_ctrl_c_does_not_reach_runs_in_a_session_of_its_own(
    tmp_path: Path,
) -> None:
    async with connect(RedisSettings(), tmp_path):
        assert os.getsid(server_pid(tmp_path)) != os.getsid(0)


async def test_only_the_owner_may_open_the_directory_and_the_socket(tmp_path: Path) -> None:
    async with embedded_server(tmp_path / "valkey") as url:
        socket = Path(url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "valkey").stat().st_mode) == 0o700


async def test_the_server_listens_on_no_port(tmp_path: Path) -> None:
    async with connect(RedisSettings(), tmp_path) as client:
        assert (await client.config_get("port"))["port"] == "0"
        assert (await client.config_get("appendonly"))["appendonly"] == "yes"


@pytest.mark.parametrize(
    "name", ["with space", 'with "quotes"', "with \\ and #", "100%25?", "ümläut"]
)
async def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    async with connect(RedisSettings(), tmp_path / name) as client:
        assert await client.ping()
    assert (tmp_path / name / "valkey" / "appendonlydir").is_dir()


async def test_a_long_path_of_the_state_directory_works(tmp_path: Path) -> None:
    state_dir = tmp_path / ("long" * 20) / ("path" * 20)
    directory = state_dir / "valkey"
    assert len(os.fsencode(directory / "valkey.sock")) > LONGEST
    async with connect(RedisSettings(), state_dir) as client:
        await client.set("greeting", "hello")
        async with connect(RedisSettings(), state_dir) as other:
            assert await other.get("greeting") == "hello"
    short = socket_path(directory, "valkey.sock")
    assert len(os.fsencode(short)) <= LONGEST
    short.unlink(missing_ok=True)
    short.parent.rmdir()


async def test_a_file_in_place_of_the_state_directory_is_told_in_one_line(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    state_dir.write_text("no directory", "utf-8")
    with pytest.raises(StoreError, match=r"^\S+/state/valkey cannot be written: Not a directory$"):
        async with connect(RedisSettings(), state_dir):
            raise AssertionError("it connected")


async def test_a_file_in_place_of_the_server_s_directory_is_told_in_one_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "valkey").write_text("no directory", "utf-8")
    with pytest.raises(StoreError, match=r"^\S+/valkey cannot be written: "):
        async with connect(RedisSettings(), tmp_path):
            raise AssertionError("it connected")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match=r"cannot be written: Permission denied$"):
            async with connect(RedisSettings(), tmp_path):
                raise AssertionError("it connected")
    finally:
        tmp_path.chmod(0o700)


async def test_a_directory_that_takes_no_new_file_is_told_in_one_line(tmp_path: Path) -> None:
    """On Linux /proc takes no new directory, whoever asks."""
    with pytest.raises(StoreError, match=r"^/proc/candor/valkey cannot be written: \S"):
        async with connect(RedisSettings(), Path("/proc/candor")):
            raise AssertionError("it connected")


async def test_a_server_that_cannot_read_its_data_is_told_in_one_line(tmp_path: Path) -> None:
    async with connect(RedisSettings(), tmp_path) as client:
        await client.set("greeting", "hello")
    data = tmp_path / "valkey" / "appendonlydir"
    for file in data.glob("*.aof"):
        file.write_bytes(b"what no server can read")
    with pytest.raises(StoreError, match=r"^the embedded Valkey does not start: .*valkey\.log"):
        async with connect(RedisSettings(), tmp_path):
            raise AssertionError("it connected")


async def test_after_a_failed_start_the_next_one_is_tried_anew(tmp_path: Path) -> None:
    data = tmp_path / "valkey" / "appendonlydir"
    data.parent.mkdir()
    data.write_text("a file where the server wants a directory", "utf-8")
    with pytest.raises(StoreError, match="the embedded Valkey does not start: "):
        async with connect(RedisSettings(), tmp_path):
            raise AssertionError("it connected")
    data.unlink()
    async with connect(RedisSettings(), tmp_path) as client:
        assert await client.ping()


async def test_a_socket_that_a_killed_server_left_is_no_obstacle(tmp_path: Path) -> None:
    async with connect(RedisSettings(), tmp_path):
        pid = server_pid(tmp_path)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not runs(pid))
        assert (tmp_path / "valkey" / "valkey.sock").is_socket()
    async with connect(RedisSettings(), tmp_path) as client:
        assert await client.ping()
        assert server_pid(tmp_path) != pid


async def test_a_user_that_fails_inside_still_stops_the_server(tmp_path: Path) -> None:
    pid = 0
    with suppress(KeyError):
        async with connect(RedisSettings(), tmp_path):
            pid = server_pid(tmp_path)
            raise KeyError("what went wrong inside")
    await until(lambda: not runs(pid))


async def test_a_cancelled_user_stops_the_server(tmp_path: Path) -> None:
    connected = asyncio.Event()

    async def use() -> None:
        async with connect(RedisSettings(), tmp_path):
            connected.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await connected.wait()
    pid = server_pid(tmp_path)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: not runs(pid))


async def test_two_directories_have_two_servers(tmp_path: Path) -> None:
    async with (
        connect(RedisSettings(), tmp_path / "one") as one,
        connect(RedisSettings(), tmp_path / "two") as two,
    ):
        await one.set("greeting", "hello")
        assert await two.get("greeting") is None
        assert isinstance(one, Redis)
