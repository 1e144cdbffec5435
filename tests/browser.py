"""The sandbox's page in a real headless Chromium."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def page_at(url: str, **context: Any) -> AsyncIterator[Page]:
    """The sandbox's page, open and live; the test fails when it logs or raises an error."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: install Debian's chromium package")
    troubles: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        try:
            page = await browser.new_page(**context)
            page.set_default_timeout(10_000)
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("console", lambda line: troubles.extend(_trouble(line)))
            await page.goto(url)
            await expect(page.locator("#live")).to_have_attribute("data-live", "on")
            yield page
        finally:
            await browser.close()
    assert troubles == []


def _trouble(line: ConsoleMessage) -> list[str]:
    """The error in a line of the console, breaches of the page's policy included, if it is one."""
    # The browser notes each answer over 399 and each lost connection; the page shows them itself.
    expected = line.text.startswith("Failed to load resource")
    return [line.text] if line.type == "error" and not expected else []
