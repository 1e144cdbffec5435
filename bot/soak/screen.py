"""What a person sees of a soak: one line while it runs, and the ledger at its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot.soak.findings import Breach
from bot.soak.ledger import Ledger

_LINE_EVERY_S: Final = 20.0
"""Where no person looks, a line this often will do."""
_SHOWN: Final = 20
"""Breaches of a kind that are printed; the JSON file has them all."""


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Says on standard error how far the soak is."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda what: bar.update(task, description=what)
        return
    last = -_LINE_EVERY_S

    def say(what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            console.print(what, markup=False, highlight=False)

    yield say


def show(ledger: Ledger, console: Console) -> None:
    """Print the ledger."""
    for note in ledger.notes:
        console.print(note, markup=False, highlight=False)
    console.print(_counts(ledger))
    if any(ledger.faults.values()):
        console.print(_faults(ledger))
    console.print(_memory(ledger))
    console.print(_targets(ledger))
    _breaches(ledger, console)
    if ledger.folder is not None:
        console.print(f"logs and state: {ledger.folder}", markup=False, highlight=False)


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == 0 else "right")
    return table


def _counts(ledger: Ledger) -> Table:
    table = _table(f"Soak of {ledger.seconds:.0f} s", "what", "number")
    rows = {**ledger.findings.counts, **ledger.people, "kills": ledger.num_kills}
    for name, number in rows.items():
        table.add_row(name, str(number))
    return table


def _faults(ledger: Ledger) -> Table:
    platforms = list(ledger.faults)
    table = _table("Strikes of faults", "kind", *platforms)
    for kind in sorted({kind for struck in ledger.faults.values() for kind in struck}):
        table.add_row(kind, *(str(ledger.faults[one].get(kind, 0)) for one in platforms))
    return table


def _memory(ledger: Ledger) -> Table:
    memory = ledger.memory
    table = _table("Memory", "of", "first", "last", "growth")
    table.add_row(
        "the bot, at equal ages",
        _megabytes(memory.first_bytes),
        _megabytes(memory.last_bytes),
        _ratio(memory.aged_growth),
    )
    table.add_row("the bot, in its last life", "", "", _ratio(memory.calm_growth))
    first, last = memory.store_first_bytes, memory.store_last_bytes
    table.add_row("the store, with its data", _megabytes(first), _megabytes(last), "")
    return table


def _targets(ledger: Ledger) -> Table:
    table = _table("Targets", "target", "measured", "bound", "holds")
    for target in ledger.targets:
        sign = "≤" if target.is_most else "≥"
        value = "–" if target.value is None else f"{target.value:g}"
        bound = f"{sign} {target.bound:g}"
        table.add_row(target.name, value, bound, "yes" if target.holds else "NO")
    return table


def _breaches(ledger: Ledger, console: Console) -> None:
    shown: dict[str, int] = {}
    for breach in ledger.findings.breaches:
        shown[breach.kind] = shown.get(breach.kind, 0) + 1
        if shown[breach.kind] <= _SHOWN:
            console.print(_line(breach), style="red", markup=False, highlight=False)
    for kind, number in shown.items():
        if number > _SHOWN:
            console.print(f"{kind}: {number - _SHOWN} more", style="red", highlight=False)
    for ended in ledger.exits[:_SHOWN]:
        console.print(f"exits: {ended}", style="red", markup=False, highlight=False)


def _line(breach: Breach) -> str:
    where = [
        f"question {breach.question!r}" if breach.question else "",
        f"asked {breach.asked}" if breach.asked else "",
        f"turn {breach.turn}" if breach.turn else "",
        f"messages {', '.join(breach.messages)}" if breach.messages else "",
    ]
    said = "; ".join(filter(None, where))
    return f"{breach.kind} {breach.platform}: {breach.detail}" + (f" ({said})" if said else "")


def _megabytes(number: int | None) -> str:
    return "–" if number is None else f"{number / 1e6:.1f} MB"


def _ratio(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f}"
