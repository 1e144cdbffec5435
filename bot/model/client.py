"""The client itself: a question in, an answer's deltas out.

Puts together the connection, what the server can do, and its stream; owns what is sent and how
long an answer may take.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import aiohttp
import structlog

from bot.domain import Sampling
from bot.errors import ModelError, ModelUnavailable, TooLong
from bot.model.abilities import Abilities, Served
from bot.model.chat import Delta, Message, in_parts
from bot.model.connection import CONNECT_S, Connection
from bot.model.events import deltas_of

log = structlog.get_logger(__name__)

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

    async def count_begun(self, text: str) -> int:
        """Tokens of the beginning of an answer; where the server cannot count, fewer than it has.

        Raises ModelUnavailable, ModelError.
        """
        return await self._abilities.count_begun(text)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, user: str, begun: str = ""
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it grows; exactly one delta, the last, has `finish`.

        With `begun`, the answer's own beginning, go on after it and yield only what is new: nothing
        but the end where it was whole. Of `sampling.max_tokens`, what `begun` takes is gone. The
        first delta is `Delta(restart=True)` where the server refuses to go on: then the others are
        a new answer. A server that passes over the fields that ask for it (`docs/api.md` names
        some) cannot be told from one that goes on.

        Closing the generator closes the connection, which stops the server's work. Raises
        ModelUnavailable when the server is not there or breaks off, TooLong, Busy, ModelError.
        """
        served = await self.served()
        # A model begins most words with their space: after one it would write another word than
        # it meant to, or a second space. Templates trim it, and some servers refuse it.
        half = begun.rstrip()
        left = sampling.max_tokens
        if half:
            left -= await self._abilities.count_begun(half)
        if left <= 0:
            yield Delta(finish="length")
            return
        body: dict[str, object] = {
            "model": served.name,
            "messages": in_parts(messages),
            "stream": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "user": user,
        }
        seam = begun[len(half) :]
        with self._connection.converted():
            async with (
                self._answered(body, _penalties(sampling), _continued(messages, half, left)) as (
                    response,
                    goes_on,
                ),
                aclosing(deltas_of(response.content)) as deltas,
            ):
                if half and not goes_on:
                    yield Delta(restart=True)
                    seam = ""
                async for delta in deltas:
                    text, seam = _joined(seam, delta.text)
                    if text or delta.finish:
                        yield replace(delta, text=text)
                    if delta.finish:
                        return
        raise ModelUnavailable("the model's server broke off in the middle of an answer")

    @asynccontextmanager
    async def _answered(
        self,
        body: dict[str, object],
        optional: dict[str, float],
        continued: dict[str, object],
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, bool]]:
        """The response to a question, and whether the answer goes on as the fields `continued` say.

        Asked again without those `optional` fields that the server refuses by name, which are left
        out from then on; and without `continued`, where it refuses that in any words.
        """
        connection, abilities = self._connection, self._abilities
        # A server that sends comments while an answer waits is never silent: only `total` ends it.
        timeout = aiohttp.ClientTimeout(
            total=self._answer_s + GRACE_S, sock_connect=CONNECT_S, sock_read=self._timeout_s
        )
        headers = {TIMEOUT_HEADER: f"{self._answer_s:g}"}
        while True:
            sent = abilities.known(optional)
            asked = body | sent | continued
            async with connection.asked(asked, timeout=timeout, headers=headers) as response:
                if response.status == 200:
                    yield response, bool(continued)
                    return
                raw = await response.read()
            if response.status == 404:
                abilities.forget_served()
            refusal = connection.refusal(response.status, raw)
            if response.status not in {400, 422} or isinstance(refusal, TooLong):
                raise refusal
            named = {name for name in sent if name.encode() in raw}
            if continued and (not named or b"continue_final_message" in raw):
                log.warning("model.cannot_continue", url=connection.url, error=str(refusal))
                continued = {}
            elif named:
                abilities.refuse(named)
            else:
                raise refusal


def _penalties(sampling: Sampling) -> dict[str, float]:
    """The penalties, whose names not every server knows.

    OpenAI has no `repetition_penalty`, and some of its models no `frequency_penalty`.
    """
    asked = {"frequency_penalty": sampling.frequency_penalty}
    if sampling.repetition_penalty != 1:
        asked["repetition_penalty"] = sampling.repetition_penalty
    return asked


def _continued(messages: Sequence[Message], half: str, left: int) -> dict[str, object]:
    """The fields that ask a server to go on with half an answer, in vLLM's words."""
    if not half:
        return {}
    return {
        "messages": [*in_parts(messages), {"role": "assistant", "content": half}],
        "continue_final_message": True,
        "add_generation_prompt": False,
        "max_tokens": left,
    }


def _joined(seam: str, text: str) -> tuple[str, str]:
    """What of `text` is new after the spaces `seam`, and what of these may still come again."""
    differing = (at for at, (a, b) in enumerate(zip(seam, text, strict=False)) if a != b)
    num_same = next(differing, min(len(seam), len(text)))
    return text[num_same:], seam[num_same:] if num_same == len(text) else ""
