"""Fetching the files that came with questions, from a platform's own hosts and nowhere else.

Owns which addresses may be read, and who gets to see a token: addresses come from outside, and so
do redirections. Promises never to hold more than the bytes asked for.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
import yarl

from bot.domain import Attachment
from bot.errors import Unreadable

log = structlog.get_logger()

REDIRECTS: Final = 5
TRIES: Final = 3
PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 5.0
CONNECT_S: Final = 10.0
SILENCE_S: Final = 15.0
"""Seconds that a host may send nothing; whoever calls bounds the whole."""
PIECE: Final = 65_536

_MOVED: Final = frozenset({301, 302, 303, 307, 308})


class Hosts:
    """The addresses of one platform: those of its API, and those of its domains over HTTPS."""

    def __init__(self, api_url: str, *domains: str) -> None:
        """The domain of `api_url` is one of them, unless it is an address or a bare name."""
        self._api = yarl.URL(api_url).origin()
        own = self._api.host or ""
        self._domains = (*domains, own) if _is_domain(own) else domains

    def allow(self, url: yarl.URL) -> bool:
        """Whether an address is one of the platform's."""
        if not url.absolute or url.user or url.password:
            return False
        return url.origin() == self._api or (
            url.scheme == "https"
            and url.port == 443
            and any(_is_under(url.host or "", domain) for domain in self._domains)
        )


@dataclass(frozen=True, slots=True)
class Files:
    """Fetches files from `hosts`; those `trusted` are shown the `token`, if there is one."""

    hosts: Hosts
    trusted: Hosts | None = None
    token: str | None = None

    async def fetch(self, file: Attachment, most: int) -> bytes:
        """A file's content. Raises Unreadable, also for one of more than `most` bytes."""
        try:
            url = yarl.URL(file.url)
        except ValueError:
            url = yarl.URL()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        async with aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            for attempt in range(1, TRIES + 1):
                try:
                    return await self._follow(session, url, file, most)
                except _Later as later:
                    pause_s = later.retry_after_s or PAUSE_S * attempt
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    log.warning("file not fetched", file=file.id, error=repr(error))
                    pause_s = PAUSE_S * attempt
                if attempt == TRIES or pause_s > PAUSE_MAX_S:
                    break
                await asyncio.sleep(pause_s)
        raise Unreadable("unavailable")

    async def _follow(
        self, session: aiohttp.ClientSession, url: yarl.URL, file: Attachment, most: int
    ) -> bytes:
        for _ in range(REDIRECTS + 1):
            if not self.hosts.allow(url):
                log.warning("file at a foreign address", file=file.id, host=url.host)
                raise Unreadable("denied")
            headers = {}
            if self.token is not None and self.trusted is not None and self.trusted.allow(url):
                headers["Authorization"] = f"Bearer {self.token}"
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _MOVED:
                    return await _content(response, file, most)
                target = response.headers.get("Location", "")
            try:
                url = url.join(yarl.URL(target))
            except ValueError:
                raise Unreadable("denied") from None
        raise Unreadable("denied")


class _Later(Exception):
    """No error yet: the same request may do."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__("later")
        self.retry_after_s = retry_after_s


async def _content(response: aiohttp.ClientResponse, file: Attachment, most: int) -> bytes:
    if response.status == 429 or response.status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise _Later(float(wait) if wait.isascii() and wait.isdecimal() else None)
    if response.status in {404, 410}:
        raise Unreadable("gone")
    # Slack answers a token that may not read files with its page to sign in, and 200.
    is_page = response.content_type == "text/html" and "html" not in file.kind
    if response.status != 200 or is_page:
        log.warning("file refused", file=file.id, status=response.status)
        raise Unreadable("denied")
    if (response.content_length or 0) > most:
        raise Unreadable("size")
    data = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        data += piece
        if len(data) > most:
            raise Unreadable("size")
    return bytes(data)


def _is_domain(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    return False


def _is_under(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)
