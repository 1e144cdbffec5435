"""Installing the app: Slack's page that asks a person, and `oauth.v2.access` that gives the token.

Owns the codes, each of which is good once, for ten minutes. People are sent back to loopback only.
"""

import base64
import binascii
import hmac
import html
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from aiohttp import web

from adapters.sandbox.slack.directory import APP_ID, BOT_USER_ID, USER_IDS
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.http_events import checked_url
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.renaming import Renaming
from adapters.sandbox.slack.settings import DEFAULT_SCOPES
from adapters.sandbox.slack.tokens import Tokens

CODE_S = 600.0
MAX_CODES = 100

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Install an app</title>
<body style="font: 1.1rem system-ui; max-width: 36rem; margin: 4rem auto">
<h1>An app asks to be let in</h1><p>It wants to: {scopes}</p>
<form method="post">{hidden}
<p><label>Workspace <select name="team">{teams}</select></label>
<label>as <select name="user">{people}</select></label></p>
<button name="answer" value="allow">Allow</button>
<button name="answer" value="cancel">Cancel</button></form></body></html>
"""


@dataclass(frozen=True, slots=True)
class App:
    """The app as Slack knows it: `redirect_url` is where people go when no other is asked for."""

    client_id: str
    redirect_url: str | None = None
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Office:
    """A workspace that may let the app in; `team` is its id inside."""

    team: str
    name: str
    tokens: Tokens
    renaming: Renaming

    @property
    def id(self) -> str:
        """Its id at the wire."""
        return str(self.renaming.outward({"id": self.team})["id"])


@dataclass(frozen=True, slots=True)
class _Grant:
    office: Office
    user: str
    scopes: tuple[str, ...]
    redirect_uri: str
    given_uri: str
    until: float


class OAuth:
    """The page and the method, over some workspaces."""

    def __init__(self, app: App, people: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._app = app
        self._people = people
        self._clock = clock
        self._offices: dict[str, Office] = {}
        self._codes: dict[str, _Grant] = {}
        self._used: deque[str] = deque(maxlen=MAX_CODES)

    def join(self, office: Office) -> None:
        """Let a workspace be chosen."""
        self._offices[office.id] = office

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application; before the Web API's, which has all methods."""
        app.router.add_get("/slack/oauth/v2/authorize", self._ask, allow_head=False)
        app.router.add_post("/slack/oauth/v2/authorize", self._decide)
        app.router.add_post("/slack/api/oauth.v2.access", self._access)

    async def _ask(self, request: web.Request) -> web.Response:
        scopes, _ = self._checked(request.query)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in request.query.items()
        )
        teams = "".join(
            f'<option value="{one.id}">{html.escape(one.name)}</option>'
            for one in self._offices.values()
        )
        people = "".join(f"<option>{html.escape(person)}</option>" for person in self._people)
        page = _PAGE.format(scopes=", ".join(scopes), hidden=hidden, teams=teams, people=people)
        return web.Response(text=page, content_type="text/html")

    async def _decide(self, request: web.Request) -> web.Response:
        posted = await request.post()
        form = {name: value for name, value in posted.items() if isinstance(value, str)}
        scopes, back = self._checked(form)
        office = self._offices.get(form.get("team", ""))
        user = form.get("user") or self._people[0]
        state = {"state": form["state"]} if "state" in form else {}
        if form.get("answer") != "allow":
            return _redirect(back, {"error": "access_denied", **state})
        if office is None or user not in self._people:
            raise web.HTTPBadRequest(text="there is no such workspace, or no such person in it")
        while len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(24)
        given = form.get("redirect_uri", "")
        until = self._clock() + CODE_S
        self._codes[code] = _Grant(office, user, scopes, back, given, until)
        return _redirect(back, {"code": code, **state})

    async def _access(self, request: web.Request) -> web.Response:
        posted = await request.post()
        form = {name: value for name, value in posted.items() if isinstance(value, str)}
        try:
            answer = {"ok": True, **self._granted(form, request.headers.get("Authorization", ""))}
        except SlackError as error:
            answer = error.body()
        return web.json_response(answer)

    def _checked(self, given: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
        """What is asked for, and where to send the person back; as Slack refuses on its page."""
        if given.get("client_id") != self._app.client_id:
            raise web.HTTPBadRequest(text="invalid_client_id")
        scopes = tuple(filter(None, given.get("scope", "").split(",")))
        if not scopes or not DEFAULT_SCOPES.issuperset(scopes):
            raise web.HTTPBadRequest(text="invalid_scope")
        try:
            return scopes, checked_url(given.get("redirect_uri") or self._app.redirect_url or "")
        except ValueError as cause:
            raise web.HTTPBadRequest(text="bad_redirect_uri") from cause

    def _granted(self, form: Mapping[str, str], authorization: str) -> Json:
        client_id, client_secret = _basic(authorization) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        if client_id != self._app.client_id:
            raise SlackError("invalid_client_id")
        if not hmac.compare_digest(client_secret.encode(), self._app.client_secret.encode()):
            raise SlackError("bad_client_secret")
        code = form.get("code", "")
        grant = self._codes.pop(code, None)
        if grant is None or grant.until < self._clock():
            raise SlackError("code_already_used" if code in self._used else "invalid_code")
        self._used.append(code)
        if form.get("redirect_uri", "") != grant.given_uri:
            raise SlackError("bad_redirect_uri")
        office = grant.office
        return office.renaming.outward(
            {
                "access_token": office.tokens.issue(frozenset(grant.scopes)),
                "token_type": "bot",
                "scope": ",".join(grant.scopes),
                "bot_user_id": BOT_USER_ID,
                "app_id": APP_ID,
                "team": {"id": office.team, "name": office.name},
                "enterprise": None,
                "authed_user": {"id": USER_IDS[grant.user]},
                "is_enterprise_install": False,
            }
        )


def _basic(authorization: str) -> tuple[str, str] | None:
    """User and password of HTTP's basic authentication."""
    kind, _, encoded = authorization.partition(" ")
    if kind != "Basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def _redirect(back: str, query: Mapping[str, str]) -> web.Response:
    joint = "&" if "?" in back else "?"
    return web.Response(status=302, headers={"Location": f"{back}{joint}{urlencode(query)}"})
