"""What a log may not show."""

import subprocess
import sys

import pytest

SCRIPT = """
import structlog
from bot.logs import set_up
from bot.settings import LogSettings

set_up(LogSettings(format={format!r}))

def call(token):
    raise ValueError("it broke")

try:
    call("xoxb-" + "hunter2")
except ValueError:
    structlog.get_logger().exception("event failed")
"""


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_shows_where_it_broke_and_no_variables(style: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(format=style)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stderr
    assert "event failed" in shown
    assert "it broke" in shown
    assert "in call" in shown
    assert "xoxb-hunter2" not in shown
