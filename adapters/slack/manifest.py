"""The app's manifest: what Slack is told of us when the app is made, and what we ask to be allowed.

`manifest.json` beside this module is the one place where scopes, events and commands stand, as an
app over Socket Mode has them.
"""

import copy
import functools
import json
from importlib.resources import files
from typing import Any, Final, Literal

EVENTS_PATH: Final = "/slack/events"
INSTALL_PATH: Final = "/slack/install"
REDIRECT_PATH: Final = "/slack/oauth_redirect"

Mode = Literal["socket", "http"]


@functools.cache
def _read() -> dict[str, Any]:
    text = files("adapters.slack").joinpath("manifest.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def scopes() -> tuple[str, ...]:
    """What the bot asks to be allowed."""
    return tuple(_read()["oauth_config"]["scopes"]["bot"])


def manifest(mode: Mode = "socket", url: str | None = None) -> dict[str, Any]:
    """The manifest of an app whose events come by `mode`.

    `url` is how the world reaches the bot, such as https://your-host: Slack sends events there in
    mode `http`, and people after installing in either. Raises ValueError for `http` without it.
    """
    made = copy.deepcopy(_read())
    settings = made["settings"]
    if url is not None:
        made["oauth_config"]["redirect_urls"] = [url + REDIRECT_PATH]
    if mode == "socket":
        return made
    if url is None:
        raise ValueError("mode http needs the URL that Slack reaches the bot by")
    settings["socket_mode_enabled"] = False
    settings["event_subscriptions"]["request_url"] = url + EVENTS_PATH
    if settings.get("interactivity", {}).get("is_enabled"):
        settings["interactivity"]["request_url"] = url + EVENTS_PATH
    for command in made["features"].get("slash_commands", ()):
        command["url"] = url + EVENTS_PATH
    return made
