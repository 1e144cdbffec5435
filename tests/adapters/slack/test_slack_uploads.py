"""Long code stands in the thread of its answer, once, over the loopback Slack."""

import pytest

from adapters.markdown import CodeFile
from adapters.sandbox.slack import CHANNEL_IDS
from adapters.sandbox.slack.settings import DEFAULT_SCOPES
from adapters.slack.surface import SlackSurface
from adapters.slack.uploads import _checked
from adapters.surface import Content, FilesRefused
from bot.domain import MessageRef
from bot.errors import PlatformUnavailable
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.slack_line import arm, calls_of

GENERAL = CHANNEL_IDS["general"]
FILES = (CodeFile("code-1.py", "print('日本')\n"), CodeFile("code-2.sql", "select 1;\n"))


async def answered(served: Served) -> tuple[SlackSurface, MessageRef]:
    ts = await served.world.post(channel="general", user="alice", text="Why?")
    surface = SlackSurface(
        calls_of(served), channel=GENERAL, workspace="T1", thread=ts, question=ts
    )
    return surface, await surface.post(Content("So."), turn="t1", part=0)


async def shared(served: Served, surface: SlackSurface) -> list[list[str]]:
    """The names of the files of each message of the thread that has any."""
    answer = await served.client().conversations_replies(channel=GENERAL, ts=surface._question)
    return [
        [file["name"] for file in message["files"]]
        for message in answer["messages"]
        if message.get("files")
    ]


async def test_files_are_one_message_in_the_thread_and_known_before_they_are_seen() -> None:
    async with slack() as served:
        surface, last = await answered(served)
        seen: list[list[list[str]]] = []
        notes: list[str] = []

        async def begin(note: str) -> None:
            seen.append(await shared(served, surface))
            notes.append(note)

        await surface.attach(FILES, last=last, begun="", begin=begin)
        assert seen == [[]]
        assert await shared(served, surface) == [["code-1.py", "code-2.sql"]]
        assert len(notes[0].split(",")) == 2
        # Another process, which knows of the intention alone.
        await surface.attach(FILES, last=last, begun=notes[0], begin=begin)
        assert len(await shared(served, surface)) == 1
        assert len(notes) == 1


async def test_files_that_were_announced_and_never_posted_are_posted() -> None:
    async with slack() as served:
        surface, last = await answered(served)

        async def begin(_: str) -> None:
            return

        await surface.attach(FILES, last=last, begun="F0001,F0002", begin=begin)
        assert len(await shared(served, surface)) == 1


async def test_a_post_whose_answer_was_lost_is_found() -> None:
    async with slack() as served:
        surface, last = await answered(served)
        notes: list[str] = []

        async def begin(note: str) -> None:
            notes.append(note)

        arm(served, "lose_reply", on="files.completeUploadExternal")
        with pytest.raises(PlatformUnavailable):
            await surface.attach(FILES, last=last, begun="", begin=begin)
        await surface.attach(FILES, last=last, begun=notes[0], begin=begin)
        assert len(await shared(served, surface)) == 1


async def test_without_the_scope_files_are_refused() -> None:
    async with slack(scopes=DEFAULT_SCOPES - {"files:write"}) as served:
        surface, last = await answered(served)

        async def begin(_: str) -> None:
            return

        with pytest.raises(FilesRefused, match="missing_scope"):
            await surface.attach(FILES, last=last, begun="", begin=begin)


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/x", "http://files.slack.com/x", "https://slack.com.evil.example", ""],
)
async def test_code_goes_to_no_foreign_address(url: str) -> None:
    async with slack() as served:
        calls = calls_of(served)
        with pytest.raises(PlatformUnavailable, match="address for a file"):
            _checked(calls, url)
        for good in ("https://files.slack.com/upload/v1/x", f"{calls.client.base_url}up"):
            assert str(_checked(calls, good)) == good
