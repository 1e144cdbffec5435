"""What the loop tells about itself: one value a step, replaced and never changed."""

from dataclasses import dataclass, replace
from typing import Final, Self

_SMOOTHING: Final = 0.1
"""Weight of the newest step in `Stats.step_s`."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The loop's state after its newest step; counts are totals since its start.

    `prompt_tokens` were computed, `cached_tokens` did not have to be; `step_s` is the mean
    duration of the newest steps, and `threads` computed the last one. Blocks are the cache's, of
    `block_size` tokens each.
    """

    running: int = 0
    waiting: int = 0
    steps: int = 0
    step_s: float = 0.0
    threads: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    preemptions: int = 0
    out_of_memory: int = 0
    failed_steps: int = 0
    last_error: str | None = None
    blocks_used: int = 0
    blocks_cached: int = 0
    blocks_free: int = 0

    def stepped(self, *, num_prompt: int, num_output: int) -> Self:
        """After a step that computed so many tokens of prompts and drew so many of answers."""
        return replace(
            self,
            steps=self.steps + 1,
            prompt_tokens=self.prompt_tokens + num_prompt,
            output_tokens=self.output_tokens + num_output,
        )

    def timed(self, step_s: float, threads: int) -> Self:
        """After a step that took so long, on so many threads."""
        step_s = self.step_s + _SMOOTHING * (step_s - self.step_s)
        return replace(self, step_s=step_s, threads=threads)

    def failed(self, error: str) -> Self:
        """After a step that raised."""
        return replace(self, failed_steps=self.failed_steps + 1, last_error=error)
