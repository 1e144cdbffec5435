"""Logits to token ids, for all rows of a step at once; no policy.

Each slot has its parameters, its own random numbers (so a seed gives the same answer whoever else
is in the batch) and the tokens it has seen, kept as tensors that a step indexes. What no row of a
step asks for is not computed. In this order, as in vLLM: repetition penalty (prompt and answer),
frequency and presence penalty (the answer alone), temperature, min-p, top-k, top-p.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bot.engine.logprobs import measure, scores_from
from bot.engine.request import Sampling, Score
from bot.engine.upload import upload

_NUM_CANDIDATES = 256
"""Most nuclei fit into this many tokens; selecting them is ten times cheaper than sorting all."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The token that a row drew, with its `score` where log-probabilities were asked for."""

    token: int
    score: Score | None = None


@dataclass(slots=True)
class _Answer:
    """The answer in a slot: how it is drawn, from which numbers, and how many were drawn."""

    sampling: Sampling
    generator: torch.Generator
    num_drawn: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A step's draws as they come from the device, one each row, and scores by row."""

    is_bad: list[bool]
    is_open: list[bool]
    tokens: list[int]
    scores: dict[int, Score]


class Sampler:
    """Draws for `num_slots` slots over `vocab_size` tokens, `eos_ids` of which end an answer."""

    def __init__(
        self,
        *,
        num_slots: int,
        vocab_size: int,
        device: torch.device,
        eos_ids: frozenset[int] = frozenset(),
    ) -> None:
        self._device = device
        self._seen = torch.zeros(num_slots, vocab_size, dtype=torch.bool, device=device)
        self._counts = torch.zeros(num_slots, vocab_size, dtype=torch.int32, device=device)
        self._temperature = torch.ones(num_slots, 1, device=device)
        self._top_p = torch.ones(num_slots, 1, device=device)
        self._min_p = torch.zeros(num_slots, 1, device=device)
        self._top_k = torch.zeros(num_slots, 1, dtype=torch.long, device=device)
        self._repetition = torch.ones(num_slots, 1, device=device)
        self._frequency = torch.zeros(num_slots, 1, device=device)
        self._presence = torch.zeros(num_slots, 1, device=device)
        self._eos = torch.tensor(
            sorted(token for token in eos_ids if token < vocab_size),
            dtype=torch.long,
            device=device,
        )
        # Numbers that are written where an index tensor says: Python's own would be copied to the
        # device each time, which waits for it.
        self._true = torch.ones((), dtype=torch.bool, device=device)
        self._never = torch.full((), -torch.inf, device=device)
        self._answers: dict[int, _Answer] = {}

    def begin(
        self,
        slot: int,
        sampling: Sampling,
        prompt: Sequence[int],
        output: Sequence[int] = (),
        *,
        begun: Sequence[int] = (),
    ) -> None:
        """Give `slot` to an answer: a new one, or one that goes on after `output`.

        `begun` are tokens of the prompt that the penalties count as the answer's.
        """
        self._temperature[slot] = sampling.temperature
        self._top_p[slot] = sampling.top_p
        self._min_p[slot] = sampling.min_p
        self._top_k[slot] = sampling.top_k
        self._repetition[slot] = sampling.repetition_penalty
        self._frequency[slot] = sampling.frequency_penalty
        self._presence[slot] = sampling.presence_penalty
        if sampling.repetition_penalty != 1:
            self._seen[slot] = False
            self._seen[slot].index_put_((self._tensor([*prompt, *output]),), self._true)
        if _counts(sampling):
            drawn = self._tensor([*begun, *output])
            ones = torch.ones_like(drawn, dtype=torch.int32)
            self._counts[slot] = 0
            self._counts[slot].index_add_(0, drawn, ones)
        # On the CPU whatever the device: one number a token, and the same one everywhere.
        generator = torch.Generator()
        if sampling.seed is None:
            generator.seed()
        else:
            generator.manual_seed(sampling.seed)
            torch.rand(len(output), 1, generator=generator)  # one for each token so far
        self._answers[slot] = _Answer(sampling, generator, len(output))

    def end(self, slot: int) -> None:
        """The answer in `slot` is over, or never began."""
        self._answers.pop(slot, None)

    def sample(self, logits: torch.Tensor, slots: Sequence[int]) -> list[Draw | None]:
        """The next token of each slot from its row of `logits` `[len(slots), vocab]`.

        None for a row whose logits are no finite numbers; it does not touch the others.
        """
        answers = [self._answers[slot] for slot in slots]
        index = self._tensor(slots)
        logits = logits.float()
        is_bad = ~torch.isfinite(logits.amax(-1))
        raw = logits.masked_fill(is_bad[:, None], 0.0)
        logits = self._penalised(raw, index, answers)
        is_greedy = any(answer.sampling.temperature == 0 for answer in answers)
        picked = logits.argmax(-1) if is_greedy else torch.zeros_like(index)
        is_open = torch.zeros_like(is_bad)
        free = [row for row, answer in enumerate(answers) if _is_free(answer.sampling)]
        limited = [row for row, answer in enumerate(answers) if _is_limited(answer.sampling)]
        uniform = self._uniform(answers)
        if free:
            rows = self._tensor(free)
            picked[rows] = pick_any(self._probs(logits, index, rows), uniform[rows])
        if limited:
            rows = self._tensor(limited)
            picked[rows], is_open[rows] = self._draw(logits, index, rows, uniform)
        # The one place of a step where the device is waited for, unless a nucleus is very wide.
        found = self._fetch(is_bad, is_open, picked, raw, answers)
        if any(found.is_open):
            rows = self._tensor([row for row, is_wide in enumerate(found.is_open) if is_wide])
            picked[rows], _ = self._draw(logits, index, rows, uniform, num_candidates=None)
            found = self._fetch(is_bad, is_open, picked, raw, answers)
        self._count(index, picked, answers)
        return [
            None if is_none else Draw(token, found.scores.get(row))
            for row, (token, is_none) in enumerate(zip(found.tokens, found.is_bad, strict=True))
        ]

    def _fetch(
        self,
        is_bad: torch.Tensor,
        is_open: torch.Tensor,
        picked: torch.Tensor,
        raw: torch.Tensor,
        answers: Sequence[_Answer],
    ) -> _Found:
        """What was drawn, and the scores of the rows that ask for them, in one transfer."""
        asked = {
            row: answer.sampling.logprobs
            for row, answer in enumerate(answers)
            if answer.sampling.logprobs is not None
        }
        # Float64 holds all of it: token ids, counts, and float32.
        parts = [torch.stack((is_bad, is_open, picked)).double().flatten()]
        if asked:
            rows = self._tensor(list(asked))
            parts.append(measure(raw[rows], picked[rows], max(asked.values())).flatten())
        numbers: list[float] = torch.cat(parts).tolist()
        num = len(answers)
        bad, wide, tokens = (numbers[n * num : (n + 1) * num] for n in range(3))
        scores = scores_from(numbers[3 * num :], len(asked))
        return _Found(
            is_bad=[bool(one) for one in bad],
            is_open=[bool(one) for one in wide],
            tokens=[int(one) for one in tokens],
            scores={
                row: Score(one.token, one.logprob, one.rank, one.top[:top])
                for (row, top), one in zip(asked.items(), scores, strict=True)
            },
        )

    def _penalised(
        self, logits: torch.Tensor, index: torch.Tensor, answers: Sequence[_Answer]
    ) -> torch.Tensor:
        """The logits after what the rows' penalties and `min_tokens` take from them."""
        if any(answer.sampling.repetition_penalty != 1 for answer in answers):
            penalty = self._repetition[index]
            changed = torch.where(logits > 0, logits / penalty, logits * penalty)
            logits = torch.where(self._seen[index], changed, logits)
        if any(_counts(answer.sampling) for answer in answers):
            counts = self._counts[index]
            logits = torch.addcmul(logits, self._frequency[index], counts.float(), value=-1)
            if any(answer.sampling.presence_penalty for answer in answers):
                logits = torch.addcmul(
                    logits, self._presence[index], (counts > 0).float(), value=-1
                )
        held = [r for r, a in enumerate(answers) if a.num_drawn < a.sampling.min_tokens]
        if held and len(self._eos):
            logits = logits.index_put((self._tensor(held)[:, None], self._eos), self._never)
        return logits

    def _uniform(self, answers: Sequence[_Answer]) -> torch.Tensor:
        """A number in [0, 1) for each row that needs one, and 0 for the others: `[rows, 1]`."""
        uniform = torch.zeros(len(answers), 1, pin_memory=self._device.type == "cuda")
        for row, answer in enumerate(answers):
            if answer.sampling.temperature > 0:
                uniform[row] = torch.rand(1, 1, generator=answer.generator)
        return uniform.to(self._device, non_blocking=True)

    def _probs(self, logits: torch.Tensor, index: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.softmax(logits[rows] / self._temperature[index[rows]], -1)

    def _draw(
        self,
        logits: torch.Tensor,
        index: torch.Tensor,
        rows: torch.Tensor,
        uniform: torch.Tensor,
        *,
        num_candidates: int | None = _NUM_CANDIDATES,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One token a row by temperature, min-p, top-k and top-p, and whether it must be drawn
        again among all tokens, because those that may be drawn reach beyond the candidates."""
        probs = self._probs(logits, index, rows)
        slots = index[rows]
        top_k, top_p, min_p = self._top_k[slots], self._top_p[slots], self._min_p[slots]
        num = min(probs.shape[1], num_candidates or probs.shape[1])
        top, tokens = probs.topk(num) if num_candidates else probs.sort(descending=True)
        ids = tokens.gather(1, pick_rank(top, top_k, top_p, min_p, uniform[rows]))
        reaches = (top[:, -1:] >= min_p * top[:, :1]) & ((top_k == 0) | (top_k > num))
        is_known = (top_k == 0) & (min_p == 0) & (top.sum(-1, keepdim=True) >= top_p)
        is_open = reaches & ~is_known & (num < probs.shape[1])
        return ids.squeeze(1), is_open.squeeze(1)

    def _count(self, index: torch.Tensor, ids: torch.Tensor, answers: Sequence[_Answer]) -> None:
        if any(answer.sampling.repetition_penalty != 1 for answer in answers):
            self._seen.index_put_((index, ids), self._true)
        if any(_counts(answer.sampling) for answer in answers):
            self._counts[index, ids] += 1
        for answer in answers:
            answer.num_drawn += 1

    def _tensor(self, numbers: Sequence[int]) -> torch.Tensor:
        return upload(numbers, self._device)


def _counts(sampling: Sampling) -> bool:
    """Whether what was drawn before makes a token less likely."""
    return sampling.frequency_penalty != 0 or sampling.presence_penalty != 0


def _is_free(sampling: Sampling) -> bool:
    """Whether any token may be drawn: there is nothing to sort."""
    is_whole = sampling.top_k == 0 and sampling.top_p == 1 and sampling.min_p == 0
    return sampling.temperature > 0 and is_whole


def _is_limited(sampling: Sampling) -> bool:
    return sampling.temperature > 0 and not _is_free(sampling)


def pick_any(probs: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Which token each row of `probs` `[rows, vocab]` draws by `uniform` `[rows, 1]`: `[rows]`."""
    mass = probs.double().cumsum(-1)
    return torch.searchsorted(mass, uniform * mass[:, -1:], right=True).squeeze(1)


def pick_rank(
    top: torch.Tensor,
    top_k: torch.Tensor,
    top_p: torch.Tensor,
    min_p: torch.Tensor,
    uniform: torch.Tensor,
) -> torch.Tensor:
    """Which rank of the descending probabilities `top` `[rows, n]` each row draws: `[rows, 1]`.

    `uniform` `[rows, 1]` lies in [0, 1). At least the most probable token is always kept.
    """
    top = top.double()
    rank = torch.arange(top.shape[1], device=top.device)
    inside = ((top_k == 0) | (rank < top_k)) & (top >= min_p * top[:, :1])
    top = top * inside
    is_part = (top_k > 0) | (min_p > 0)
    whole = torch.where(is_part, top.sum(-1, keepdim=True), 1.0)
    before = top.cumsum(-1) - top
    kept = top * (before < top_p * whole)
    mass = kept.cumsum(-1)
    drawn = (mass <= uniform * mass[:, -1:]).sum(-1, keepdim=True)
    num_kept = (kept > 0).sum(-1, keepdim=True)
    return torch.minimum(drawn, (num_kept - 1).clamp(min=0))
