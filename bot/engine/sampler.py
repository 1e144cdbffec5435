"""Logits to token ids, for all rows of a step at once; no policy.

Each slot has its parameters, its own random numbers (so a seed gives the same answer whoever else
is in the batch) and the set of tokens it has seen, kept as tensors that a step indexes.
"""

from collections.abc import Sequence

import torch

from bot.engine.request import Sampling

_NUM_CANDIDATES = 256
"""Most nuclei fit into this many tokens; selecting them is ten times cheaper than sorting all."""


class Sampler:
    """Draws for `num_slots` slots over `vocab_size` tokens."""

    def __init__(self, *, num_slots: int, vocab_size: int, device: torch.device) -> None:
        self._device = device
        self._seen = torch.zeros(num_slots, vocab_size, dtype=torch.bool, device=device)
        self._temperature = torch.ones(num_slots, 1, device=device)
        self._top_p = torch.ones(num_slots, 1, device=device)
        self._top_k = torch.zeros(num_slots, 1, dtype=torch.long, device=device)
        self._penalty = torch.ones(num_slots, 1, device=device)
        self._sampling: dict[int, Sampling] = {}
        self._generators: dict[int, torch.Generator] = {}

    def begin(
        self,
        slot: int,
        sampling: Sampling,
        prompt: Sequence[int],
        output: Sequence[int] = (),
    ) -> None:
        """Give `slot` to an answer, new or already as long as `output`; it goes on as it would
        have anywhere else."""
        self._sampling[slot] = sampling
        self._temperature[slot] = sampling.temperature
        self._top_p[slot] = sampling.top_p
        self._top_k[slot] = sampling.top_k
        self._penalty[slot] = sampling.repetition_penalty
        self._seen[slot] = False
        if sampling.repetition_penalty != 1:
            seen = torch.tensor([*prompt, *output], dtype=torch.long, device=self._device)
            self._seen[slot, seen] = True
        if sampling.temperature > 0:
            # On the CPU whatever the device: one number a step, and the same one everywhere.
            generator = self._generators[slot] = torch.Generator()
            if sampling.seed is None:
                generator.seed()
            else:
                generator.manual_seed(sampling.seed)
                torch.rand(len(output), 1, generator=generator)  # one for each token so far

    def end(self, slot: int) -> None:
        """The answer in `slot` is over, or never began."""
        self._sampling.pop(slot, None)
        self._generators.pop(slot, None)

    def sample(self, logits: torch.Tensor, slots: list[int]) -> list[int | None]:
        """The next token of each slot from its row of `logits` `[len(slots), vocab]`.

        None for a row whose logits are no finite numbers; it does not touch the others.
        """
        index = torch.tensor(slots, device=self._device)
        logits = logits.float()
        is_bad = ~torch.isfinite(logits.amax(-1))
        logits = logits.masked_fill(is_bad[:, None], 0.0)
        penalised = any(self._sampling[slot].repetition_penalty != 1 for slot in slots)
        if penalised:
            penalty = self._penalty[index]
            changed = torch.where(logits > 0, logits / penalty, logits * penalty)
            logits = torch.where(self._seen[index], changed, logits)
        ids = logits.argmax(-1)
        drawn = [row for row, slot in enumerate(slots) if self._sampling[slot].temperature > 0]
        if drawn:
            rows = torch.tensor(drawn, device=self._device)
            ids[rows] = self._draw(logits[rows], index[rows], [slots[row] for row in drawn])
        if penalised:
            self._seen[index, ids] = True
        return [
            None if bad else token for token, bad in zip(ids.tolist(), is_bad.tolist(), strict=True)
        ]

    def _draw(self, logits: torch.Tensor, index: torch.Tensor, slots: list[int]) -> torch.Tensor:
        """One token a row by temperature, top-k and top-p, in this order."""
        draws = [torch.rand(1, 1, generator=self._generators[slot]) for slot in slots]
        uniform = torch.cat(draws).to(self._device)
        top_k, top_p = self._top_k[index], self._top_p[index]
        probs = torch.softmax(logits / self._temperature[index], -1)
        num = min(probs.shape[1], _NUM_CANDIDATES)
        top, tokens = probs.topk(num)
        ids = tokens.gather(1, pick_rank(top, top_k, top_p, uniform))
        is_cut = (top.sum(-1, keepdim=True) < top_p) & ((top_k == 0) | (top_k > num))
        for row in is_cut.squeeze(1).nonzero().flatten().tolist():
            one = slice(row, row + 1)
            top, tokens = probs[one].sort(descending=True)
            ids[one] = tokens.gather(1, pick_rank(top, top_k[one], top_p[one], uniform[one]))
        return ids.squeeze(1)


def pick_rank(
    top: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor
) -> torch.Tensor:
    """Which rank of the descending probabilities `top` `[rows, n]` each row draws: `[rows, 1]`.

    `uniform` `[rows, 1]` lies in [0, 1). At least the most probable token is always kept.
    """
    top = top.double()
    rank = torch.arange(top.shape[1], device=top.device)
    inside = (top_k == 0) | (rank < top_k)
    top = top * inside
    whole = torch.where(top_k > 0, top.sum(-1, keepdim=True), 1.0)
    before = top.cumsum(-1) - top
    kept = top * (before < top_p * whole)
    mass = kept.cumsum(-1)
    drawn = (mass <= uniform * mass[:, -1:]).sum(-1, keepdim=True)
    num_kept = (kept > 0).sum(-1, keepdim=True)
    return torch.minimum(drawn, (num_kept - 1).clamp(min=0))
