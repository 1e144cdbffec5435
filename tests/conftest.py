"""What all tests share: a clean environment, no way out of the machine, and a real Valkey."""

import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.settings import RedisSettings
from bot.store.connection import connect
from tests.environment import cleaned


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no proxy of whoever runs the tests reaches them."""
    cleaned(monkeypatch)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but this machine is an error."""
    connect_anywhere = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test connects to {address}")
        connect_anywhere(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator["Redis"]:
    """A client of a real, empty Valkey."""
    async with connect(RedisSettings(), tmp_path / "state") as connected:
        yield connected


@pytest.fixture(scope="session")
def default_model_dir(pytestconfig: pytest.Config) -> Path:
    """The directory of the real default model, unpacked once and kept between runs."""
    from tests.real_model import converted_default_model  # imports torch

    return converted_default_model(pytestconfig.rootpath / ".pytest_cache" / "candor-models")
