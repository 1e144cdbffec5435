"""Log-probabilities, from logits as the model gave them: no temperature, penalty or limit in them.

That is what OpenAI and vLLM report by default. Reads a few rows at a time, so that nothing of the
size of a prompt times the vocabulary is ever made beside the logits.
"""

from collections.abc import Iterable, Sequence

import torch

from bot.engine.request import Score
from bot.engine.scheduler import Span
from bot.engine.upload import upload

LEAST = -9999.0
"""Stands for minus infinity, which JSON does not have; vLLM's number."""

_ROWS = 64


def score(logits: torch.Tensor, tokens: torch.Tensor, num_top: int) -> list[Score]:
    """How probable `tokens` `[rows]` are by `logits` `[rows, vocab]`, with the top `num_top`.

    A row whose logits are no numbers gives a `logprob` that is none. Waits for the device once.
    """
    if not len(tokens):
        return []
    starts = range(0, len(tokens), _ROWS)
    parts = [measure(logits[n : n + _ROWS], tokens[n : n + _ROWS], num_top) for n in starts]
    return scores_from(torch.cat(parts).flatten().tolist(), len(tokens))


def score_prompts(spans: Iterable[Span], logits: torch.Tensor) -> None:
    """Keep with each row how probable its prompt's tokens were, where that was asked for.

    `logits` `[positions, vocab]` are those of the spans' scored positions, one span after the
    other.
    """
    for span in spans:
        if not (positions := span.scored):
            continue
        request = span.row.request
        following = request.tokens[positions.start + 1 : positions.stop + 1]
        span.row.prompt_scores += score(
            logits[: len(positions)],
            upload(following, logits.device),
            request.sampling.prompt_logprobs or 0,
        )
        logits = logits[len(positions) :]


def measure(logits: torch.Tensor, tokens: torch.Tensor, num_top: int) -> torch.Tensor:
    """The same of a few rows, left on the device: a line of float64 each, for `scores_from`."""
    logits = logits.float()
    whole = logits.logsumexp(-1, keepdim=True)
    given = logits.gather(1, tokens[:, None])
    ranks = (logits > given).sum(-1, keepdim=True) + 1
    top, top_tokens = logits.topk(min(num_top, logits.shape[1]))
    ids = torch.cat((tokens[:, None], ranks, top_tokens), 1)
    logprobs = torch.cat((given, top), 1).sub(whole).clamp(min=LEAST)
    return torch.cat((ids.double(), logprobs.double()), 1)


def scores_from(numbers: Sequence[float], num_rows: int) -> list[Score]:
    """The scores of `num_rows` lines of `measure`, one after the other."""
    if num_rows == 0:
        return []
    width = len(numbers) // num_rows
    num_top = (width - 3) // 2
    found = []
    for start in range(0, num_rows * width, width):
        token, rank = int(numbers[start]), int(numbers[start + 1])
        tops = [int(one) for one in numbers[start + 2 : start + 2 + num_top]]
        logprob, *logprobs = numbers[start + 2 + num_top : start + width]
        found.append(Score(token, logprob, rank, tuple(zip(tops, logprobs, strict=True))))
    return found
