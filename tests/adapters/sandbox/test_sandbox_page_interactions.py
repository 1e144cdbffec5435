"""The page in a real browser: buttons, commands, menus of messages, forms, private words."""

import pytest
from playwright.async_api import expect
from redis.asyncio import Redis

from adapters.discord.commands import MENU
from adapters.interaction import Form, Said
from adapters.sandbox.discord import DiscordWorld
from adapters.sandbox.server import Sandbox
from tests.adapters.core_bench import core_bench
from tests.adapters.discord.adapted import adapted
from tests.adapters.discord.desk import RecordingDesk
from tests.adapters.discord.offices import Bench
from tests.adapters.sandbox.discord_bench import TOKEN, Served
from tests.browser import page_at
from tests.waiting import until

pytestmark = pytest.mark.browser


async def test_a_person_uses_commands_buttons_menus_and_forms_at_the_page(client: "Redis") -> None:
    world = DiscordWorld(token=TOKEN)
    desk = RecordingDesk()
    async with Sandbox(platforms=[world], port=0) as sandbox, core_bench(client) as core:
        running = Served(world, sandbox.url)
        async with adapted(running, core, desk=desk) as one, page_at(sandbox.url) as page:
            room = Bench(running, core, desk, one)
            await until(world.commands)
            side = page.locator("#discord")
            await side.locator(".person").select_option("bob")
            box = side.get_by_role("textbox")

            await box.press_sequentially("/cand")
            await side.get_by_role("button", name="/candor help").click()
            await expect(box).to_have_value("/candor help")
            await box.press("Enter")
            told = side.locator(".message", has_text="Noted.")
            await expect(told.get_by_text("Only you can see this")).to_be_visible()
            await expect(box).to_have_value("")
            assert [command.name for command in desk.commands] == ["help"]

            await box.fill("/candor sing")
            await box.press("Enter")
            await expect(side.locator(".error")).to_contain_text("/candor: say which: help")
            await box.fill("/ask What is candour?")
            await box.press("Enter")
            echoed = side.locator(".message", has_text="Bob asks: What is candour?")
            await expect(echoed).to_be_visible()

            part = await room.answer("up", "down")
            desk.says = Said("Counted.", form=Form("reason", "t1"))
            await side.locator('.press[data-button="candor:down:t1"]').click()
            await side.get_by_role("button", name="Say why").click()
            modal = side.get_by_role("dialog")
            await expect(modal.get_by_role("heading")).to_have_text("What was wrong?")
            await modal.get_by_role("textbox").fill("It is wrong.")
            desk.says = Said("Thank you.")
            await modal.get_by_role("button", name="Submit").click()
            await expect(side.get_by_text("Thank you.")).to_be_visible()
            await expect(modal).to_be_hidden()
            assert [text for _, _, text in desk.forms] == ["It is wrong."]

            said = side.locator(f'[data-message="{part.message}"]')
            await said.hover()
            await said.get_by_role("button", name=MENU).click()
            await expect(modal).to_be_visible()
            await page.keyboard.press("Escape")
            await expect(modal).to_be_hidden()

            await side.get_by_role("button", name="group").click()
            await box.fill("/ask And here?")
            await box.press("Enter")
            await expect(side.get_by_text("And here?")).to_be_visible()
            await side.locator(".person").select_option("alice")
            await side.get_by_role("button", name="general").click()
            await expect(side.locator(".message", has_text="Bob asks")).to_be_visible()
            await expect(told).to_have_count(0)
