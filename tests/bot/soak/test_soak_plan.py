"""Kills, waves of faults, figures of memory and the ledger: pure, by the seed, and bounded."""

from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest
from rich.console import Console

from adapters.sandbox.discord.faults import KINDS as DISCORD
from adapters.sandbox.faults import Kind
from adapters.sandbox.slack.faults import KINDS as SLACK
from bot.errors import ConfigError
from bot.soak import screen
from bot.soak.audit import audit
from bot.soak.faults import LEFT_OUT, Wave, waves
from bot.soak.ledger import Ledger
from bot.soak.memory import GROWTH, memory_of
from bot.soak.plan import Plan
from tests.bot.soak.worlds import Builder


def told(kinds: dict[str, Kind]) -> list[dict[str, Any]]:
    """The kinds as the control API tells them."""
    return [
        {
            "name": name,
            "at_once": kind.is_act,
            "on": ["message", "chat.update"],
            "variants": kind.variants,
            "seconds": kind.seconds,
            "code": kind.code,
        }
        for name, kind in kinds.items()
    ]


def planned(seed: int = 1, seconds: float = 1440) -> tuple[Wave, ...]:
    return waves(told(dict(SLACK)), platform="slack", seed=seed, seconds=seconds)


def test_the_kills_of_a_seed_are_the_same_and_all_in_the_rough_part() -> None:
    moments = Plan(seed=3).kill_moments()
    assert moments == Plan(seed=3).kill_moments() != Plan(seed=4).kill_moments()
    assert len(moments) == 200
    assert list(moments) == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] <= 24 * 60


@pytest.mark.parametrize(
    "wrong", [{"people": 0}, {"people": 201}, {"minutes": 0}, {"kills": -1}, {"minutes": 1}]
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="should be"):
        replace(Plan(), **wrong)  # type: ignore[arg-type]


def test_the_waves_of_a_seed_are_the_same() -> None:
    assert planned() == planned() != planned(seed=2)


def test_all_kinds_come_but_those_that_end_a_bot_by_design() -> None:
    armed = Counter(fault["kind"] for wave in planned() for fault in wave.faults)
    assert set(armed) == set(SLACK) - set(LEFT_OUT)
    discord = waves(told(dict(DISCORD)), platform="discord", seed=1, seconds=1440)
    assert {f["kind"] for wave in discord for f in wave.faults} == set(DISCORD) - set(LEFT_OUT)
    # In turn: no kind is armed much more often than another.
    assert max(armed.values()) - min(armed.values()) <= 1


def test_every_fault_strikes_a_bounded_number_of_times() -> None:
    for wave in planned():
        assert 0 <= wave.at_s < 1440
        for fault in wave.faults:
            assert 1 <= fault["times"] <= 3
            assert fault.get("seconds", 0) <= 5
            if fault["kind"] == "delete_message":
                assert (fault["times"], bool(fault["channel"])) == (1, True)


def test_a_bot_that_grows_from_life_to_life_is_seen() -> None:
    def life(size: int, seconds: int = 10) -> list[tuple[float, int]]:
        return [(float(second), size) for second in range(seconds)]

    flat = memory_of([life(100), life(101), life(102)], [10, 20])
    assert flat.growth == pytest.approx(1.02)
    assert (flat.store_first_bytes, flat.store_last_bytes) == (10, 20)
    grown = memory_of([life(100), life(150)], [])
    assert grown.growth is not None
    assert grown.growth > GROWTH


def test_a_last_life_that_grows_is_seen_and_one_that_is_short_says_nothing() -> None:
    leaking = [(float(second), 100 + second) for second in range(200)]
    found = memory_of([leaking], []).growth
    assert found is not None
    assert found > GROWTH
    assert memory_of([leaking[:50]], []).growth is None
    assert memory_of([], []).growth is None


def ledger(builder: Builder, *, num_kills: int = 200) -> Ledger:
    return Ledger(
        plan=Plan(),
        findings=audit(builder.world()),
        people={"people": 30},
        faults={"slack": {"drop_ack": 2}, "discord": {}},
        num_kills=num_kills,
        exits=(),
        memory=memory_of([], []),
        seconds=1800,
        notes=("Left out: nothing.",),
    )


def test_the_ledger_holds_when_nothing_is_wrong_and_enough_was_killed() -> None:
    builder = Builder()
    builder.answer(builder.ask("Question 1?"))
    assert ledger(builder).holds
    assert not ledger(builder, num_kills=199).holds
    assert not replace(ledger(builder), exits=("exit status 1",)).holds


def test_the_ledger_names_each_breach_in_json_and_on_the_screen() -> None:
    builder = Builder()
    question = builder.ask("Where is my answer?")
    builder.votes[builder.take(question).id] = {"bob": 1}
    found = ledger(builder)
    assert not found.holds
    told = orjson.loads(orjson.dumps(found.as_json()))
    targets = {target["name"]: target for target in told["targets"]}
    assert targets["lost"] == {"name": "lost", "value": 1, "bound": 0, "holds": False}
    assert targets["wrong_votes"]["value"] == 1
    assert targets["kills"] == {"name": "kills", "value": 200, "bound": 200, "holds": True}
    assert {"lost", "doubled", "wrong_votes", "orphans", "stuck", "kills"} <= set(targets)
    assert told["breaches"][0]["question"] == "Where is my answer?"
    console = Console(width=110, record=True, quiet=True)
    console.quiet = False
    with console.capture() as capture:
        screen.show(found, console)
    said = capture.get()
    for word in ("Left out", "drop_ack", "wrong_votes", "Where is my answer?", builder.turns[0].id):
        assert word in said
