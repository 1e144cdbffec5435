"""The page in a real browser: what a person sees and does there."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, expect

from adapters.sandbox.faults import Fault, Passing
from tests.adapters.sandbox.tiny_platform import World, serving
from tests.browser import page_at

pytestmark = pytest.mark.browser


@asynccontextmanager
async def sitting_at(world: World, **context: Any) -> AsyncIterator[Page]:
    """The world's page, open and live."""
    async with page_at(world.sandbox.url, **context) as page:
        yield page


async def test_a_person_writes_and_sees_the_answer_grow() -> None:
    async with serving() as world, sitting_at(world) as page:
        slack, discord = page.locator("#slack"), page.locator("#discord")
        await expect(slack.get_by_role("heading", level=2)).to_have_text("Slack")
        await expect(discord.get_by_role("heading", level=2)).to_have_text("Discord")
        await expect(slack.get_by_text("Nothing here yet")).to_be_visible()

        await slack.get_by_label("Write on Slack as").select_option("bob")
        box = slack.get_by_role("textbox", name="Message #general on Slack as bob")
        await box.fill("@candor what is")
        await box.press("Shift+Enter")
        await box.press_sequentially("candour?")
        await box.press("Enter")

        question = slack.locator(".message[data-user=bob]")
        await expect(question.locator(".text")).to_have_text("@candor what is\ncandour?")
        await expect(question.locator(".mention")).to_have_text("@candor")
        await expect(question.locator("time")).to_have_text(re.compile(r"\d\d:\d\d"))
        await expect(box).to_have_value("")
        (asked,) = world.slack.messages(channel="general", user="bob")
        assert (asked.user, asked.text) == ("bob", "@candor what is\ncandour?")

        world.slack.show_activity("typing")
        await expect(slack.get_by_text("candor is typing…")).to_be_visible()
        answer = world.slack.say("Candour is")
        shown = slack.locator(f'[data-message="{answer}"]')
        await expect(shown.get_by_text("BOT")).to_be_visible()
        await expect(shown.get_by_text("(edited)")).to_be_hidden()
        world.slack.rewrite(answer, "Candour is honesty.")
        world.slack.show_activity(None)
        await expect(shown.locator(".text")).to_have_text("Candour is honesty.")
        await expect(shown.get_by_text("(edited)")).to_be_visible()
        await expect(slack.get_by_text("candor is typing…")).to_be_hidden()
        await expect(discord.locator(".message")).to_have_count(0)


async def test_a_person_edits_and_deletes_their_own_messages_alone() -> None:
    async with serving() as world, sitting_at(world) as page:
        side = page.locator("#discord")
        for user in ("alice", "bob"):
            await world.discord.post(channel="general", user=user, text=f"{user} asks")
        mine, other = (side.locator(f".message[data-user={user}]") for user in ("alice", "bob"))
        await other.hover()
        await expect(other.get_by_role("button", name="Edit")).to_be_hidden()
        await expect(other.get_by_role("button", name="Delete")).to_be_hidden()

        await mine.hover()
        await mine.get_by_role("button", name="Edit").click()
        box = side.locator(".write")
        await expect(side.get_by_text("Editing alice: alice asks")).to_be_visible()
        await expect(box).to_have_value("alice asks")
        await box.fill("alice wonders")
        await box.press("Enter")
        await expect(mine.locator(".text")).to_have_text("alice wonders")
        await expect(mine.get_by_text("(edited)")).to_be_visible()
        await expect(box).to_have_value("")

        await mine.hover()
        await mine.get_by_role("button", name="Edit").click()
        await box.press("Escape")
        await expect(box).to_have_value("")
        await mine.get_by_role("button", name="Delete").click()
        await expect(mine).to_have_count(0)
        (left,) = world.discord.messages(channel="general", user="bob")
        assert left.user == "bob"


@pytest.mark.parametrize("name", ["slack", "discord"])
async def test_a_click_gives_the_thumb_and_another_takes_it_back(name: str) -> None:
    async with serving() as world, sitting_at(world) as page:
        platform = world.slack if name == "slack" else world.discord
        answer = platform.say("Hello")
        await platform.react(
            channel="general", message=answer, user="alice", emoji="👍", present=True
        )
        side = page.locator(f"#{name}")
        await side.locator(".person").select_option("bob")
        chip = side.locator('.chip[data-emoji="👍"]')
        await expect(chip).to_have_attribute("aria-pressed", "false")

        await chip.click()
        await expect(chip).to_have_text("👍2")
        await expect(chip).to_have_attribute("aria-pressed", "true")
        await expect(chip).to_have_attribute("title", "alice and bob reacted with 👍")
        (seen,) = platform.messages(channel="general", user="bob")
        assert seen.reactions[0].users == ("alice", "bob")

        await chip.click()
        await expect(chip).to_have_text("👍1")
        (seen,) = platform.messages(channel="general", user="bob")
        assert seen.reactions[0].users == ("alice",)

        await platform.react(
            channel="general", message=answer, user="dave", emoji="party_parrot", present=True
        )
        custom = side.locator(".chip").nth(2)
        await expect(custom).to_have_text(":party_parrot:1")
        await custom.click()
        await expect(custom).to_have_attribute("title", "dave and bob reacted with :party_parrot:")

        await side.locator('.chip[data-emoji="👎"]').click()
        await expect(side.locator('.chip[data-emoji="👎"]')).to_have_text("👎1")


async def test_a_person_answers_in_a_thread_and_replies() -> None:
    async with serving() as world, sitting_at(world) as page:
        side = page.locator("#discord")
        root = world.discord.say("A question of the day")
        for index in range(30):
            world.discord.say(f"line {index}")
        shown = side.locator(f'[data-message="{root}"]')
        await shown.hover()
        await shown.get_by_role("button", name="Answer in thread").click()
        await expect(side.locator(".context")).to_contain_text("Answering in the thread of candor")
        box = side.locator(".write")
        await box.fill("My answer")
        await box.press("Enter")
        inside = shown.locator(".thread .message")
        await expect(inside.locator(".text")).to_have_text("My answer")
        await expect(inside).to_be_in_viewport()
        assert world.discord.messages(channel="general", user="alice")[-1].thread == root

        await box.press("Escape")
        await expect(side.locator(".context")).to_be_hidden()
        await inside.hover()
        await inside.get_by_role("button", name="Reply").click()
        await box.fill("And one more")
        await box.press("Enter")
        await expect(inside.nth(1).locator(".quote")).to_have_text("alice: My answer")
        first, last = world.discord.messages(channel="general", user="alice")[-2:]
        assert (last.thread, last.reply_to) == (root, first.id)


async def test_channels_and_direct_messages_are_a_click_away() -> None:
    async with serving() as world, sitting_at(world) as page:
        world.discord.say("in general")
        world.discord.say("in random", channel="random")
        world.discord.say("for alice", channel="dm:alice")
        world.discord.say("for carol", channel="dm:carol")
        side = page.locator("#discord")
        texts = side.locator(".text")
        await expect(texts).to_have_text(["in general"])
        await side.get_by_role("button", name="random").click()
        await expect(texts).to_have_text(["in random"])
        await side.get_by_role("button", name="Direct message").click()
        await expect(texts).to_have_text(["for alice"])
        await side.locator(".person").select_option("carol")
        await expect(texts).to_have_text(["for carol"])
        await side.locator(".write").fill("hello")
        await side.get_by_role("button", name="Send").click()
        await expect(texts).to_have_text(["for carol", "hello"])
        assert world.discord.messages(channel="dm", user="carol")[-1].user == "carol"


async def test_markdown_is_drawn_and_markup_stays_text() -> None:
    attack = "<img src=x onerror=\"document.title='taken'\"><script>document.title=1</script>"
    async with serving() as world, sitting_at(world) as page:
        message = world.slack.say(
            f"# Title\n{attack}\n**bold** *it* _it_ `**code**` snake_case_name 2 * 3 * 4\n"
            f"- one\n  1. two\n- three\n\n```python\n{attack}\n**raw**\n```\n> quoted"
        )
        text = page.locator(f'[data-message="{message}"] .text')
        await expect(text.get_by_role("heading")).to_have_text("Title")
        await expect(text.locator("p").nth(1)).to_contain_text(attack)
        await expect(text.locator("strong")).to_have_text(["bold"])
        await expect(text.locator("em")).to_have_text(["it", "it"])
        await expect(text.locator("p code")).to_have_text("**code**")
        await expect(text.locator("ul > li")).to_have_count(2)
        await expect(text.locator("ul > li > ol > li")).to_have_text("two")
        await expect(text.locator("pre code")).to_have_text(f"{attack}\n**raw**")
        await expect(text.locator("blockquote")).to_have_text("quoted")
        await expect(text.locator("img, script")).to_have_count(0)
        await expect(page).to_have_title("Candor sandbox")


async def test_what_is_already_there_survives_a_growing_answer() -> None:
    async with serving() as world, sitting_at(world) as page:
        for index in range(40):
            world.slack.say(f"line {index}")
        answer = world.slack.say("First paragraph.\n\nSecond")
        scroll = page.locator("#slack .scroll")
        last = page.locator(f'#slack [data-message="{answer}"] .text p')
        await expect(last).to_have_count(2)
        # At the bottom, the newest stays in sight.
        world.slack.rewrite(answer, "First paragraph.\n\nSecond grows\n" + "and grows\n" * 40)
        await expect(last.nth(1)).to_contain_text("and grows")
        below = "node => node.scrollHeight - node.scrollTop - node.clientHeight"
        assert await scroll.evaluate(below) < 2
        # Further up, nothing moves, and a selection in the answer stays.
        await last.first.evaluate("node => getSelection().selectAllChildren(node)")
        await scroll.evaluate("node => { node.scrollTop = 100; }")
        await expect(page.get_by_role("button", name="↓ Latest").first).to_be_visible()
        world.slack.rewrite(answer, "First paragraph.\n\nSecond is done\n" + "and grows\n" * 60)
        await expect(last.nth(1)).to_contain_text("Second is done")
        assert await scroll.evaluate("node => node.scrollTop") == 100
        assert await page.evaluate("getSelection().toString()") == "First paragraph."
        await page.locator("#slack").get_by_role("button", name="↓ Latest").click()
        await expect(page.locator("#slack .latest")).to_be_hidden()


async def test_a_refusal_is_shown_and_the_text_is_kept() -> None:
    async with serving() as world, sitting_at(world) as page:
        side = page.locator("#slack")
        message = world.slack.say("Soon gone")
        shown = side.locator(f'[data-message="{message}"]')
        await shown.hover()
        await shown.get_by_role("button", name="Answer in thread").click()
        world.slack.forget("general")
        await side.locator(".write").fill("an answer")
        await expect(side.locator(".error")).to_be_hidden()
        await side.locator(".write").press("Enter")
        await expect(side.get_by_role("alert")).to_have_text(f"message: '{message}' is unknown")
        await expect(side.locator(".write")).to_have_value("an answer")


async def test_connections_are_shown_as_they_come_and_go() -> None:
    async with serving() as world, sitting_at(world) as page:
        shown = page.locator("#slack .connection")
        await expect(shown).to_have_text("candor is connected")
        world.slack.connect(False)
        await expect(shown).to_have_text("waiting for candor to connect")
        await world.sandbox.close()
        await expect(page.locator("#live")).to_have_text("reconnecting…")


async def test_faults_are_armed_listed_and_taken_back_with_the_keyboard_alone() -> None:
    async with serving() as world, sitting_at(world) as page:
        panel = page.locator("#faults")
        await panel.locator("summary").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(panel.get_by_label("platform")).to_be_focused()
        await page.keyboard.type("discord")
        await page.keyboard.press("Tab")
        await page.keyboard.type("refuse")
        await expect(panel.locator(".about")).to_have_text("it is refused")
        await expect(panel.get_by_label("seconds")).to_be_hidden()
        await page.keyboard.press("Tab")
        await page.keyboard.type("harshly")
        await page.keyboard.press("Tab")
        await page.keyboard.type("update")
        await page.keyboard.press("Tab")
        await expect(panel.get_by_label("times")).to_be_focused()
        await page.keyboard.press("ControlOrMeta+a")
        await page.keyboard.type("3")
        await page.keyboard.press("Enter")

        armed = panel.locator(".armed li")
        await expect(armed).to_contain_text("discord · refuse · harshly · on update · 3 more")
        (one,) = world.discord.faults.armed
        wanted = Fault(kind="refuse", variant="harshly", on="update", times=3)
        assert one.fault == wanted
        assert world.discord.faults.strike("call", Passing("update", "general"))
        await expect(panel.locator(".fired li")).to_contain_text(
            "discord · refuse · harshly · on update · #general"
        )
        await expect(armed).to_contain_text("2 more")
        await expect(panel.locator(".count")).to_have_text("1 armed, 1 fired")

        await armed.get_by_role("button", name="Take back").focus()
        await page.keyboard.press("Enter")
        await expect(armed).to_have_count(0)
        assert world.discord.faults.armed == ()


async def test_an_act_happens_now_and_its_refusal_is_shown() -> None:
    async with serving() as world, sitting_at(world) as page:
        panel = page.locator("#faults")
        await panel.locator("summary").click()
        await panel.locator("[name=kind]").select_option("cut")
        await expect(panel.get_by_label("times")).to_be_hidden()
        await panel.get_by_label("code").fill("4009")
        await panel.get_by_role("button", name="Arm").click()
        await expect(panel.locator(".fired li")).to_contain_text("slack · cut")
        (performed,) = world.slack.performed
        assert performed.code == 4009
        world.slack.connect(False)
        await panel.get_by_role("button", name="Arm").click()
        await expect(panel.get_by_role("alert")).to_have_text("no bot is connected")

        await panel.locator("[name=on]").select_option("post")
        await panel.get_by_role("button", name="Arm").click()
        await expect(panel.locator(".armed li")).to_have_count(1)
        await expect(panel.get_by_role("alert")).to_be_hidden()
        await panel.get_by_role("button", name="Clear").click()
        await expect(panel.locator(".armed li")).to_have_count(0)


async def test_a_phone_shows_all_of_it_without_scrolling_sideways() -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    async with serving() as world, sitting_at(world, **phone) as page:
        world.slack.say("```\n" + "wide " * 80 + "\n```\n" + "unbroken" * 40)
        await world.slack.post(channel="general", user="bob", text="x" * 400)
        await expect(page.locator("#slack .message")).to_have_count(2)
        await page.locator("#faults summary").click()
        await expect(page.locator("#faults form")).to_be_visible()
        width = "[document.documentElement.scrollWidth, innerWidth]"
        assert await page.evaluate(width) == [360, 360]
        slack = await page.locator("#slack").bounding_box()
        discord = await page.locator("#discord").bounding_box()
        assert slack is not None
        assert discord is not None
        assert discord["y"] >= slack["y"] + slack["height"]
        # Nothing hovers on a phone, so what can be done with a message is in sight.
        await expect(page.locator("#slack .actions").last).to_have_css("opacity", "1")
