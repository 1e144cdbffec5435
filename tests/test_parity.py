"""Feature parity: one table, each row on both platforms, over one real bot and real sockets."""

import importlib
from collections.abc import AsyncIterator
from itertools import count

import orjson
import pytest
import pytest_asyncio

from adapters.sandbox.people import FIRST_HANDLES
from bot.domain import Platform
from tests.environment import cleaned
from tests.house import House, house
from tests.parity.room import PLATFORMS, Room, id_of
from tests.parity.script import Script
from tests.parity.table import ALONE, FEATURES, Alone, Feature

PEOPLE = len(FIRST_HANDLES) + len(FEATURES) * len(PLATFORMS)
"""One for each row, beside those who have names."""

_numbers = count(len(FIRST_HANDLES) + 1)


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(script: Script, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The one house of all rows; alice is a moderator, and dave is not answered."""
    more = {
        "CANDOR_SANDBOX_PEOPLE": str(PEOPLE),
        "CANDOR_ACCESS_DENY_PEOPLE": _ids("dave"),
        "CANDOR_ACCESS_MODERATORS": _ids("alice"),
        "CANDOR_ACCESS_CONTACT": "Carol",
        "CANDOR_VOTES_SEED_REACTIONS": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        cleaned(patch)
        async with house(tmp_path_factory.mktemp("parity"), script.model, more) as up:
            yield up


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
async def test_a_feature_is_there_on_both_platforms(
    feature: Feature, platform: Platform, shared: House, script: Script
) -> None:
    number = next(_numbers)
    await feature.run(Room(shared, script, platform, f"person{number}", f"(no. {number})"))


@pytest.mark.parametrize("alone", ALONE, ids=lambda alone: alone.name)
def test_what_one_platform_has_alone_is_proven_there(alone: Alone) -> None:
    module, _, name = alone.proof.partition(":")
    assert module.split(".")[0] == alone.platform
    assert alone.why
    assert name.startswith("test_")
    assert callable(getattr(importlib.import_module(f"tests.adapters.{module}"), name))


def test_no_feature_stands_twice() -> None:
    names = [each.name for each in (*FEATURES, *ALONE)]
    assert len(names) == len(set(names))
    assert len({each.run for each in FEATURES}) == len(FEATURES)


def _ids(person: str) -> str:
    """A list of a setting: what both platforms call a person."""
    return orjson.dumps([id_of(platform, person) for platform in PLATFORMS]).decode()
