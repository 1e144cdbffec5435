"""Installing: how a workspace lets the app in (OAuth v2), and we get its token.

Two pages. The first sends a person to Slack with a pass that is good once, for ten minutes, and in
the browser that got it as a cookie; the second has come back from there, and takes a code in only
with both. Tokens and codes are neither shown nor logged.
"""

import hmac
import html
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import AuthorizeUrlGenerator

from adapters.slack.calls import Calls, web_client
from adapters.slack.errors import TokenRefused, code
from adapters.slack.installations import Installation, Installations
from adapters.slack.manifest import INSTALL_PATH, REDIRECT_PATH, scopes
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.platform_settings import SlackSettings
from bot.store.passes import Passes

log = structlog.get_logger()

COOKIE: Final = "candor-slack-install"
WAIT_S: Final = 10.0
"""Seconds that a person waits for Slack's answer."""

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Candor</title>
<body style="font: 1.1rem system-ui; max-width: 36rem; margin: 4rem auto; padding: 0 1rem">
<h1>{title}</h1><p>{text}</p></body></html>
"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",  # the address holds a code
    "X-Content-Type-Options": "nosniff",
}


class _NotInstalled(Exception):
    """Why it came to nothing, for the person, and the status of the page that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Install:
    """The two pages. `on_installed` is told of a workspace whose installation was kept."""

    def __init__(
        self,
        settings: SlackSettings,
        installations: Installations,
        passes: Passes,
        on_installed: Callable[[str], Awaitable[object]],
    ) -> None:
        if settings.client_id is None or settings.client_secret is None:
            raise ValueError("installing needs slack.client_id and slack.client_secret")
        self._client_id = settings.client_id
        self._client_secret = settings.client_secret
        self._redirect_url = settings.redirect_url
        self._api_url = settings.api_url
        self._installations = installations
        self._passes = passes
        self._on_installed = on_installed
        self._calls = Calls(web_client(None, settings.api_url), called="slack.client_id")
        self._authorize = AuthorizeUrlGenerator(
            client_id=settings.client_id,
            scopes=scopes(),
            redirect_uri=settings.redirect_url,
            authorization_url=settings.authorize_url,
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of both pages."""
        return [
            web.get(INSTALL_PATH, self._begin, allow_head=False),
            web.get(REDIRECT_PATH, self._come_back, allow_head=False),
        ]

    async def _begin(self, request: web.Request) -> web.Response:
        """Send a person to Slack."""
        try:
            state = await self._passes.issue()
        except StoreUnavailable as error:
            log.warning("installing has to wait for the store", error=str(error))
            return _page(503, "Not now", "Candor cannot keep anything at the moment. Try again.")
        where = self._authorize.generate(state)
        response = web.Response(status=302, headers={**_HEADERS, "Location": where})
        response.set_cookie(
            COOKIE,
            state,
            max_age=self._passes.lifetime_s,
            path=REDIRECT_PATH,
            # Slack itself sends people to https alone; plain http is for a loopback.
            secure=not (self._redirect_url or "").startswith("http://"),
            httponly=True,
            samesite="Lax",
        )
        return response

    async def _come_back(self, request: web.Request) -> web.Response:
        """Take in what a person brings from Slack: the border to whoever finds this address."""
        try:
            installation = await self._installed(request)
        except _NotInstalled as error:
            log.warning("Slack app not installed", reason=str(error))
            response = _page(error.status, "Candor was not installed", str(error))
        except Exception:
            log.exception("Slack app not installed")
            response = _page(500, "Candor was not installed", "Something went wrong here.")
        else:
            response = _page(
                200,
                "Candor is installed",
                f"It answers in {installation.name or installation.team} from now on: write it a "
                "direct message, or invite it to a channel with /invite.",
            )
        response.del_cookie(COOKIE, path=REDIRECT_PATH)
        return response

    async def _installed(self, request: web.Request) -> Installation:
        """The installation of a code, kept and served. Raises _NotInstalled."""
        if refusal := request.query.get("error"):
            raise _NotInstalled(400, f"Slack says {refusal[:100]}.")
        state = request.query.get("state", "")
        cookie = request.cookies.get(COOKIE, "")
        if not state or not hmac.compare_digest(state.encode(), cookie.encode()):
            raise _NotInstalled(403, "This was not begun in this browser. Start again.")
        try:
            if not await self._passes.consume(state):
                raise _NotInstalled(403, "The link was used already, or is too old. Start again.")
            installation = await self._exchanged(request.query.get("code", ""))
            await self._installations.save(installation)
            await self._on_installed(installation.team)
        except StoreUnavailable as error:
            log.warning("installing has to wait for the store", error=str(error))
            raise _NotInstalled(503, "Candor cannot keep anything at the moment.") from error
        return installation

    async def _exchanged(self, given: str) -> Installation:
        """The installation that Slack gives for a code."""
        if not given:
            raise _NotInstalled(400, "Slack sent no code.")
        answer = await _asked(
            self._calls,
            "oauth.v2.access",
            client_id=self._client_id,
            client_secret=self._client_secret.get_secret_value(),
            code=given,
            redirect_uri=self._redirect_url,
        )
        team: Any = answer.get("team") or {}
        token = str(answer.get("access_token") or "")
        if answer.get("is_enterprise_install"):
            raise _NotInstalled(
                400, "It was let into a whole organization; let it into single workspaces instead."
            )
        if answer.get("refresh_token"):
            raise _NotInstalled(
                400, "The app's settings have token rotation on, which Candor does not know."
            )
        if not (token.startswith("xoxb-") and team.get("id")):
            raise _NotInstalled(502, "Slack gave no token for a bot.")
        # It does not say the bot's id as a bot.
        me = await _asked(Calls(web_client(token, self._api_url)), "auth.test")
        if me.get("team_id") != team["id"]:
            raise _NotInstalled(502, "Slack's token is another workspace's.")
        return Installation(
            team=str(team["id"]),
            name=str(team.get("name") or ""),
            user=str(me["user_id"]),
            bot=str(me.get("bot_id") or ""),
            installer=str((answer.get("authed_user") or {}).get("id") or ""),
            at=self._installations.clock(),
            token=token,
        )


async def _asked(calls: Calls, method: str, **arguments: Any) -> Any:
    """Slack's answer. Raises _NotInstalled."""
    try:
        return await calls.do(method, wait_s=WAIT_S, **arguments)
    except SlackApiError as error:
        raise _NotInstalled(400, f"Slack refuses: {code(error)}.") from error
    except TokenRefused as error:
        raise _NotInstalled(400, f"Slack refuses: {error.code}.") from error
    except (PlatformUnavailable, MessageGone) as error:
        log.warning("Slack does not answer an installation", error=str(error))
        raise _NotInstalled(503, "Slack does not answer. Start again.") from error


def _page(status: int, title: str, text: str) -> web.Response:
    body = _PAGE.format(title=html.escape(title), text=html.escape(text))
    return web.Response(status=status, text=body, content_type="text/html", headers=_HEADERS)
