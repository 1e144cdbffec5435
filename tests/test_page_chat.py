"""A person at the page, and a real bot behind it."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser import page_at
from tests.process import candor, soon, votes
from tests.scripted_model import scripted_model

pytestmark = pytest.mark.browser


async def test_a_person_asks_on_both_sides_of_the_page_and_votes(tmp_path: Path) -> None:
    async with scripted_model() as model:
        settings = {
            "CANDOR_STATE_DIR": str(tmp_path / "state"),
            "CANDOR_SANDBOX_PORT": "0",
            "CANDOR_MODEL_URL": model.url,
        }
        async with candor("run", said=tmp_path / "bot.log", settings=settings) as bot:
            url = (await bot.says(r"(http://127\.0\.0\.1:\d+)\n"))[1]
            async with page_at(url) as page:
                for side in (page.locator("#slack"), page.locator("#discord")):
                    await expect(side.locator(".connection")).to_have_attribute(
                        "data-connected", "true"
                    )
                    await side.locator(".person").select_option("carol")
                    await side.get_by_role("textbox").fill("@candor what is candour?")
                    await side.get_by_role("textbox").press("Enter")
                    answer = side.locator(".message[data-bot=true]")
                    await expect(answer.locator(".text")).to_have_text("I heard: what is candour?")
                    await side.locator('.chip[data-emoji="👎"]').click()

            async def voted() -> bool:
                listed = await votes(settings)
                found = {(each["platform"], each["person"]["name"]) for each in listed}
                return found == {("slack", "Carol"), ("discord", "Carol")}

            await soon(voted)
