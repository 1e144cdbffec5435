"""Every call of Slack's Web API: within the budgets, repeated where that is safe.

Promises: no method is called more often than Slack's tiers allow, whoever calls; after a 429 nobody
calls that method before `Retry-After` is over; what may have been done is repeated only where doing
it twice is like doing it once. `chat.postMessage` is not: after an ambiguous failure it raises, and
the caller looks first whether the message is there.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.backoff import Backoff
from adapters.rates import Rate, tier
from adapters.slack.budget import Budget
from adapters.slack.errors import (
    NotSent,
    RateLimited,
    TokenRefused,
    code,
    converted,
)
from bot.errors import PlatformUnavailable, WorkspaceGone

log = structlog.get_logger()

HTTP_S: Final = 30
"""Seconds that one request may take."""
WAIT_S: Final = 60.0
"""Seconds after which a call makes no further attempt."""
TRIES: Final = 4
RETRY_S: Final = 0.5
RETRY_MAX_S: Final = 8.0

TIER_2, TIER_3, TIER_4 = tier(20), tier(50), tier(100)
UPDATES = tier(50, burst=10)
"""Calls a minute; of edits ten at once, for answers that end together: https://docs.slack.dev/apis/web-api/rate-limits"""


@dataclass(frozen=True, slots=True)
class Method:
    """How often a method may be called, and whether twice is like once.

    `by_channel`: each channel has the whole rate. `settled`: errors which say that what the call
    wants is so already.
    """

    rate: Rate
    repeatable: bool = True
    by_channel: bool = False
    settled: frozenset[str] = frozenset()


METHODS: Final[Mapping[str, Method]] = {
    # Not repeated here: the supervisor of the sockets has a rhythm of its own.
    "apps.connections.open": Method(TIER_3, repeatable=False),
    # A tier of its own, without a number; as often as edits can't be too often.
    "assistant.threads.setStatus": Method(UPDATES),
    "auth.test": Method(TIER_4),
    # About one a second in a channel, in short bursts: five in any five seconds.
    "chat.postMessage": Method(Rate(2, 1.25), repeatable=False, by_channel=True),
    "chat.postEphemeral": Method(TIER_4, repeatable=False),
    # What is appended twice stands there twice.
    "chat.appendStream": Method(tier(100, burst=10), repeatable=False),
    "chat.startStream": Method(tier(20, burst=4), repeatable=False),
    "chat.stopStream": Method(tier(20, burst=4), repeatable=False),
    "chat.update": Method(UPDATES),
    "chat.delete": Method(TIER_3, settled=frozenset({"message_not_found"})),
    "conversations.history": Method(TIER_3),
    "conversations.info": Method(TIER_3),
    "conversations.list": Method(TIER_2),
    "conversations.replies": Method(TIER_3),
    "files.getUploadURLExternal": Method(TIER_4),
    # What is completed twice is posted twice.
    "files.completeUploadExternal": Method(TIER_4, repeatable=False),
    # The code is good for one use.
    "oauth.v2.access": Method(TIER_4, repeatable=False),
    "reactions.add": Method(TIER_3, settled=frozenset({"already_reacted"})),
    "reactions.get": Method(TIER_3),
    "reactions.remove": Method(TIER_2, settled=frozenset({"no_reaction"})),
    "usergroups.list": Method(TIER_2),
    "users.conversations": Method(TIER_3),
    "users.info": Method(TIER_4),
    # The trigger is good for one use.
    "views.open": Method(TIER_4, repeatable=False),
}


def web_client(token: str | None, api_url: str, *, timeout_s: int = HTTP_S) -> AsyncWebClient:
    """The SDK's client, without its own repetitions.

    Its handler for broken connections repeats a post whose answer was lost, and so posts it twice;
    the one for 429 lets every caller run into the limit on his own.
    """
    return AsyncWebClient(
        token=token, base_url=api_url.rstrip("/") + "/", timeout=timeout_s, retry_handlers=[]
    )


class Calls:
    """The calls of one workspace."""

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        methods: Mapping[str, Method] = METHODS,
        wait_s: float = WAIT_S,
        called: str = "slack.bot_token",
        on_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`client` repeats nothing itself, see `web_client`.

        `called` is what logs call the token; `on_refused` is told Slack's word when Slack does
        not take that.
        """
        self.client = client
        self._methods = methods
        self._wait_s = wait_s
        self._budgets = {name: Budget(name, method.rate) for name, method in methods.items()}
        self._refused: set[str] = set()
        self._called = called
        self._on_refused = on_refused
        self._ended: str | None = None

    def end(self, reason: str) -> None:
        """Make no call any more: each raises WorkspaceGone with that reason."""
        self._ended = reason

    def is_free(self, method: str) -> bool:
        """Whether a call of `method` would go out now, and not wait."""
        return self._budgets[method].is_free()

    async def do(
        self, method: str, *, urgent: bool = False, wait_s: float | None = None, **arguments: Any
    ) -> Mapping[str, Any]:
        """Call `method` (such as "chat.update") and return Slack's answer.

        The answer is empty where what the call wants was so already. `urgent` goes before all
        others that wait; no attempt begins later than `wait_s` seconds from now.

        Raises PlatformUnavailable (in its kinds, see `adapters.slack.errors`), MessageGone, and
        SlackApiError for what only a change of our code or of the app's settings can cure;
        WorkspaceGone after `end`; ValueError for a method without a budget.
        """
        spec = self._methods.get(method)
        if spec is None:
            raise ValueError(f"no budget is known for {method}")
        loop = asyncio.get_running_loop()
        until = loop.time() + (self._wait_s if wait_s is None else wait_s)
        lane = str(arguments.get("channel", "")) if spec.by_channel else ""
        backoff = Backoff(RETRY_S, RETRY_MAX_S)
        while True:
            if self._ended is None:
                await self._budgets[method].enter(lane, urgent=urgent, until=until)
            if self._ended is not None:
                raise WorkspaceGone(self._ended)
            try:
                return await self._once(method, spec, arguments)
            except TokenRefused:
                raise
            except RateLimited as error:
                self._budgets[method].pause(error.pause_s)
                log.warning("Slack limits our calls", method=method, pause_s=error.pause_s)
            except PlatformUnavailable as error:
                pause_s = backoff.failed()
                safe = spec.repeatable or isinstance(error, NotSent)
                if not safe or backoff.failures == TRIES or loop.time() + pause_s > until:
                    raise
                log.info(
                    "call repeated", method=method, error=str(error), again_in_s=round(pause_s, 1)
                )
                await asyncio.sleep(pause_s)

    async def _once(
        self, method: str, spec: Method, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        token = "slack.app_token" if "app_token" in arguments else self._called
        try:
            async with converted():
                try:
                    answer = await getattr(self.client, method.replace(".", "_"))(**arguments)
                except SlackApiError as error:
                    if code(error) in spec.settled:
                        return {}
                    raise
        except TokenRefused as error:
            if token not in self._refused:
                self._refused.add(token)
                log.error("Slack refuses our token", setting=token, error=error.code)
            if token == self._called:
                self._on_refused(error.code)
                if self._ended is not None:
                    raise WorkspaceGone(self._ended) from error
            raise
        if token in self._refused:
            self._refused.discard(token)
            log.info("Slack takes our token again", setting=token)
        data: Mapping[str, Any] = answer.data
        return data
