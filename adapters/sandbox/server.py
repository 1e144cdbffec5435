"""The sandbox's one server: both loopback platforms, the control API and the page.

Owns the listening socket and the order of closing. It listens on a loopback address and on
nothing else, because whoever reaches it can act as any of its people.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from adapters.sandbox.changes import Changes
from adapters.sandbox.control import HEARTBEAT_S, Control
from adapters.sandbox.people import handles
from adapters.sandbox.platform import Platform

DEFAULT_PORT = 8765
CLOSE_TIMEOUT_S = 0.5
"""How long requests under way may take to end; aiohttp's own default is a minute."""

_PAGE = Path(__file__).parent / "page"
_CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    # Trusted types let the browser itself refuse any innerHTML.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'; require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Sandbox:
    """Loopback platforms behind one address; an asynchronous context manager.

    Raises ValueError for a host that is no loopback address, a platform named twice, or one that
    has other people than the sandbox. `port` 0 takes a free one. A sandbox starts once, and takes
    its platforms with it when it closes.
    """

    def __init__(
        self,
        *,
        platforms: Sequence[Platform],
        people: tuple[str, ...] = handles(),
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._host = _loopback(host)
        self._port = port
        self._platforms: dict[str, Platform] = {each.name: each for each in platforms}
        if len(self._platforms) != len(platforms):
            raise ValueError("platforms: each may be there once")
        if any(each.people != people for each in platforms):
            raise ValueError("people: the platforms have others")
        self._people = people
        self._changes = Changes()
        self._runner = web.AppRunner(
            self._app(heartbeat_s), access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S
        )
        # Runs from the last to the first, each though another failed, and each once.
        self._closing = AsyncExitStack()
        self._closing.push_async_callback(self._runner.cleanup)
        for platform in platforms:
            self._closing.push_async_callback(platform.close)
            unsubscribe = platform.subscribe(partial(self._changes.notify, platform.name))
            self._closing.callback(unsubscribe)
        self._closing.callback(self._changes.close)
        self._closing.push_async_callback(self._stop_listening)
        self._url: str | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; raises RuntimeError before the sandbox has started."""
        if self._url is None:
            raise RuntimeError("the sandbox has no address before it has started")
        return self._url

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken (EADDRINUSE), and is closed then."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            await self._runner.setup()
            # Bound here, so that the address is known before the first request can come.
            listening = socket.create_server((self._host, self._port), family=family)
            port = listening.getsockname()[1]
            name = f"[{self._host}]" if family == socket.AF_INET6 else self._host
            self._url = f"http://{name}:{port}"
            await web.SockSite(self._runner, listening).start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Take no new connection, end every one that is open, and close the platforms.

        Safe to call again.
        """
        await self._closing.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _stop_listening(self) -> None:
        for site in tuple(self._runner.sites):
            await site.stop()

    def _app(self, heartbeat_s: float) -> web.Application:
        app = web.Application()
        for platform in self._platforms.values():
            platform.attach(app, lambda: self.url)
        control = Control(
            self._platforms,
            people=self._people,
            changes=self._changes,
            base_url=lambda: self.url,
            heartbeat_s=heartbeat_s,
        )
        app.add_subapp("/control", control.app())
        for path in sorted(_PAGE.iterdir()):
            if path.suffix in _CONTENT_TYPES:
                where = "/" if path.name == "index.html" else f"/page/{path.name}"
                app.router.add_get(where, _page_file(path))
        return app


def _loopback(host: str) -> str:
    """`host` as a loopback IP address; raises ValueError for any other."""
    # The name stands for two addresses, and port 0 would give each a port of its own.
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ValueError(f"sandbox host: {host!r} is refused; allowed: 127.0.0.1, ::1, localhost")
    return str(address)


def _page_file(path: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that answers with the file as it is now; the page is small and read once."""
    body = path.read_bytes()
    content_type = _CONTENT_TYPES[path.suffix]

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(
            body=body, content_type=content_type, charset="utf-8", headers=_PAGE_HEADERS
        )

    return handle
