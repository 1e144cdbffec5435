"""A process that runs errands for the bench: jobs on standard input, answers on standard output.

One JSON object a line each way. It ends when its standard input closes, at once and whatever it
computes, so that it cannot outlive who started it. What libraries print goes to standard error.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from bot import logs
from bot.settings import LogSettings

log = structlog.get_logger(__name__)

Json = dict[str, Any]


def run(handle: Callable[[Json], Json]) -> None:
    """Answer each job with what `handle` returns, or with `{"error": line}` if it raises."""
    logs.set_up(LogSettings(level="warning"))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    while True:
        try:
            answer = handle(orjson.loads(jobs.get()))
        except Exception as error:  # the border: whatever the model's libraries raise
            log.exception("errand.failed")
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            answer = {"error": line}
        answers.write(orjson.dumps(answer) + b"\n")


def _read(jobs: "queue.SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        jobs.put(line)
    os._exit(0)
