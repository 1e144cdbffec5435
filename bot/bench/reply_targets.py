"""What replies must reach on the platforms: the worst of all stages counts. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from bot.bench.reply_rows import Scene, Shown
from bot.bench.targets import Target
from bot.bench.timing import median

SCENARIOS: Final = ("one", "ten", "crowd", "fifty")


def targets(scenes: Sequence[Scene], cpu_s: Mapping[str, float]) -> list[Target]:
    """The targets of a run; `cpu_s` is seconds of the bot's process an answer, by stage."""
    by = {name: [one for one in scenes if one.scenario == name] for name in SCENARIOS}
    discord = [one for one in by["ten"] if one.platform == "discord"]
    slack = [one for one in by["one"] if one.platform == "slack"]
    unfinished = [_num(one, lambda shown: not shown.is_final) for one in by["ten"]]
    wrong = [_num(one, lambda shown: not shown.is_final) for one in by["fifty"]]
    return [
        _most("one_first_text_s", _worst(by["one"], lambda one: one.first_text_s), 0.2),
        _most("one_lag_s", _worst(by["one"], lambda one: one.lag_s), 0.3),
        _most("one_slack_updates", _greatest(one.calls.get("chat.update", 0) for one in slack), 15),
        _most("ten_unfinished", _sum(unfinished), 0),
        _most("ten_lag_max_s", _worst(by["ten"], lambda one: one.lag_s), 4.0),
        _most("ten_freeze_max_s", _worst(discord, lambda one: one.freeze_s), 4.0),
        _most("crowd_lag_max_s", _worst(by["crowd"], lambda one: one.lag_s), 6.0),
        _most("fifty_wrong_final", _sum(wrong), 0),
        _most("fifty_first_text_p50_s", _greatest(map(_p50, by["fifty"])), 1.2),
        _most("rate_limited", _sum(sum(one.limited.values()) for one in scenes), 0),
        _most(
            "doubled",
            _sum(one.num_strays + sum(a.num_doubled for a in one.answers) for one in scenes),
            0,
        ),
        _most("broken_fences", _sum(sum(a.num_broken for a in one.answers) for one in scenes), 0),
        _most("cpu_s_per_answer", _greatest(cpu_s.values()), 0.3),
    ]


def _most(name: str, value: float | None, bound: float) -> Target:
    return Target(name, value, bound, is_most=True)


def _num(scene: Scene, is_counted: Callable[[Shown], bool]) -> int:
    return sum(map(is_counted, scene.answers))


def _worst(scenes: Iterable[Scene], of: Callable[[Shown], float | None]) -> float | None:
    """The greatest over all answers; none where one answer has none."""
    return _greatest(of(answer) for scene in scenes for answer in scene.answers)


def _p50(scene: Scene) -> float | None:
    times = [one.first_text_s for one in scene.answers if one.first_text_s is not None]
    return median(times) if times and len(times) == len(scene.answers) else None


def _greatest(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return max(known) if known and len(known) == len(found) else None


def _sum(values: Iterable[int]) -> int | None:
    found = list(values)
    return sum(found) if found else None
