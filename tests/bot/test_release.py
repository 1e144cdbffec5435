"""A release is named by its content."""

from collections.abc import Callable

import pytest

from bot.domain import Release
from bot.model_settings import ModelSettings
from bot.release import release_of


def test_a_release_holds_what_the_settings_say() -> None:
    settings = ModelSettings(system_prompt="Be brief.", temperature=0, max_tokens=9)
    release = release_of(settings, "smollm2", 12.5)
    assert release.model == "smollm2"
    assert release.system_prompt == "Be brief."
    assert release.sampling.temperature == 0
    assert release.sampling.max_tokens == 9
    assert release.created_at == 12.5


def test_the_same_content_has_the_same_name_whenever_it_is_made() -> None:
    first = release_of(ModelSettings(), "smollm2", 1.0)
    assert release_of(ModelSettings(), "smollm2", 2.0).id == first.id
    assert len(first.id) == 12
    assert set(first.id) <= set("0123456789abcdef")


def test_how_the_model_is_reached_is_no_content() -> None:
    elsewhere = ModelSettings(url="http://10.0.0.1/v1", timeout_s=5, wait_s=5)
    assert release_of(elsewhere, "m", 1.0).id == release_of(ModelSettings(), "m", 1.0).id


@pytest.mark.parametrize(
    "changed",
    [
        lambda: release_of(ModelSettings(), "other", 1.0),
        lambda: release_of(ModelSettings(system_prompt="Be long."), "m", 1.0),
        lambda: release_of(ModelSettings(temperature=0.61), "m", 1.0),
        lambda: release_of(ModelSettings(top_p=0.91), "m", 1.0),
        lambda: release_of(ModelSettings(repetition_penalty=1.11), "m", 1.0),
        lambda: release_of(ModelSettings(frequency_penalty=0.31), "m", 1.0),
        lambda: release_of(ModelSettings(max_tokens=513), "m", 1.0),
    ],
)
def test_another_content_has_another_name(changed: Callable[[], Release]) -> None:
    assert changed().id != release_of(ModelSettings(), "m", 1.0).id
