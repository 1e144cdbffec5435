"""Questions that come by a command or a message's menu: said for all to see, then taken in.

Once the echo stands there, nothing is lost: whoever reads it back takes the question from it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters import wording
from adapters.interaction import Said
from adapters.slack.calls import Calls
from adapters.slack.echo import QUOTE_CHARS, TEXT_CHARS, Asked, echo, question
from adapters.slack.errors import code
from adapters.slack.forms import About, Where
from adapters.slack.profiles import Profiles
from adapters.slack.translate import plain
from bot.domain import Incoming, MessageRef, Quote
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

WAIT_S: Final = 20.0
"""Seconds that an echo may wait for its turn in a busy channel."""


class Asking:
    """The questions of one workspace; `take` takes a question in."""

    def __init__(
        self,
        calls: Calls,
        profiles: Profiles,
        *,
        team: str,
        me: str,
        take: Callable[[Incoming], Awaitable[None]],
    ) -> None:
        self._calls = calls
        self._profiles = profiles
        self._team = team
        self._me = me
        self._take = take

    async def ask(self, where: Where, text: str, *, name: str, is_outside: bool) -> Said | None:
        """Ask what somebody typed after `/ask`; a line for them when that cannot be.

        `name` is what the person is called, should Slack not say so; `is_outside` tells whether
        they belong to another organisation. Raises StoreUnavailable.
        """
        text = plain(text, self._me)
        if not text:
            return Said(wording.NOTHING_ASKED)
        if len(text) > TEXT_CHARS:
            return Said(wording.TOO_LONG)
        called = await self._name(where.user, name)
        asked = Asked(where.user, called, text, is_outside=is_outside)
        return await self._echo(asked, where, thread="")

    async def ask_about(
        self, about: About, text: str, *, name: str, is_outside: bool
    ) -> Said | None:
        """Ask about a message, in its thread; a line for the person when that cannot be.

        Raises StoreUnavailable.
        """
        where = about.where
        try:
            message = await self._message(about)
        except (MessageGone, SlackApiError) as error:
            log.info("message not asked about", channel=where.channel, error=_why(error))
            return Said(wording.INVITE_ME if _is_away(error) else wording.MESSAGE_GONE)
        except PlatformUnavailable as error:
            log.warning("message not asked about", channel=where.channel, error=str(error))
            return Said(wording.NOT_NOW)
        asked = Asked(
            where.user,
            await self._name(where.user, name),
            text[:TEXT_CHARS] or wording.ABOUT_THIS,
            await self._quote(message),
            is_outside,
        )
        # In a channel the echo stands under the message; a direct message's top level stays one.
        is_dm = where.channel.startswith("D")
        return await self._echo(
            asked, where, thread=where.thread or ("" if is_dm else about.message)
        )

    async def _echo(self, asked: Asked, where: Where, *, thread: str) -> Said | None:
        try:
            answer = await self._calls.do(
                "chat.postMessage",
                urgent=True,
                wait_s=WAIT_S,
                channel=where.channel,
                thread_ts=thread or None,
                **echo(asked, shows_quote=not thread),
            )
        except MessageGone as error:
            log.info("question not echoed", channel=where.channel, error=str(error))
            return Said(wording.INVITE_ME)
        except PlatformUnavailable as error:
            # It may stand there all the same, and is a question then: its event tells.
            log.warning("question not echoed", channel=where.channel, error=str(error))
            return Said(wording.NOT_NOW)
        ref = MessageRef("slack", self._team, where.channel, str(answer.get("ts") or ""))
        if not ref.message:
            return Said(wording.FAILED)
        await self._take(question(asked, ref, thread=thread or None))
        return None

    async def _message(self, about: About) -> Mapping[str, Any]:
        """The message that is asked about. Raises MessageGone when it is not there."""
        answer = await self._calls.do(
            "conversations.replies",
            channel=about.where.channel,
            ts=about.where.thread or about.message,
            oldest=about.message,
            latest=about.message,
            inclusive=True,
            limit=2,
        )
        for message in answer.get("messages") or ():
            if isinstance(message, Mapping) and message.get("ts") == about.message:
                return message
        raise MessageGone("Slack: message_not_found")

    async def _quote(self, message: Mapping[str, Any]) -> Quote | None:
        text = plain(str(message.get("text") or ""), self._me)
        if not text:
            return None
        if len(text) > QUOTE_CHARS:
            text = text[: QUOTE_CHARS - 1] + "…"
        profile = message.get("bot_profile")
        bot = str(profile.get("name") or "") if isinstance(profile, Mapping) else ""
        user = str(message.get("user") or "")
        fallback = bot or str(message.get("username") or "") or user or "?"
        return Quote(bot or await self._name(user, fallback), text)

    async def _name(self, user: str, fallback: str) -> str:
        profile = await self._profiles.of(user) if user else None
        return profile.name if profile is not None else fallback


def _is_away(error: Exception) -> bool:
    return any(word in _why(error) for word in ("not_in_channel", "channel_not_found"))


def _why(error: Exception) -> str:
    return code(error) if isinstance(error, SlackApiError) else str(error)
