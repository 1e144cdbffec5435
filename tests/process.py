"""Real candor processes, and a person at the sandbox's page, for end-to-end tests."""

import asyncio
import base64
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.waiting import until

START_S = 60.0
ANSWER_S = 60.0


class Candor:
    """One running process of ours; what it says goes to a file."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path) -> None:
        self.process = process
        self._said = said

    @property
    def said(self) -> str:
        """Everything printed so far, both streams."""
        return self._said.read_text("utf-8", errors="replace")

    async def says(self, pattern: str, timeout_s: float = START_S) -> re.Match[str]:
        """Wait until the output matches; the process must not end before."""
        deadline = time.monotonic() + timeout_s
        while not (match := re.search(pattern, self.said)):
            assert self.process.returncode is None, f"ended early:\n{self.said}"
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.said}"
            await asyncio.sleep(0.02)
        return match

    async def ends(self, timeout_s: float = START_S) -> int:
        """Wait for the end and return the exit status."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def stop(self) -> int:
        """Ask for an orderly stop, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ends()


@asynccontextmanager
async def candor(
    *arguments: str, said: Path, settings: dict[str, str] | None = None, program: str = "-m bot"
) -> AsyncIterator[Candor]:
    """Run `candor ARGUMENTS` with settings from the environment; ended with the context."""
    environment = {**os.environ, "CANDOR_LOG_FORMAT": "json", **(settings or {})}
    with said.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *program.split(),
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    running = Candor(process, said)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await running.ends(15)
            except TimeoutError:
                process.kill()
                await process.wait()


async def votes(settings: dict[str, str]) -> list[dict[str, Any]]:
    """What `candor votes --json` prints."""
    return await _listed("votes", settings)


async def feedback(settings: dict[str, str]) -> list[dict[str, Any]]:
    """What `candor feedback --json` prints."""
    return await _listed("feedback", settings)


async def _listed(command: str, settings: dict[str, str]) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", command, "--json"),
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    listed: list[dict[str, Any]] = orjson.loads(output)
    return listed


@dataclass(frozen=True)
class Seat:
    """A person at the sandbox, over its control API."""

    url: str
    session: aiohttp.ClientSession

    async def write(self, platform: str, channel: str, user: str, text: str, **more: str) -> str:
        """Post a message and return its id."""
        body = {"channel": channel, "user": user, "text": text, **more}
        return str((await self._post(f"{platform}/messages", body))["id"])

    async def react(
        self,
        platform: str,
        channel: str,
        message: str,
        user: str,
        emoji: str,
        *,
        present: bool = True,
    ) -> None:
        """Put a reaction on a message, or take it away."""
        await self._post(
            f"{platform}/reactions",
            {
                "channel": channel,
                "message": message,
                "user": user,
                "emoji": emoji,
                "present": present,
            },
        )

    async def edit(self, platform: str, channel: str, user: str, message: str, text: str) -> None:
        """Edit one's own message."""
        body = {"channel": channel, "user": user, "message": message, "text": text}
        await self._act("PATCH", f"{platform}/messages", body)

    async def delete(self, platform: str, channel: str, user: str, message: str) -> None:
        """Delete one's own message, or as a moderator the bot's."""
        body = {"channel": channel, "user": user, "message": message}
        await self._act("DELETE", f"{platform}/messages", body)

    async def clear_reactions(
        self, platform: str, channel: str, message: str, emoji: str | None = None
    ) -> None:
        """Take all reactions away, or all of one emoji, as a moderator."""
        body = {"channel": channel, "message": message, "emoji": emoji}
        await self._act("DELETE", f"{platform}/reactions", body)

    async def press(
        self, platform: str, channel: str, user: str, message: dict[str, Any], label: str
    ) -> None:
        """Press the button of a message whose label holds `label`."""
        [button] = [each["id"] for each in message["buttons"] if label in each["label"]]
        body = {"channel": channel, "user": user, "message": message["id"], "button": button}
        await self._post(f"{platform}/press", body)

    async def command(self, platform: str, channel: str, user: str, text: str) -> None:
        """Type a slash command."""
        await self._post(f"{platform}/command", {"channel": channel, "user": user, "text": text})

    async def shortcut(
        self, platform: str, channel: str, user: str, message: str, name: str
    ) -> None:
        """Use an entry of a message's menu."""
        body = {"channel": channel, "user": user, "message": message, "name": name}
        await self._post(f"{platform}/shortcut", body)

    async def fill_in(self, platform: str, user: str, text: str) -> None:
        """Wait for the form that opens, write into its one field, and send it."""
        found: dict[str, Any] = {}

        async def opened() -> bool:
            url = f"{self.url}/control/{platform}/modal"
            async with self.session.get(url, params={"user": user}) as response:
                found.update((await response.json())["modal"] or {})
            return bool(found)

        await soon(opened, lambda: "no form was opened")
        [field] = found["fields"]
        body = {"user": user, "modal": found["id"], "values": {field["id"]: text}}
        await self._post(f"{platform}/submit", body)

    async def upload(
        self, platform: str, channel: str, user: str, text: str, **files: bytes
    ) -> str:
        """Post a message with files, which are named `name_ending`; return its id."""
        sent = [
            {"name": name.replace("_", "."), "data": base64.b64encode(data).decode()}
            for name, data in files.items()
        ]
        body = {"channel": channel, "user": user, "text": text, "files": sent}
        return str((await self._post(f"{platform}/uploads", body))["id"])

    async def forward(self, platform: str, channel: str, user: str, message: str, to: str) -> str:
        """Forward a message to another channel; return the id of what arrives there."""
        body = {"channel": channel, "user": user, "message": message, "to": to}
        return str((await self._post(f"{platform}/forward", body))["id"])

    async def arm(self, platform: str, kind: str, **options: object) -> None:
        """Arm a fault."""
        await self._post(f"{platform}/faults", {"kind": kind, **options})

    async def audit(self, platform: str) -> list[dict[str, Any]]:
        """Every message that exists."""
        url = f"{self.url}/control/{platform}/audit"
        async with self.session.get(url) as response:
            assert response.status == 200, await response.text()
            messages: list[dict[str, Any]] = await response.json()
            return messages

    async def read(self, platform: str, channel: str, user: str = "alice") -> list[dict[str, Any]]:
        """All messages of a channel."""
        query = {"channel": channel, "user": user}
        url = f"{self.url}/control/{platform}/messages"
        async with self.session.get(url, params=query) as response:
            assert response.status == 200, await response.text()
            messages: list[dict[str, Any]] = await response.json()
            return messages

    async def answers(
        self, platform: str, channel: str, user: str = "alice", *, after: str = "0"
    ) -> list[dict[str, Any]]:
        """The bot's messages that are newer than `after`."""
        messages = await self.read(platform, channel, user)
        return [each for each in messages if each["bot"] and float(each["id"]) > float(after)]

    async def sees(
        self, platform: str, channel: str, expected: str, user: str = "alice", *, after: str = "0"
    ) -> list[dict[str, Any]]:
        """Wait until the bot's messages after `after`, joined, are just `expected`."""
        found: list[dict[str, Any]] = []

        async def shown() -> bool:
            found[:] = await self.answers(platform, channel, user, after=after)
            return "".join(each["text"] for each in found) == expected

        await soon(shown, lambda: f"not {expected!r} but {[each['text'] for each in found]}")
        return found

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._act("POST", path, body)

    async def _act(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/control/{path}"
        async with self.session.request(method, url, json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer


@asynccontextmanager
async def seat(url: str) -> AsyncIterator[Seat]:
    """Sit down at the sandbox."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield Seat(url, session)


async def soon(
    check: Callable[[], Awaitable[object]],
    otherwise: Callable[[], str] = lambda: "it did not happen in time",
    *,
    within_s: float = ANSWER_S,
) -> None:
    """Wait for what another process brings about."""
    await until(check, otherwise, within_s=within_s, every_s=0.05)
