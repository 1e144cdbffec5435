"""The main job, end to end: real processes, real discord.py and slack-bolt over real sockets."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.house import house
from tests.process import candor, soon, votes
from tests.scripted_model import Piece, ScriptedModel

PLATFORMS = ("slack", "discord")


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_question_in_a_channel_a_thread_and_a_direct_message_is_answered(
    platform: str, tmp_path: Path
) -> None:
    async with house(tmp_path) as up:
        asked = await up.seat.write(platform, "general", "alice", "@candor what is up?")
        answer = await up.seat.sees(platform, "general", "I heard: what is up?")
        if platform == "slack":
            assert answer[0]["thread"] == asked
        else:
            assert answer[0]["reply_to"] == asked

        root = await up.seat.write(platform, "random", "bob", "we talk about cats")
        await up.seat.write(platform, "random", "bob", "@candor and dogs?", thread=root)
        answer = await up.seat.sees(platform, "random", "I heard: and dogs?", "bob")
        assert answer[0]["thread"] == root

        await up.seat.write(platform, "dm", "carol", "hello in private")
        await up.seat.sees(platform, "dm", "I heard: hello in private", "carol")
        assert await up.seat.answers(platform, "dm", "alice") == []


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_thread_goes_on_without_a_mention_and_remembers_what_was_said(
    platform: str, tmp_path: Path
) -> None:
    async with house(tmp_path) as up:
        root = await up.seat.write(platform, "random", "bob", "a thread")
        first = await up.seat.write(platform, "random", "bob", "@candor one", thread=root)
        await up.seat.sees(platform, "random", "I heard: one", "bob", after=first)
        second = await up.seat.write(platform, "random", "alice", "two", thread=root)
        await up.seat.sees(platform, "random", "I heard: two", "bob", after=second)
        said = [message["content"] for message in up.model.requests[-1]["messages"]]
        before, _, one = said[1].rpartition("\n\n")
        assert '"Bob" wrote:\n  a thread\n' in before
        assert [one, *said[2:]] == ["one", "I heard: one", "two"]

        quiet = await up.seat.write(platform, "random", "alice", "@carol lunch?", thread=root)
        last = await up.seat.write(platform, "random", "alice", "three", thread=root)
        await up.seat.sees(platform, "random", "I heard: three", "bob", after=quiet)
        assert float(last) > float(quiet)
        assert len(up.model.requests) == 3


async def test_a_reply_to_an_answer_on_discord_goes_on_with_its_memory(tmp_path: Path) -> None:
    async with house(tmp_path) as up:
        await up.seat.write("discord", "general", "alice", "@candor one")
        [answer] = await up.seat.sees("discord", "general", "I heard: one")
        reply = await up.seat.write(
            "discord", "general", "bob", "@candor two", reply_to=answer["id"]
        )
        await up.seat.sees("discord", "general", "I heard: two", after=reply)
        said = [message["content"] for message in up.model.requests[-1]["messages"]]
        assert said[1:] == ["one", "I heard: one", "two"]
        other = await up.seat.write("discord", "general", "bob", "@candor three")
        await up.seat.sees("discord", "general", "I heard: three", after=other)
        assert len(up.model.requests[-1]["messages"]) == 2


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_chatter_that_is_not_for_the_bot_gets_no_answer(
    platform: str, tmp_path: Path
) -> None:
    async with house(tmp_path) as up:
        await up.seat.write(platform, "general", "alice", "good morning")
        await up.seat.write(platform, "general", "bob", "@alice are you there?")
        await up.seat.write(platform, "general", "carol", "@candor hi")
        await up.seat.sees(platform, "general", "I heard: hi")
        assert len(up.model.requests) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_answer_grows_and_is_whole_at_the_end_however_long_it_is(
    platform: str, tmp_path: Path
) -> None:
    going_on = asyncio.Event()
    text = "".join(f"Line {number} of a long answer, äöü 🙂.\n\n" for number in range(600)).strip()
    pieces: list[Piece] = [
        text[:300],
        going_on.wait,
        *(text[i : i + 40] for i in range(300, len(text), 40)),
    ]
    model = ScriptedModel(answer=lambda _: pieces)
    async with house(tmp_path, model) as up:
        asked = await up.seat.write(platform, "general", "alice", "@candor write a lot")

        async def begun() -> bool:
            answers = await up.seat.answers(platform, "general", after=asked)
            return [each["text"] for each in answers] == [text[:300].strip()]

        await soon(begun)
        going_on.set()

        async def whole() -> bool:
            parts = [each["text"] for each in await up.seat.answers(platform, "general")]
            return "\n\n".join(parts) == text

        await soon(whole)
        parts = await up.seat.answers(platform, "general")
        assert len(parts) > (2 if platform == "slack" else 10)
        assert parts[0]["edited"]
        for voter, part in (("bob", parts[0]), ("carol", parts[1]), ("carol", parts[-1])):
            await up.seat.react(platform, "general", part["id"], voter, "👍")

        async def both() -> bool:
            expected = {(platform, "Bob", 1), (platform, "Carol", 1)}
            return set(await up.votes()) == expected

        await soon(both)
        assert len(await up.votes()) == 2


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_reactions_become_votes_and_are_taken_back(platform: str, tmp_path: Path) -> None:
    async with house(tmp_path) as up:
        asked = await up.seat.write(platform, "general", "alice", "@candor a joke")
        [answer] = await up.seat.sees(platform, "general", "I heard: a joke")
        up_emoji = "+1::skin-tone-3" if platform == "slack" else "👍🏽"

        async def now(*expected: tuple[str, int]) -> None:
            async def reached() -> bool:
                found = {(name, value) for _, name, value in await up.votes()}
                return found == set(expected)

            await soon(reached, lambda: f"not {expected}")

        await up.seat.react(platform, "general", answer["id"], "alice", up_emoji)
        await up.seat.react(platform, "general", answer["id"], "bob", "👎")
        await up.seat.react(platform, "general", answer["id"], "carol", "🎉")
        await up.seat.react(platform, "general", asked, "dave", "👍")
        await now(("Alice", 1), ("Bob", -1))
        await up.seat.react(platform, "general", answer["id"], "bob", "👍")
        await now(("Alice", 1), ("Bob", 0))
        await up.seat.react(platform, "general", answer["id"], "bob", "👎", present=False)
        await now(("Alice", 1), ("Bob", 1))
        await up.seat.react(platform, "general", answer["id"], "alice", up_emoji, present=False)
        await now(("Bob", 1))
        [vote] = await votes(up.settings)
        assert vote["question"] == "a joke"
        assert len(vote["release"]) == 12


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_memory_and_votes_are_there_after_a_restart(
    platform: str, end: signal.Signals, tmp_path: Path
) -> None:
    async with house(tmp_path) as up:
        await up.seat.write(platform, "dm", "alice", "one")
        [answer] = await up.seat.sees(platform, "dm", "I heard: one")
        await up.seat.react(platform, "dm", answer["id"], "alice", "👎")

        async def voted() -> bool:
            return await up.votes() == [(platform, "Alice", -1)]

        await soon(voted)
        up.bot.process.send_signal(end)
        await up.bot.ends()
        async with candor("run", said=tmp_path / "again.log", settings=up.settings) as again:
            await again.says("Candor is ready")
            assert await voted()
            second = await up.seat.write(platform, "dm", "alice", "two")
            await up.seat.sees(platform, "dm", "I heard: two", after=second)
            said = [message["content"] for message in up.model.requests[-1]["messages"]]
            assert said[1:] == ["one", "I heard: one", "two"]
            await up.seat.react(platform, "dm", answer["id"], "alice", "👎", present=False)

            async def retracted() -> bool:
                return await up.votes() == []

            await soon(retracted)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_answer_that_runs_at_the_stop_is_finished(platform: str, tmp_path: Path) -> None:
    going_on = asyncio.Event()
    model = ScriptedModel(answer=lambda _: ["half", going_on.wait, " and half"])
    async with house(tmp_path, model) as up:
        await up.seat.write(platform, "dm", "alice", "go")
        await up.seat.sees(platform, "dm", "half")
        up.bot.process.terminate()
        await up.bot.says('"stopping"')
        going_on.set()
        await up.seat.sees(platform, "dm", "half and half")
        assert await up.bot.ends() == 0


async def test_slack_over_signed_http_works_like_socket_mode(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    http = {"CANDOR_SLACK_MODE": "http", "CANDOR_SLACK_PORT": str(unused_tcp_port)}
    async with house(tmp_path, more=http) as up:
        asked = await up.seat.write("slack", "general", "alice", "@candor over http")
        [answer] = await up.seat.sees("slack", "general", "I heard: over http")
        assert answer["thread"] == asked
        await up.seat.react("slack", "general", answer["id"], "bob", "👍")

        async def voted() -> bool:
            return await up.votes() == [("slack", "Bob", 1)]

        await soon(voted)
        assert len(up.model.requests) == 1


async def test_people_are_answered_side_by_side_and_each_gets_their_own_text(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as up:
        people = ("alice", "bob", "carol", "dave")
        for platform in PLATFORMS:
            for person in people:
                await up.seat.write(platform, "dm", person, f"I am {person} on {platform}")
        for platform in PLATFORMS:
            for person in people:
                expected = f"I heard: I am {person} on {platform}"
                await up.seat.sees(platform, "dm", expected, person)


async def test_a_stopped_bot_leaves_no_server_behind(tmp_path: Path) -> None:
    async with house(tmp_path) as up:
        pid_file = tmp_path / "state/valkey/valkey.pid"  # Valkey removes it when it ends
        assert pid_file.exists()
        assert await up.bot.stop() == 0
        assert not pid_file.exists()
