"""What people press, type and fill in on Slack: to the desk, or to a question.

Slack sends each once and wants its acknowledgement within 3 s. So it is acknowledged when its
effect is durable, and after `ACK_S` in any case; what is told the person then follows on its own.
Every act runs in a task of ours, and all end with `close`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import structlog
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError

from adapters import commands_text, wording
from adapters.interaction import Command, Desk, Form, Press, Said, form_of, pressed
from adapters.slack.asking import Asking
from adapters.slack.echo import ASK
from adapters.slack.errors import code
from adapters.slack.forms import BLOCK, About, Where, ask_view, reason_view, typed, where_of
from adapters.slack.team import Team
from adapters.slack.teams import Teams, team_id_of
from adapters.slack.translate import outside, plain
from adapters.slack.whispers import Whispers
from bot.domain import Conversation, Incoming, Person, Standing
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable

log = structlog.get_logger()

ACK_S: Final = 2.0
OPEN_S: Final = 2.0
"""Seconds for opening a modal: its trigger is good for three."""
MOST: Final = 200
"""Acts under way; more are refused, and the person is told by Slack."""

Body = Mapping[str, Any]
Work = Coroutine[Any, Any, Said | None]


class Interactions:
    """The acts of people in all workspaces; `take` takes a question in."""

    def __init__(
        self, teams: Teams, desk: Desk, *, take: Callable[[Incoming], Awaitable[None]]
    ) -> None:
        self._teams = teams
        self._desk = desk
        self._take = take
        self._acts: set[asyncio.Task[None]] = set()

    async def acknowledge(self, body: Body) -> BoltResponse | None:
        """Take a person's act, and what Slack is answered; None for what is an event.

        One whose workspace is not known is not acknowledged: Slack tells the person so.
        """
        if "command" not in body and body.get("type") not in _KINDS:
            return None
        try:
            team = await self._teams.find(team_id_of(body))
        except (StoreUnavailable, PlatformUnavailable) as error:
            log.error("an act was not taken", error=str(error))
            return BoltResponse(status=503, body="")
        if team is None or len(self._acts) >= MOST:
            log.warning("an act was not taken", acts=len(self._acts), served=team is not None)
            return BoltResponse(status=503, body="")
        return await self._take_act(body, team)

    async def close(self) -> None:
        """End every act that is under way."""
        acts = list(self._acts)
        for act in acts:
            act.cancel()
        await asyncio.gather(*acts, return_exceptions=True)

    async def stopped(self, event: Body, body: Body, team: Team) -> None:
        """Slack's own Stop was pressed in a thread. Raises StoreUnavailable."""
        channel, thread = str(event.get("channel") or ""), str(event.get("thread_ts") or "")
        user = str(event.get("user") or "")
        if not channel or not user:
            return
        person = Person("slack", user)
        standing = await team.profiles.standing(
            user, Standing(is_outside=outside(event, body, team=team.id))
        )
        is_dm = channel.startswith("D")
        place = Conversation(
            "slack", team.id, channel, "dm" if is_dm else "thread", "" if is_dm else thread
        )
        said = await self._desk.stop_in(place, person, standing)
        if said is not None:
            self._begin(self._told(team, Where(channel, user, thread), said))

    async def _take_act(self, body: Body, team: Team) -> BoltResponse:
        where = _where(body)
        match body.get("type"):
            case "block_actions":
                return await self._pressed(body, where, team)
            case "message_action" if body.get("callback_id") == ASK:
                message = str(body.get("message_ts") or "")
                view = ask_view(About(where, message))
                return await self._do(self._open(body, view, team), where, team)
            case "view_submission":
                return await self._sent(body, team)
            case None:
                return await self._do(self._command(body, where, team), where, team)
        return BoltResponse(status=200, body="")

    async def _pressed(self, body: Body, where: Where, team: Team) -> BoltResponse:
        action = next(iter(body.get("actions") or ()), None)
        id_ = str(action.get("action_id") or "") if isinstance(action, Mapping) else ""
        if (form := form_of(id_)) is not None:
            return await self._do(self._open(body, reason_view(form, where), team), where, team)
        found = pressed(id_)
        if found is None:
            return BoltResponse(status=200, body="")
        control, turn = found

        async def press() -> Said | None:
            standing = await self._standing(body, team)
            person = Person("slack", where.user)
            team.names.learn(person)
            return await self._desk.press(Press(turn, control, person, standing))

        return await self._do(press(), where, team)

    async def _command(self, body: Body, where: Where, team: Team) -> Said | None:
        text = str(body.get("text") or "")
        if body.get("command") == "/ask":
            name = str(body.get("user_name") or where.user)
            is_outside = _is_outside(body, team)
            return await self._asking(team).ask(where, text, name=name, is_outside=is_outside)
        name, rest = commands_text.parse(plain(text, team.identity.user))
        is_dm = where.channel.startswith("D")
        place = Conversation("slack", team.id, where.channel, "dm" if is_dm else "channel")
        person = Person("slack", where.user)
        team.names.learn(person)
        standing = await self._standing(body, team)
        return await self._desk.command(Command(name, rest, person, place, standing))

    async def _sent(self, body: Body, team: Team) -> BoltResponse:
        """A modal was sent: it stays open, with what was typed, where that cannot be kept."""
        view = body.get("view") or {}
        about = where_of(view, str((body.get("user") or {}).get("id") or ""))
        callback_id, text = str(view.get("callback_id") or ""), typed(view)
        if about is None:
            return BoltResponse(status=200, body="")
        if callback_id == ASK:
            name = str((body.get("user") or {}).get("name") or about.where.user)
            is_outside = _is_outside(body, team)
            work = self._asking(team).ask_about(about, text, name=name, is_outside=is_outside)
            return await self._do(work, about.where, team)
        form = form_of(callback_id)
        if form is None:
            return BoltResponse(status=200, body="")
        return await self._kept(form, text, about.where, team)

    async def _kept(self, form: Form, text: str, where: Where, team: Team) -> BoltResponse:
        try:
            async with asyncio.timeout(ACK_S):
                said = await self._desk.filled(form, Person("slack", where.user), text)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("form not kept", form=form.kind, error=str(error))
            return _errors(wording.NOT_NOW)
        except Exception:
            log.exception("form not kept", form=form.kind)
            return _errors(wording.FAILED)
        self._begin(self._told(team, where, said))
        return BoltResponse(status=200, body="")

    async def _open(self, body: Body, view: dict[str, Any], team: Team) -> Said | None:
        """Open a modal; a line for the person when it was too late for that."""
        trigger = str(body.get("trigger_id") or "")
        try:
            async with asyncio.timeout(OPEN_S):
                await team.calls.do(
                    "views.open", urgent=True, wait_s=OPEN_S, trigger_id=trigger, view=view
                )
        except (SlackApiError, PlatformUnavailable, MessageGone, TimeoutError) as error:
            why = code(error) if isinstance(error, SlackApiError) else str(error)
            log.warning("form not opened", error=why)
            return Said(wording.FORM_LATE)
        return None

    async def _do(self, work: Work, where: Where, team: Team) -> BoltResponse:
        """Run an act, and acknowledge it once its work is done, or after `ACK_S`."""
        done = asyncio.Event()
        self._begin(self._act(work, where, team, done))
        try:
            async with asyncio.timeout(ACK_S):
                await done.wait()
        except TimeoutError:
            log.info("an act goes on after it was acknowledged", channel=where.channel)
        return BoltResponse(status=200, body="")

    def _begin(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(act)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    async def _act(self, work: Work, where: Where, team: Team, done: asyncio.Event) -> None:
        """The border: whatever goes wrong is logged and told."""
        try:
            said = await work
        except StoreUnavailable as error:
            log.error("an act was not done", channel=where.channel, error=str(error))
            said = Said(wording.NOT_NOW)
        except Exception:
            log.exception("an act failed", channel=where.channel)
            said = Said(wording.FAILED)
        finally:
            done.set()
        if said is not None:
            await self._told(team, where, said)

    async def _told(self, team: Team, where: Where, said: Said) -> None:
        try:
            await Whispers(team.calls).tell(where, said)
        except Exception:
            log.exception("person not told", channel=where.channel)

    async def _standing(self, body: Body, team: Team) -> Standing:
        told = Standing(is_outside=_is_outside(body, team))
        return await team.profiles.standing(_where(body).user, told)

    def _asking(self, team: Team) -> Asking:
        return Asking(
            team.calls, team.profiles, team=team.id, me=team.identity.user, take=self._take
        )


_KINDS: Final = frozenset(
    {"block_actions", "message_action", "shortcut", "view_submission", "view_closed"}
)


def _where(body: Body) -> Where:
    """Where somebody was when they pressed or typed."""
    channel, user = body.get("channel"), body.get("user")
    message, container = body.get("message") or {}, body.get("container") or {}
    return Where(
        channel=str(
            (channel.get("id") if isinstance(channel, Mapping) else body.get("channel_id")) or ""
        ),
        user=str((user.get("id") if isinstance(user, Mapping) else body.get("user_id")) or ""),
        thread=str(message.get("thread_ts") or container.get("thread_ts") or ""),
        url=str(body.get("response_url") or ""),
    )


def _is_outside(body: Body, team: Team) -> bool:
    """Whether whoever pressed or typed belongs to another workspace: a grid's own ones count as
    such here, for an act does not tell them from strangers'."""
    user = body.get("user")
    home = user.get("team_id") if isinstance(user, Mapping) else body.get("team_id")
    return bool(home) and home != team.id


def _errors(line: str) -> BoltResponse:
    return BoltResponse(status=200, body={"response_action": "errors", "errors": {BLOCK: line}})
