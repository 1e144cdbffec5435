"""Log-probabilities, from logits as the model gave them: no temperature, penalty or limit in them.

That is what OpenAI and vLLM report by default. Reads a few rows at a time, so that nothing of the
size of a prompt times the vocabulary is ever made beside the logits.
"""

from collections.abc import Iterable

import torch

from bot.engine.request import Score
from bot.engine.scheduler import Span

LEAST = -9999.0
"""Stands for minus infinity, which JSON does not have; vLLM's number."""

_ROWS = 64


def score(logits: torch.Tensor, tokens: torch.Tensor, num_top: int) -> list[Score]:
    """How probable `tokens` `[rows]` are by `logits` `[rows, vocab]`, with the top `num_top`.

    A row whose logits are no numbers gives a `logprob` that is none.
    """
    found: list[Score] = []
    for start in range(0, logits.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        found += _score(logits[rows].float(), tokens[rows], num_top)
    return found


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
            torch.tensor(following, device=logits.device),
            request.sampling.prompt_logprobs or 0,
        )
        logits = logits[len(positions) :]


def _score(logits: torch.Tensor, tokens: torch.Tensor, num_top: int) -> list[Score]:
    whole = logits.logsumexp(-1, keepdim=True)
    given = logits.gather(1, tokens[:, None])
    ranks = (logits > given).sum(-1) + 1
    top, top_tokens = logits.topk(min(num_top, logits.shape[1]))
    rows = zip(
        tokens.tolist(),
        (given - whole).clamp(min=LEAST).squeeze(1).tolist(),
        ranks.tolist(),
        top_tokens.tolist(),
        (top - whole).clamp(min=LEAST).tolist(),
        strict=True,
    )
    return [
        Score(token, logprob, rank, tuple(zip(best, logprobs, strict=True)))
        for token, logprob, rank, best, logprobs in rows
    ]
