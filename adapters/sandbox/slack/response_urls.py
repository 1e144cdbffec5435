"""Response URLs: where an app says something to whoever pressed or typed, without a token.

One is good for `Knobs.response_url_uses` messages within `Knobs.response_url_lifetime` seconds. It
reaches the person even where the bot is no member. Route `/slack/response/{secret}`.
"""

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web

from adapters.sandbox.slack import blocks
from adapters.sandbox.slack.directory import BOT_USER_ID
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.settings import Knobs
from adapters.sandbox.slack.workspace import Workspace

KEPT = 1_000
MAX_TEXT_CHARS = 40_000
MAX_BODY_BYTES = 1024 * 1024


@dataclass(slots=True)
class Target:
    """Whom and where a URL reaches; `original` is the message that was pressed on, if any."""

    user: str
    channel: str
    expires_at: float
    uses_left: int
    original: str | None = None


class ResponseUrls:
    """Makes the URLs and answers them."""

    def __init__(self, workspace: Workspace, knobs: Knobs, base_url: Callable[[], str]) -> None:
        self._workspace = workspace
        self._knobs = knobs
        self._base_url = base_url
        self._targets: OrderedDict[str, Target] = OrderedDict()
        self._joined: list[ResponseUrls] = []

    def add_to(self, app: web.Application) -> None:
        """Add the route to an application."""
        app.router.add_post("/slack/response/{secret}", self._handle)

    def join(self, urls: "ResponseUrls") -> None:
        """Answer those of another workspace of the same app, too."""
        self._joined.append(urls)

    def issue(self, user: str, channel: str, *, original: str | None = None) -> str:
        """A URL for what `user` just did in `channel`."""
        secret = secrets.token_urlsafe(18)
        self._targets[secret] = Target(
            user=user,
            channel=channel,
            expires_at=self._workspace.clock() + self._knobs.response_url_lifetime,
            uses_left=self._knobs.response_url_uses,
            original=original,
        )
        while len(self._targets) > KEPT:
            self._targets.popitem(last=False)
        return f"{self._base_url()}/slack/response/{secret}"

    async def _handle(self, request: web.Request) -> web.Response:
        secret = request.match_info["secret"]
        for other in self._joined:
            if secret in other._targets:
                return await other._handle(request)
        target = self._targets.get(secret)
        if target is None or target.expires_at <= self._workspace.clock():
            return _refused("expired_url")
        if target.uses_left < 1:
            return _refused("used_url")
        try:
            body = json.loads(await request.content.read(MAX_BODY_BYTES))
        except ValueError:
            return _refused("invalid_payload", status=400)
        if not isinstance(body, dict):
            return _refused("invalid_payload", status=400)
        target.uses_left -= 1
        try:
            self.respond(target, body)
        except SlackError as error:
            return _refused(error.code, status=400)
        return web.Response(text="ok")

    def answer(self, user: str, channel: str, body: Json) -> None:
        """What the acknowledgement of a command says, which is shown like a response.

        Raises SlackError.
        """
        self.respond(Target(user, channel, expires_at=0.0, uses_left=0), body)

    def respond(self, target: Target, body: Json) -> None:
        """Show, replace or delete as `body` says. Raises SlackError."""
        original = self._original(target)
        if body.get("delete_original") is True:
            if original is None:
                raise SlackError("message_not_found")
            self._change(original, None)
            return
        text = body.get("text") or ""
        if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS:
            raise SlackError("invalid_payload")
        items = body.get("blocks") or []
        if not isinstance(items, list):
            raise SlackError("invalid_blocks_format")
        checked = blocks.check(items)
        if not text.strip() and not checked:
            raise SlackError("no_text")
        shown = text or blocks.readable(checked)
        if body.get("replace_original") is True:
            if original is None:
                raise SlackError("message_not_found")
            self._change(original, replace(original, text=shown, blocks=checked))
            return
        thread = body.get("thread_ts")
        room = self._workspace.room(target.channel)
        parent = room.messages.get(str(thread)) if room is not None and thread else None
        in_channel = body.get("response_type") == "in_channel"
        message = Message(
            channel=target.channel,
            ts=self._workspace.next_ts(target.channel),
            user=BOT_USER_ID,
            text=shown,
            thread_ts=None if parent is None else parent.thread_ts or parent.ts,
            blocks=checked,
            reader=None if in_channel else target.user,
        )
        if in_channel:
            self._workspace.add(message)
        else:
            self._workspace.add_ephemeral(message)

    def _original(self, target: Target) -> Message | None:
        room = self._workspace.room(target.channel)
        if room is None or target.original is None:
            return None
        private = [one for one in room.ephemerals if one.reader == target.user]
        found = [one for one in private if one.ts == target.original]
        return found[0] if found else room.messages.get(target.original)

    def _change(self, original: Message, new: Message | None) -> None:
        if original.reader is not None:
            self._workspace.change_ephemeral(original, new)
        elif new is None:
            self._workspace.delete(original)
        else:
            edited = replace(new, edited_ts=f"{int(self._workspace.clock())}.000000")
            self._workspace.replace_message(edited)


def _refused(code: str, *, status: int = 404) -> web.Response:
    return web.json_response({"ok": False, "error": code}, status=status)
