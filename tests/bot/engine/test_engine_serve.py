"""The server's address, and its end."""

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.engine.serve import serve
from bot.errors import ConfigError, ModelError, PortInUse
from bot.model_settings import ServeSettings
from tests.bot.engine.support import CONTEXT, Serving

LONG: Any = {
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": CONTEXT - 100,
    "stream": True,
}


def unix(path: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://model", connector=aiohttp.UnixConnector(str(path)))


async def test_a_unix_socket_is_the_owner_s_alone_and_goes_at_the_end(
    serving: Serving, tmp_path: Path
) -> None:
    path = tmp_path / "model.sock"
    async with serving(socket=path) as address:
        assert address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with unix(path) as http, http.get("/v1/models") as response:
            assert response.status == 200
    assert not path.exists()


async def test_a_socket_that_a_killed_server_left_is_taken_over(
    serving: Serving, tmp_path: Path
) -> None:
    path = tmp_path / "model.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(socket=path), unix(path) as http, http.get("/health") as response:
        assert response.status == 200


async def test_an_address_in_use_is_named_with_its_setting(
    tiny: Path, serving: Serving, tmp_path: Path
) -> None:
    path = tmp_path / "model.sock"
    async with serving() as address, serving(socket=path):
        port = int(address.rpartition(":")[2])
        for changes, words in (
            ({"port": port}, rf"127\.0\.0\.1:{port} .*serve\.port"),
            ({"socket": path}, r"model\.sock .*serve\.socket"),
        ):
            settings: dict[str, Any] = {"model": str(tiny), **changes}
            with pytest.raises(PortInUse, match=words):
                await serve(ServeSettings(**settings), state_dir=tmp_path)


async def test_a_file_in_the_socket_s_place_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    with pytest.raises(ConfigError, match=r"serve\.socket"):
        await serve(ServeSettings(model=str(tiny), socket=path), state_dir=tmp_path)
    assert path.read_text() == "keep me"


async def test_an_open_address_needs_a_key(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"serve\.api_key"):
        await serve(
            ServeSettings(model=str(tiny), host="0.0.0.0", port=0),
            state_dir=tmp_path,
        )


async def test_a_model_that_is_missing_ends_the_server_and_frees_its_socket(
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.sock"
    settings = ServeSettings(model=str(tmp_path / "nowhere"), socket=path)
    with pytest.raises(ModelError, match="nowhere"):
        await serve(settings, state_dir=tmp_path)
    assert not path.exists()


async def test_sigterm_lets_short_answers_finish_and_breaks_long_ones_off(
    tiny: Path, tmp_path: Path
) -> None:
    settings = ServeSettings(model=str(tiny), port=0, threads=1)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(settings, state_dir=tmp_path, ready=address.set_result, drain_s=1.0)
    )
    async with aiohttp.ClientSession(await address) as http:
        short_body = LONG | {"max_tokens": 100}
        async with (
            http.post("/v1/chat/completions", json=short_body) as short,
            http.post("/v1/chat/completions", json=LONG) as long,
        ):
            await long.content.readline()
            os.kill(os.getpid(), signal.SIGTERM)
            short_text, long_text = await short.text(), await long.text()
            async with asyncio.timeout(10):
                await server
    assert short_text.endswith("data: [DONE]\n\n")
    assert '"finish_reason":"length"' in short_text
    assert '"code":"unavailable"' in long_text
    assert "[DONE]" not in long_text
