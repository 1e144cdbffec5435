"""Which targets a run has, and whether they hold."""

from pathlib import Path

import pytest

from bot.bench.plan import Plan, Report
from bot.bench.rows import Adapters, Chats, Failed, Roofline, Rows, Turn
from bot.bench.targets import Aim, Target, targets
from bot.errors import ConfigError

ALL = frozenset({"chats", "turns", "adapters", "roofline"})


def chats(engine: str, number: int, *rates: float) -> Chats:
    return Chats(engine, number, 4, rates[0], list(rates), 1.0, 1.0, 1.0, 1.0, 1)


def aim(**changes: object) -> Aim:
    given: dict[str, object] = {
        "engine": "candor",
        "device": "cpu",
        "parts": ALL,
        "chats": (1, 8, 32),
        "against": ("transformers",),
        "turns": 20,
    }
    return Aim(**(given | changes))  # type: ignore[arg-type]


def by_name(found: list[Target]) -> dict[str, Target]:
    return {target.name: target for target in found}


def test_a_run_that_reaches_everything_holds_all_its_targets() -> None:
    rows = Rows()
    for row in (
        chats("candor", 8, 30.0, 32.0),
        chats("transformers", 8, 20.0, 20.0),
        chats("candor", 32, 90.0, 60.0),
        chats("transformers", 32, 30.0, 15.0),
        chats("vllm", 32, 90.0, 50.0),
        chats("candor", 1, 20.0, 20.0),
        chats("llama.cpp", 1, 40.0, 40.0),
        Turn("candor", 2, 60, 0.2, [0.2]),
        Turn("candor", 20, 900, 0.25, [0.25]),
        Adapters("candor", 8, ["m"], 40.0, [40.0]),
        Adapters("candor", 8, ["stable", "canary"], 32.0, [32.0]),
    ):
        rows.add(row)
    found = by_name(targets(aim(against=("transformers", "vllm", "llama.cpp")), rows))
    assert {name: target.value for name, target in found.items()} == pytest.approx(
        {
            "cpu_8_vs_transformers": 1.55,
            "cpu_32_vs_transformers": 3.5,
            "cpu_32_vs_vllm": 1.1,
            "cpu_1_vs_llama.cpp": 0.5,
            "turn20_vs_turn2_ttft": 1.25,
            "two_adapters_vs_base": 0.8,
        }
    )
    assert all(target.holds for target in found.values())


def test_the_ratio_pairs_the_passes_that_followed_each_other() -> None:
    rows = Rows()
    # The machine became twice as slow: neither engine did.
    rows.add(chats("candor", 8, 40.0, 20.0, 20.0))
    rows.add(chats("transformers", 8, 20.0, 10.0, 10.0))
    assert targets(aim(chats=(8,), parts=frozenset({"chats"})), rows)[0].value == 2.0


def test_what_could_not_be_measured_does_not_hold() -> None:
    rows = Rows()
    rows.add(chats("candor", 32, 90.0))
    rows.add(Failed("chats", "transformers", "no memory", 32))
    found = by_name(targets(aim(), rows))
    assert [name for name, target in found.items() if target.value is not None] == []
    assert set(found) == {
        "cpu_8_vs_transformers",
        "cpu_32_vs_transformers",
        "turn20_vs_turn2_ttft",
        "two_adapters_vs_base",
    }
    assert not any(target.holds for target in found.values())


def test_a_run_has_only_the_targets_of_what_it_set_out_to_measure() -> None:
    some = aim(parts=frozenset({"chats"}), chats=(1, 8), against=("transformers",))
    assert [target.name for target in targets(some, Rows())] == ["cpu_8_vs_transformers"]
    short = aim(parts=frozenset({"turns"}), turns=5)
    assert targets(short, Rows()) == []


def test_on_cuda_the_targets_are_those_of_cuda() -> None:
    rows = Rows()
    for number, share in ((1, 0.75), (64, 0.65)):
        rows.add(Roofline("candor", number, 100, 1.0, [1.0], 1.0, "bandwidth", share, share))
    parts = frozenset({"chats", "roofline"})
    found = by_name(targets(aim(device="cuda", chats=(1, 64), parts=parts), rows))
    assert {name: (target.value, target.holds) for name, target in found.items()} == {
        "cuda_64_vs_transformers": (None, False),
        "cuda_1_vs_bandwidth": (0.75, True),
        "cuda_64_vs_bandwidth": (0.65, False),
    }


def test_a_bound_itself_holds() -> None:
    assert Target("least", 3.0, 3.0).holds
    assert not Target("least", 2.99, 3.0).holds
    assert Target("most", 1.3, 1.3, is_most=True).holds
    assert not Target("most", 1.31, 1.3, is_most=True).holds


def test_the_report_s_json_has_rows_and_targets_by_their_names() -> None:
    rows = Rows()
    rows.add(Failed("adapters", "candor", "the server said 404: not found"))
    report = Report(rows, [Target("turn20_vs_turn2_ttft", None, 1.3, is_most=True)], {"cpu": "x"})
    assert report.as_json() == {
        "rows": [
            {
                "part": "adapters",
                "engine": "candor",
                "error": "the server said 404: not found",
                "chats": None,
            }
        ],
        "targets": [{"name": "turn20_vs_turn2_ttft", "value": None, "bound": 1.3, "holds": False}],
        "machine": {"cpu": "x"},
    }
    assert not report.holds
    assert Report(rows, [Target("least", 3.0, 3.0)]).holds


def test_parts_of_a_server_that_somebody_else_started_are_those_that_need_no_knowledge_of_it() -> (
    None
):
    assert Plan(url="http://127.0.0.1:1").measured == {"chats", "turns"}
    assert Plan(url="http://127.0.0.1:1", parts=frozenset({"roofline"})).measured == {"roofline"}
    assert Plan().measured == ALL


@pytest.mark.parametrize(
    "wrong",
    [
        {"parts": frozenset({"everything"})},
        {"chats": ()},
        {"chats": (0, 8)},
        {"chats": (8, 8)},
        {"against": (("candor", "http://127.0.0.1:1"),)},
        {"against": (("one", "http://127.0.0.1:1"), ("one", "http://127.0.0.1:2"))},
        {"url": "http://127.0.0.1:1", "random_weights": Path("config.json")},
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Plan(**wrong)  # type: ignore[arg-type]
