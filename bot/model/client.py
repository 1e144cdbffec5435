"""The client itself: a question in, an answer's deltas out.

Puts together the connection, what the server can do, and its stream; owns what is sent and how
long an answer may take.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final, Self

import aiohttp

from bot.domain import Sampling
from bot.errors import ModelError, ModelUnavailable
from bot.model.abilities import Abilities, Served
from bot.model.chat import Delta, Message
from bot.model.connection import CONNECT_S, Connection
from bot.model.events import deltas_of

TIMEOUT_HEADER: Final = "X-Request-Timeout"
"""Seconds after which `candor serve` ends an answer as it stands; others pass over it."""

GRACE_S: Final = 5.0
"""Beyond an answer's time, in which a server may say that it ended it."""


class Model:
    """A client of one server. Use it as an async context manager."""

    def __init__(
        self,
        url: str,
        *,
        socket: Path | None = None,
        api_key: str | None = None,
        name: str | None = None,
        timeout_s: float = 120,
        answer_s: float = 600,
    ) -> None:
        """`url` ends in /v1; with `socket`, its host is only a name.

        A server that says nothing for `timeout_s` is given up; one that knows `TIMEOUT_HEADER` ends
        an answer after `answer_s`, and with any other it is broken off a little later.
        """
        self._connection = Connection(url, socket=socket, api_key=api_key)
        self._abilities = Abilities(self._connection, name)
        self._timeout_s, self._answer_s = timeout_s, answer_s

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._connection.__aexit__(*exc)

    async def healthy(self) -> bool:
        """Whether the server answers now."""
        try:
            await self.served(fresh=True)
        except (ModelUnavailable, ModelError):
            return False
        return True

    async def served(self, *, fresh: bool = False) -> Served:
        """The model asked for, or the server's first. Raises ModelUnavailable, ModelError."""
        return await self._abilities.served(fresh=fresh)

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt, template included; an estimate where the server cannot count.

        Raises ModelUnavailable, ModelError.
        """
        return await self._abilities.count_tokens(messages)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, user: str, begun: str = ""
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it grows; exactly one delta, the last, has `finish`.

        Closing the generator closes the connection, which stops the server's work. Raises
        ModelUnavailable when the server is not there or breaks off, TooLong, Busy, ModelError.
        """
        served = await self.served()
        body = {
            "model": served.name,
            "messages": list(messages),
            "stream": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "user": user,
        }
        with self._connection.converted():
            async with (
                self._answered(body, _penalties(sampling)) as response,
                aclosing(deltas_of(response.content)) as deltas,
            ):
                async for delta in deltas:
                    yield delta
                    if delta.finish:
                        return
        raise ModelUnavailable("the model's server broke off in the middle of an answer")

    @asynccontextmanager
    async def _answered(
        self, body: dict[str, object], optional: dict[str, float]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a question; asked again without those `optional` fields that the server
        refuses by name, which are left out from then on."""
        connection, abilities = self._connection, self._abilities
        # A server that sends comments while an answer waits is never silent: only `total` ends it.
        timeout = aiohttp.ClientTimeout(
            total=self._answer_s + GRACE_S, sock_connect=CONNECT_S, sock_read=self._timeout_s
        )
        headers = {TIMEOUT_HEADER: f"{self._answer_s:g}"}
        while True:
            sent = abilities.known(optional)
            async with connection.asked(body | sent, timeout=timeout, headers=headers) as response:
                if response.status == 200:
                    yield response
                    return
                raw = await response.read()
            named = {name for name in sent if name.encode() in raw}
            if response.status == 404:
                abilities.forget_served()
            if response.status not in {400, 422} or not named:
                raise connection.refusal(response.status, raw)
            abilities.refuse(named)


def _penalties(sampling: Sampling) -> dict[str, float]:
    """The penalties, whose names not every server knows.

    OpenAI has no `repetition_penalty`, and some of its models no `frequency_penalty`.
    """
    asked = {"frequency_penalty": sampling.frequency_penalty}
    if sampling.repetition_penalty != 1:
        asked["repetition_penalty"] = sampling.repetition_penalty
    return asked
