"""What a question is about besides its own words, on both platforms, over real sockets."""

import asyncio

import pytest
from redis.asyncio import Redis

from bot.domain import Platform
from bot.settings import ContextSettings
from tests.adapters.context_bench import table
from tests.bot.context import made
from tests.scripted_model import ScriptedModel

BOTH = pytest.mark.parametrize("platform", ["slack", "discord"])


@BOTH
async def test_files_are_read_before_the_question_and_are_there_for_a_follow_up(
    client: "Redis", platform: Platform
) -> None:
    files = {
        "notes.md": "# Notes\nThe colour is teal.".encode(),
        "report.pdf": made.pdf(["Costs went up.", "Income went down."]),
        "plan.docx": made.docx_file("Ship in May.", table=[["who", "what"], ["Ana", "tests"]]),
    }
    async with table(platform, client) as at:
        asked = await at.send("@candor what is the colour?", files)
        turn = await at.turn(asked)
        question = at.last_question()
        for told in ("The colour is teal.", "Costs went up.", "Income went", "Ship in May."):
            assert told in question
        assert "# The plan" in question
        assert "| Ana | tests |" in question
        assert question.endswith("\n\nwhat is the colour?")
        assert at.shown() == "Done."
        assert turn.text == "what is the colour?"
        assert [(file.name, file.url) for file in turn.attachments] == [
            (name, "") for name in files
        ]
        where = {"thread": asked} if platform == "slack" else {"reply_to": at.by_bot()[-1].id}
        await at.turn(await at.say("And the plan?", **where))
        first, answer, follow_up = at.asked()
        assert "The colour is teal." in first["content"]
        assert answer["content"] == "Done."
        assert follow_up["content"] == "And the plan?"
