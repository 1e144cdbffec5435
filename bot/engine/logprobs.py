"""Log-probabilities, from logits as the model gave them: no temperature, penalty or limit in them.

That is what OpenAI and vLLM report by default. Reads a few rows at a time, so that nothing of the
size of a prompt times the vocabulary is ever made beside the logits.
"""

import torch

from bot.engine.request import Score

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
