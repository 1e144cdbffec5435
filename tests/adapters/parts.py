"""The parts of a text, for a place that counts in its own way."""

from adapters.markdown import Dialect, Measure, render


def split(text: str, limit: int, measure: Measure = len) -> list[str]:
    """The parts of a text where each holds at most `limit`."""
    return list(render(text, Dialect(limit, measure)).parts)
