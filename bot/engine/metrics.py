"""What the engine tells Prometheus, under vLLM's words with our prefix.

Totals and queue lengths are read from the loop's own counts when somebody asks; only times are
kept here, one observation a delta, on the event loop.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.engine.request import Delta
from bot.engine.stats import Stats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_GAUGES: Final = (
    ("num_requests_running", "Answers that grow.", "running"),
    ("num_requests_waiting", "Requests that wait for a place.", "waiting"),
    ("threads", "Threads that computed the last step.", "threads"),
)
_COUNTERS: Final = (
    ("prompt_tokens", "Prompt tokens computed.", "prompt_tokens"),
    ("generation_tokens", "Tokens drawn.", "output_tokens"),
    ("prefix_cache_hits", "Prompt tokens that had not to be computed.", "cached_tokens"),
    ("steps", "Steps run.", "steps"),
    ("failed_steps", "Steps that raised.", "failed_steps"),
)
_FIRST_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
_BETWEEN_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_WHOLE_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)


class Metrics:
    """The numbers of one engine; `stats` gives its newest counts."""

    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(stats))
        self.first = self._histogram(
            "time_to_first_token_seconds", "From a request to its first text.", _FIRST_S
        )
        self.between = self._histogram(
            "inter_token_latency_seconds", "Between two tokens of an answer.", _BETWEEN_S
        )
        self.whole = self._histogram(
            "e2e_request_latency_seconds",
            "From a request to the end of its answer, by the reason of the end.",
            _WHOLE_S,
            labels=("finished_reason",),
        )

    def render(self) -> bytes:
        """The numbers in Prometheus' text format."""
        return generate_latest(self._registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(f"candor_{name}", about, labels, buckets=buckets, registry=self._registry)


class Timing:
    """The times of one request, from when it is made."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._started = self._newest = time.monotonic()
        self._num_output = 0

    def grew(self, delta: Delta) -> None:
        """A delta came in."""
        now = time.monotonic()
        num_new = delta.num_output - self._num_output
        if num_new > 0:
            if self._num_output == 0:
                self._metrics.first.observe(now - self._started)
            else:
                self._metrics.between.observe((now - self._newest) / num_new)
            self._newest, self._num_output = now, delta.num_output
        if delta.finish is not None:
            self._metrics.whole.labels(delta.finish).observe(now - self._started)


class _Counts(Collector):
    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        for name, about, field in _GAUGES:
            yield GaugeMetricFamily(f"candor_{name}", about, value=getattr(stats, field))
        for name, about, field in _COUNTERS:
            yield CounterMetricFamily(f"candor_{name}", about, value=getattr(stats, field))
