"""The manifest in both modes, and the commands that print what an app needs."""

import json

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from adapters.slack.manifest import manifest, scopes
from bot.cli import app
from bot.errors import ConfigError
from bot.platform_settings import SlackSettings

URL = "https://bot.example.com"


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["slack", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_over_socket_mode_slack_is_told_no_address() -> None:
    made = manifest()
    assert made["settings"]["socket_mode_enabled"] is True
    assert URL not in json.dumps(made)
    assert "url" not in json.dumps(made).lower()
    assert made["oauth_config"]["scopes"]["bot"] == list(scopes())


def test_over_http_slack_sends_everything_to_one_address() -> None:
    made = manifest("http", URL)
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["event_subscriptions"]["request_url"] == f"{URL}/slack/events"
    assert made["oauth_config"]["redirect_urls"] == [f"{URL}/slack/oauth_redirect"]
    for command in made["features"].get("slash_commands", ()):
        assert command["url"] == f"{URL}/slack/events"
    interactivity = made["settings"]["interactivity"]
    assert not interactivity["is_enabled"] or interactivity["request_url"] == f"{URL}/slack/events"
    assert manifest() == manifest(), "the one that is kept is left as it is"
    with pytest.raises(ValueError, match="needs the URL"):
        manifest("http")


def test_the_manifest_is_printed_as_json() -> None:
    assert json.loads(printed("manifest")) == manifest()
    assert json.loads(printed("manifest", "--mode", "http", "--url", f"{URL}/")) == manifest(
        "http", URL
    )
    assert json.loads(printed("manifest", "--url", URL)) == manifest("socket", URL)


@pytest.mark.parametrize("wrong", [["--mode", "http"], ["--url", "bot.example.com"]])
def test_a_manifest_that_cannot_be_made_is_refused_in_a_line(wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["slack", "manifest", *wrong])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("--url: ")
    assert not result.stdout


def test_a_new_key_is_printed_each_time_and_taken_by_the_settings() -> None:
    one, other = printed("key").strip(), printed("key").strip()
    assert one != other
    Fernet(one)
    assert SlackSettings.model_validate({"token_key": f"{one},{other}"}).token_key is not None
