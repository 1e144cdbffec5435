"""What a person sees of the reply bench at its end."""

from collections.abc import Iterable, Sequence

from rich.console import Console

from bot.bench.reply import Report
from bot.bench.reply_rows import Scene
from bot.bench.screen import TARGETS, table, target_row
from bot.bench.timing import median

_HEADS = ("stage", "people", "whole", "first p50", "max s", "lag max", "freeze max", "calls", "429")


def show(report: Report, console: Console) -> None:
    """Print all that was found."""
    console.print(table("Answers", _HEADS, map(_row, report.scenes)))
    cpu = [(stage, f"{value:.3f}") for stage, value in report.cpu_s.items()]
    console.print(table("CPU of the bot", ("stage", "s an answer"), cpu))
    console.print(table("Targets", TARGETS, map(target_row, report.targets)))


def _row(scene: Scene) -> Sequence[str]:
    answers = scene.answers
    first = [one.first_text_s for one in answers if one.first_text_s is not None]
    return (
        f"{scene.stage} {scene.scenario}",
        str(len(answers)),
        str(sum(one.is_final for one in answers)),
        f"{median(first):.2f}" if first else "–",
        _greatest(first),
        _greatest(one.lag_s for one in answers),
        _greatest(one.freeze_s for one in answers),
        str(sum(scene.calls.values())),
        str(sum(scene.limited.values())),
    )


def _greatest(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.2f}" if known else "–"
