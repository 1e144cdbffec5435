"""Which emoji are a vote, and which way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.feedback.signal import DOWN, UP, sign_of

TONES = "🏻🏼🏽🏾🏿"


@pytest.mark.parametrize("emoji", ["👍", "+1", "thumbsup", ":+1:", ":thumbsup:", "👍\ufe0f"])
def test_a_thumb_up_is_plus(emoji: str) -> None:
    assert sign_of(emoji) == "+"


@pytest.mark.parametrize("emoji", ["👎", "-1", "thumbsdown", ":-1:", ":thumbsdown:", "👎\ufe0f"])
def test_a_thumb_down_is_minus(emoji: str) -> None:
    assert sign_of(emoji) == "-"


@pytest.mark.parametrize("tone", TONES)
def test_a_skin_tone_changes_nothing(tone: str) -> None:
    assert sign_of(f"👍{tone}") == "+"
    assert sign_of(f"👎{tone}") == "-"
    assert sign_of(f"👍{tone}\ufe0f") == "+"


@pytest.mark.parametrize("tone", range(2, 7))
def test_slack_s_name_of_a_skin_tone_changes_nothing(tone: int) -> None:
    assert sign_of(f"+1::skin-tone-{tone}") == "+"
    assert sign_of(f"-1::skin-tone-{tone}") == "-"
    assert sign_of(f":thumbsup::skin-tone-{tone}:") == "+"


@pytest.mark.parametrize(
    "emoji",
    ["", "❤️", "🎉", "eyes", "thumbs", "+2", "1", "-", "+", "+1+1", "👍👎", "👍👍", "THUMBSUP",
     "up", "1279434512345678901", "skin-tone-2", "::skin-tone-2", "🏽", "\ufe0f", "👍\u200d👎"],
)  # fmt: skip
def test_anything_else_is_no_vote(emoji: str) -> None:
    assert sign_of(emoji) is None


def test_no_emoji_is_both() -> None:
    assert not UP & DOWN


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert sign_of(text) in {"+", "-", None}
