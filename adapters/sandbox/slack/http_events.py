"""Events and what people do over HTTP: signed POSTs to the app's Request URL, and the handshake
that proves the URL. Both go to one URL, as bolt has it.

The Request URL must be on loopback; redirects are not followed, since they could lead elsewhere.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal
from urllib.parse import urlencode, urlsplit

import aiohttp

from adapters.sandbox.slack.delivery import Answer, AskKind, Attempt, Outcome
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.settings import Knobs

_KNOCK_EVERY_S = 0.25
_MAX_CHALLENGE_BYTES = 4_096
_MAX_ANSWER_BYTES = 1024 * 1024
_FORM = "application/x-www-form-urlencoded"


def sign(signing_secret: str, timestamp: int, body: bytes) -> str:
    """The value of `X-Slack-Signature` for a body sent at `timestamp` (Unix seconds)."""
    base = b"v0:%d:%s" % (timestamp, body)
    return "v0=" + hmac.new(signing_secret.encode(), base, hashlib.sha256).hexdigest()


def checked_url(url: str) -> str:
    """`url` when it leads to loopback over plain HTTP; raises ValueError otherwise."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if parts.scheme != "http" or not is_loopback:
        raise ValueError("the events URL must be an http URL on loopback")
    return url


class HttpEvents:
    """Sends events to `url`; a Transport. `changed` is told when the app begins to answer."""

    name: Literal["socket", "http"] = "http"
    no_ack = "http_timeout"

    def __init__(self, signing_secret: str, knobs: Knobs, changed: Callable[[], None]) -> None:
        self.url: str | None = None
        self._signing_secret = signing_secret
        self._knobs = knobs
        self._changed = changed
        self._session: aiohttp.ClientSession | None = None
        self._knocking: asyncio.Task[None] | None = None
        self.is_answering = False

    def start(self) -> None:
        """Knock at the URL, if there is one, until it passes the handshake.

        Needs a running loop.
        """
        if self.url is not None and (self._knocking is None or self._knocking.done()):
            self._knocking = asyncio.get_running_loop().create_task(self._knock())

    async def close(self) -> None:
        """Stop knocking and close the connections."""
        self.url = None
        if self._knocking is not None:
            self._knocking.cancel()
            await asyncio.gather(self._knocking, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def set_url(self, url: str | None) -> None:
        """Name the Request URL, or with None none; raises ValueError unless it is on loopback."""
        self.url = None if url is None else checked_url(url)
        self._set_answering(False)

    async def verify(self) -> bool:
        """Whether the URL answers a signed `url_verification` with its challenge."""
        if self.url is None:
            return False
        challenge = secrets.token_urlsafe(24)
        body = {"type": "url_verification", "challenge": challenge}
        try:
            async with self._post(self.url, body, {}) as response:
                answer = await response.content.read(_MAX_CHALLENGE_BYTES)
                return response.ok and challenge in answer.decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def send(self, attempt: Attempt) -> Outcome:
        """POST an event; any 2xx within the time limit is its acknowledgement."""
        if self.url is None:
            return Outcome("connection_failed")
        headers = {}
        if attempt.number:
            headers["X-Slack-Retry-Num"] = str(attempt.number)
            headers["X-Slack-Retry-Reason"] = attempt.reason or "unknown_error"
        url = self.url
        outcome = await self._outcome(url, attempt.body, headers)
        if url == self.url:
            self._set_answering(outcome.failure not in ("connection_failed", "http_timeout"))
            if not self.is_answering:
                self.start()
        return outcome

    async def ask(self, kind: AskKind, payload: Json) -> Answer:
        """POST a person's act as a form; its acknowledgement is a 200, what is in it the answer."""
        if self.url is None:
            return Answer(failure="dispatch_failed")
        fields = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        try:
            async with self._post_body(self.url, urlencode(fields).encode(), _FORM) as response:
                text = (await response.content.read(_MAX_ANSWER_BYTES)).decode("utf-8", "replace")
                if not response.ok:
                    return Answer(failure="dispatch_failed")
        except TimeoutError:
            return Answer(failure="operation_timeout")
        except aiohttp.ClientError:
            return Answer(failure="dispatch_failed")
        return Answer(_answered(text))

    async def _outcome(self, url: str, body: Json, headers: dict[str, str]) -> Outcome:
        try:
            async with self._post(url, body, headers) as response:
                if response.status < 300:
                    return Outcome()
                failure = "too_many_redirects" if response.status < 400 else "http_error"
                return Outcome(failure, repeat=response.headers.get("X-Slack-No-Retry") != "1")
        except TimeoutError:
            return Outcome("http_timeout")
        except aiohttp.ClientSSLError:
            return Outcome("ssl_error")
        except aiohttp.ClientConnectionError:
            return Outcome("connection_failed")
        except aiohttp.ClientError:
            return Outcome("unknown_error")

    def _post(
        self, url: str, body: Json, headers: dict[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._post_body(url, json.dumps(body).encode(), "application/json", headers)

    def _post_body(
        self, url: str, encoded: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        timestamp = int(self._knobs.clock())
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        return self._session.post(
            url,
            data=encoded,
            headers={
                "Content-Type": kind,
                "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
                "X-Slack-Request-Timestamp": str(timestamp),
                "X-Slack-Signature": sign(self._signing_secret, timestamp, encoded),
                **(headers or {}),
            },
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=self._knobs.scaled_ack_timeout),
        )

    async def _knock(self) -> None:
        while (url := self.url) is not None:
            if await self.verify() and url == self.url:
                self._set_answering(True)
                return
            await asyncio.sleep(_KNOCK_EVERY_S)

    def _set_answering(self, answering: bool) -> None:
        if self.is_answering != answering:
            self.is_answering = answering
            self._changed()


def _answered(text: str) -> Json | None:
    """What an acknowledgement carries: a JSON object, or a text for the person; None for none."""
    if not text.strip():
        return None
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"text": text}
