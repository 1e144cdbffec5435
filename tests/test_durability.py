"""Never twice, never lost: crashes, stops and outages, with real processes over real sockets."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bot.store.embedded import embedded_server
from tests.house import house
from tests.process import candor, soon
from tests.scripted_model import Piece, ScriptedModel

PLATFORMS = ("slack", "discord")


class Half:
    """A model that says half of its answers and waits to be let go."""

    def __init__(self, half: str = "half", rest: str = " and half") -> None:
        self.let_go = asyncio.Event()
        pieces: list[Piece] = [half, self.let_go.wait, rest]
        self.server = ScriptedModel(answer=lambda _: pieces)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_half_an_answer_is_finished_in_place_after_a_crash(
    platform: str, tmp_path: Path
) -> None:
    model = Half()
    async with house(tmp_path, model.server) as up:
        await up.seat.write(platform, "dm", "alice", "go")
        [half] = await up.seat.sees(platform, "dm", "half")
        await asyncio.sleep(0.7)  # the text so far is saved twice a second
        await up.kill()
        model.let_go.set()
        await up.start()
        [whole] = await up.seat.sees(platform, "dm", "half and half")
        assert whole["id"] == half["id"]
        assert [request["messages"][-1]["role"] for request in model.server.requests] == [
            "user",
            "assistant",
        ]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_long_answer_cut_by_a_crash_keeps_its_messages(
    platform: str, tmp_path: Path
) -> None:
    long = "".join(f"Line {number} of a long answer.\n\n" for number in range(500))
    model = Half(long, "The end.")
    model.server.context = 100_000
    async with house(tmp_path, model.server, {"CANDOR_MODEL_MAX_TOKENS": "10000"}) as up:
        await up.seat.write(platform, "general", "alice", "@candor go")

        async def begun() -> bool:
            answers = await up.seat.answers(platform, "general")
            return bool(answers) and "Line 499 " in answers[-1]["text"]

        await soon(begun)
        before = [each["id"] for each in await up.seat.answers(platform, "general")]
        assert len(before) > 1
        await asyncio.sleep(0.7)
        await up.kill()
        model.let_go.set()
        await up.start()

        async def whole() -> bool:
            answers = await up.seat.answers(platform, "general")
            return "\n\n".join(each["text"] for each in answers) == f"{long}The end."

        await soon(whole)
        assert [each["id"] for each in await up.seat.answers(platform, "general")] == before


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_answer_too_old_to_go_on_with_is_marked_in_place(
    platform: str, tmp_path: Path
) -> None:
    model = Half()
    async with house(tmp_path, model.server) as up:
        await up.seat.write(platform, "dm", "alice", "go")
        [half] = await up.seat.sees(platform, "dm", "half")
        await asyncio.sleep(0.7)
        await up.kill()
        await up.start(CANDOR_CHAT_RESUME_S="0")

        async def marked() -> bool:
            [answer] = await up.seat.answers(platform, "dm")
            return answer["text"].startswith("half\n\n") and "ask again" in answer["text"]

        await soon(marked)
        [answer] = await up.seat.answers(platform, "dm")
        assert answer["id"] == half["id"]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_stop_says_so_and_the_next_start_finishes_the_answer(
    platform: str, tmp_path: Path
) -> None:
    model = Half()
    async with house(tmp_path, model.server, {"CANDOR_CHAT_STOP_S": "0.5"}) as up:
        await up.seat.write(platform, "dm", "alice", "go")
        await up.seat.sees(platform, "dm", "half")
        assert await up.bot.stop() == 0
        [answer] = await up.seat.answers(platform, "dm")
        assert answer["text"].startswith("half\n\n")
        assert "restarted" in answer["text"]
        model.let_go.set()
        await up.start()
        await up.seat.sees(platform, "dm", "half and half")


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_second_signal_stops_at_once_and_leaves_the_rest_to_the_next_start(
    platform: str, tmp_path: Path
) -> None:
    model = Half()
    async with house(tmp_path, model.server) as up:
        await up.seat.write(platform, "dm", "alice", "go")
        await up.seat.sees(platform, "dm", "half")
        up.bot.process.send_signal(signal.SIGTERM)
        await up.bot.says('"stopping"')
        up.bot.process.send_signal(signal.SIGTERM)
        assert await up.bot.ends(5) == 0
        await up.seat.sees(platform, "dm", "half")
        model.let_go.set()
        await up.start()
        await up.seat.sees(platform, "dm", "half and half")


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_was_asked_and_voted_while_the_bot_was_away_is_caught_up_on(
    platform: str, tmp_path: Path
) -> None:
    async with house(tmp_path) as up:
        await up.seat.write(platform, "dm", "alice", "one")
        [answer] = await up.seat.sees(platform, "dm", "I heard: one")
        root = await up.seat.write(platform, "random", "bob", "a thread")
        await up.seat.write(platform, "random", "bob", "@candor two", thread=root)
        await up.seat.sees(platform, "random", "I heard: two", "bob")
        await up.seat.react(platform, "dm", answer["id"], "alice", "👍")

        async def voted() -> bool:
            return await up.votes() == [(platform, "Alice", 1)]

        await soon(voted)
        await up.kill()
        await asyncio.sleep(12)  # longer than Slack's first repeats in the sandbox
        await up.seat.react(platform, "dm", answer["id"], "alice", "👍", present=False)
        await up.seat.react(platform, "dm", answer["id"], "alice", "👎")
        asked = [
            ("general", await up.seat.write(platform, "general", "carol", "@candor three")),
            ("random", await up.seat.write(platform, "random", "dave", "four", thread=root)),
            ("dm", await up.seat.write(platform, "dm", "alice", "five")),
        ]
        await up.start()
        for (channel, after), text in zip(asked, ("three", "four", "five"), strict=True):
            await up.seat.sees(platform, channel, f"I heard: {text}", after=after)

        async def changed() -> bool:
            return await up.votes() == [(platform, "Alice", -1)]

        await soon(changed)
        assert len(up.model.requests) == 5


async def test_how_far_back_is_looked_is_what_the_settings_say(tmp_path: Path) -> None:
    """On Discord: Slack delivers again by itself."""
    async with house(tmp_path) as up:
        await up.seat.write("discord", "dm", "alice", "one")
        [answer] = await up.seat.sees("discord", "dm", "I heard: one")
        await up.bot.says('"status": "done"')  # an answer that is taken up is read back anyway
        await up.kill()
        await up.seat.react("discord", "dm", answer["id"], "alice", "👍")
        await up.seat.write("discord", "dm", "alice", "two")
        await up.start(CANDOR_CHAT_CATCH_UP_S="0", CANDOR_CHAT_VOTES_BACK_S="0")
        await up.bot.says('"discord".*"caught up"')
        asked = await up.seat.write("discord", "dm", "alice", "three")
        await up.seat.sees("discord", "dm", "I heard: three", after=asked)
        assert len(up.model.requests) == 2
        assert await up.votes() == []


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_question_edited_while_it_waits_is_answered_as_edited_and_a_deleted_one_is_not(
    platform: str, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    model = ScriptedModel(answer=lambda messages: [gate.wait, "I heard: ", messages[-1]["content"]])
    async with house(tmp_path, model) as up:
        await up.seat.write(platform, "dm", "alice", "one")
        await soon(lambda: _true(model.running == 1))
        second = await up.seat.write(platform, "dm", "alice", "two")
        third = await up.seat.write(platform, "dm", "alice", "three")
        await up.bot.says(rf"{third}.*new|new.*{third}")
        await up.seat.edit(platform, "dm", "alice", second, "two and a half")
        await up.seat.delete(platform, "dm", "alice", third)
        await up.bot.says("question edited")
        await up.bot.says("message deleted")
        gate.set()
        await up.seat.write(platform, "dm", "alice", "four")

        async def answered() -> bool:
            answers = [each["text"] for each in await up.seat.answers(platform, "dm")]
            return answers == ["I heard: one", "I heard: two and a half", "I heard: four"]

        await soon(answered)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_running_answer_stops_when_its_question_is_deleted(
    platform: str, tmp_path: Path
) -> None:
    model = Half()
    async with house(tmp_path, model.server) as up:
        asked = await up.seat.write(platform, "general", "alice", "@candor go")
        await up.seat.sees(platform, "general", "half")
        await up.seat.delete(platform, "general", "alice", asked)

        async def stopped() -> bool:
            [answer] = await up.seat.answers(platform, "general")
            return "question was deleted" in answer["text"] and model.server.running == 0

        await soon(stopped)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_post_whose_reply_is_lost_is_not_posted_twice(
    platform: str, tmp_path: Path
) -> None:
    post = "chat.postMessage" if platform == "slack" else "POST /channels/{channel_id}/messages"
    async with house(tmp_path) as up:
        await up.seat.arm(platform, "lose_reply", on=post)
        await up.seat.write(platform, "dm", "alice", "one")
        await up.seat.sees(platform, "dm", "I heard: one")
        again = await up.seat.write(platform, "dm", "alice", "two")
        await up.seat.sees(platform, "dm", "I heard: two", after=again)
        assert len(await up.seat.answers(platform, "dm")) == 2


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_while_redis_is_gone_questions_wait_with_a_notice_and_are_answered_after(
    platform: str, tmp_path: Path
) -> None:
    """The bot's own Valkey is frozen, as by a machine that hangs."""
    more = {"CANDOR_REDIS_TIMEOUT_S": "0.5"}
    async with house(tmp_path, more=more) as up:
        await up.seat.write(platform, "dm", "bob", "before")
        await up.seat.sees(platform, "dm", "I heard: before", "bob")
        valkey = int((tmp_path / "state/valkey/valkey.pid").read_text())
        _signal(valkey, signal.SIGSTOP)
        try:
            await up.seat.write(platform, "dm", "alice", "during")

            async def told() -> bool:
                answers = await up.seat.answers(platform, "dm")
                return len(answers) == 1 and "memory" in answers[0]["text"]

            await soon(told)
        finally:
            _signal(valkey, signal.SIGCONT)
        await up.seat.sees(platform, "dm", "I heard: during")
        assert len(up.model.requests) == 2


@pytest.mark.slow
async def test_of_two_bots_on_one_redis_each_question_is_one_s_and_the_dead_one_s_the_other_s(
    tmp_path: Path,
) -> None:
    going_on = asyncio.Event()

    def answer(messages: list[dict[str, str]]) -> list[Piece]:
        asked = messages[-1]["content"]
        return ["I heard: ", *([going_on.wait] if asked == "slow" else []), asked]

    async with embedded_server(tmp_path / "redis") as url:
        more = {"CANDOR_REDIS_URL": url}
        async with house(tmp_path, ScriptedModel(answer=answer), more) as up:
            second = {**up.settings, "CANDOR_STATE_DIR": str(tmp_path / "second")}
            async with candor("run", said=tmp_path / "second.log", settings=second) as other:
                await other.says("Candor is ready")
                for platform in PLATFORMS:
                    for number in range(5):
                        asked = await up.seat.write(platform, "dm", "alice", f"q{number}")
                        await up.seat.sees(platform, "dm", f"I heard: q{number}", after=asked)
                for person in ("bob", "carol", "dave"):
                    await up.seat.write("discord", "dm", person, "slow")
                    await up.seat.sees("discord", "dm", "I heard:", person)
                await up.kill()
                going_on.set()
                for person in ("bob", "carol", "dave"):
                    await up.seat.sees("discord", "dm", "I heard: slow", person)
                assert await other.stop() == 0
            answered = [
                path.read_text().count('"event": "answer"')
                for path in (up.said, tmp_path / "second.log")
            ]
            assert sum(answered) == 13
            assert min(answered) > 0


def _signal(pid: int, what: signal.Signals) -> None:
    os.kill(pid, what)


async def _true(value: bool) -> bool:
    return value
