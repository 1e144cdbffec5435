"""The reply bench: real bots at sandboxes under the platforms' limits, and what people would see.

Owns the stages and how they run side by side. Each has a bot and a sandbox of its own; heavy
scenarios of one fall on light ones of the others, so that a small machine is enough.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.bench.reply_model import Typist
from bot.bench.reply_rows import Scene
from bot.bench.reply_stage import Played, Stage, Tell, play
from bot.bench.reply_targets import targets
from bot.bench.targets import Target
from bot.errors import FatalError
from bot.soak.model import model_server

STAGES: Final = (
    Stage("discord", "discord", "observed", ("one", "fifty", "ten", "crowd")),
    Stage("slack-window", "slack", "window", ("one", "ten", "crowd", "fifty")),
    Stage("slack-bucket", "slack", "bucket", ("one", "crowd", "fifty", "ten")),
    Stage("slack-streams", "slack", "window", ("one", "ten"), is_streamed=True),
)


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found."""

    scenes: tuple[Scene, ...]
    cpu_s: dict[str, float]
    targets: list[Target]

    @property
    def holds(self) -> bool:
        """Whether every target was reached."""
        return all(target.holds for target in self.targets)

    def as_json(self) -> dict[str, Any]:
        return {
            "scenes": [scene.as_json() for scene in self.scenes],
            "cpu_s_per_answer": self.cpu_s,
            "targets": [target.as_json() for target in self.targets],
        }


async def run(stages: Sequence[Stage], folder: Path, tell: Tell) -> Report:
    """Play stages side by side in a folder, which gets logs and state. Raises FatalError."""
    typist = Typist()
    try:
        async with model_server(typist) as model, asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[Played]] = [
                group.create_task(play(stage, model.url, typist, folder / stage.name, tell))
                for stage in stages
            ]
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors
    played = [task.result() for task in tasks]
    scenes = tuple(scene for one in played for scene in one.scenes)
    cpu_s = {one.stage.name: one.cpu_s_per_answer for one in played}
    return Report(scenes, cpu_s, targets(scenes, cpu_s))


def _first(error: BaseException) -> BaseException:
    """The error that ended the run, out of the groups that it came in."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    fatal = error.subgroup(FatalError)
    return _first((fatal or error).exceptions[0])
