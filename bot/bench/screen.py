"""What a person sees of the bench: progress while it runs, and the tables at its end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot.bench.plan import Report
from bot.bench.rows import Adapters, Chats, Failed, Machine, Roofline, Row, Turn
from bot.bench.targets import Target

Cells = Sequence[str]


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Says on standard error what is measured now; in a line each where no person looks."""
    console = Console(stderr=True)
    if not console.is_terminal:

        def log(what: str) -> None:
            console.print(what, markup=False, highlight=False)

        yield log
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(what: str) -> None:
            bar.update(task, description=what)

        yield show


def show(report: Report, console: Console) -> None:
    """Print all that was found."""
    rows = report.rows.all
    for title, heads, cells in (
        ("Concurrent chats", _CHATS, [_chats(row) for row in rows if isinstance(row, Chats)]),
        ("Seconds to the first token, by turn", *_turns(rows)),
        ("Adapters", _ADAPTERS, [_adapters(row) for row in rows if isinstance(row, Adapters)]),
        ("Machine", _MACHINE, [_machine(row) for row in rows if isinstance(row, Machine)]),
        ("Decoding", _ROOFLINE, [_roofline(row) for row in rows if isinstance(row, Roofline)]),
        ("Targets", TARGETS, [target_row(target) for target in report.targets]),
    ):
        if cells:
            console.print(table(title, heads, cells))
    for failed in _failed(rows):
        console.print(failed, style="red", markup=False, highlight=False)


def table(title: str, heads: Cells, rows: Iterable[Cells]) -> Table:
    """A table of cells, the first of each row a name."""
    table = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == 0 else "right", no_wrap=number == 0)
    for row in rows:
        table.add_row(*row)
    return table


def _failed(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if isinstance(row, Failed):
            number = f", {row.chats} chats" if row.chats else ""
            yield f"{row.part}, {row.engine}{number}: {row.error}"


_CHATS = ("engine", "chats", "tok/s", "TTFT p50", "p95 s", "token p50", "p95 ms", "peak MB")


def _chats(row: Chats) -> Cells:
    return (
        row.engine,
        str(row.chats),
        f"{row.output_tok_s:.1f}",
        _number(row.ttft_p50_s, ".2f"),
        _number(row.ttft_p95_s, ".2f"),
        _number(row.itl_p50_s, ".0f", 1e3),
        _number(row.itl_p95_s, ".0f", 1e3),
        _number(row.peak_rss_bytes, ".0f", 1e-6),
    )


_SHOWN_TURNS = (1, 2, 3, 5, 10, 15, 20)


def _turns(rows: Iterable[Row]) -> tuple[Cells, list[Cells]]:
    """Some of the turns side by side, a line for each engine."""
    found: dict[str, dict[int, str]] = {}
    for row in rows:
        if isinstance(row, Turn) and row.turn in _SHOWN_TURNS:
            found.setdefault(row.engine, {})[row.turn] = f"{row.ttft_s:.3f}"
    heads = ("engine", *map(str, _SHOWN_TURNS))
    lines = [(name, *(said.get(n, "–") for n in _SHOWN_TURNS)) for name, said in found.items()]
    return heads, list(lines)


_ADAPTERS = ("engine", "chats", "releases", "tok/s")


def _adapters(row: Adapters) -> Cells:
    return row.engine, str(row.chats), " + ".join(row.releases), f"{row.output_tok_s:.1f}"


_MACHINE = ("model", "device", "format", "weights MB", "copy GB/s", "GFLOP/s by format")


def _machine(row: Machine) -> Cells:
    products = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in row.matmul_flops_s.items())
    return (
        row.model,
        row.device,
        row.dtype,
        f"{row.weight_bytes / 1e6:.0f}",
        f"{row.copy_bytes_s / 1e9:.1f}",
        products,
    )


_ROOFLINE = ("engine", "chats", "tok/s", "bound tok/s", "bound by", "reached", "of bandwidth")


def _roofline(row: Roofline) -> Cells:
    return (
        row.engine,
        str(row.chats),
        f"{row.decode_tok_s:.1f}",
        f"{row.bound_tok_s:.1f}",
        row.bound_by,
        f"{row.reached:.2f}",
        f"{row.reached_of_bandwidth:.2f}",
    )


TARGETS = ("target", "measured", "bound", "holds")


def target_row(target: Target) -> Cells:
    """A target as a row under `TARGETS`."""
    sign = "≤" if target.is_most else "≥"
    found = _number(target.value, ".2f")
    return target.name, found, f"{sign} {target.bound}", "yes" if target.holds else "NO"


def _number(value: float | None, form: str, factor: float = 1.0) -> str:
    return "–" if value is None else format(value * factor, form)
