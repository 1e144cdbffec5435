"""Log-probabilities in the shapes of the wire: OpenAI's two, and vLLM's for prompts.

A token is shown as its text, whose half code points are U+FFFD, and in chats as its bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.engine.encoder import Encoder
from bot.engine.request import Score

Json = dict[str, Any]


def text_of(encoder: Encoder, tokens: Iterable[int]) -> str:
    """The text of tokens, markers included."""
    return b"".join(map(encoder.spell, tokens)).decode("utf-8", "replace")


def chat_logprobs(encoder: Encoder, scores: Iterable[Score]) -> Json:
    """`choices[].logprobs` of a chat completion."""

    def entry(token: int, logprob: float) -> Json:
        spelt = encoder.spell(token)
        text = spelt.decode("utf-8", "replace")
        return {"token": text, "logprob": logprob, "bytes": list(spelt)}

    content = [
        entry(one.token, one.logprob) | {"top_logprobs": [entry(*best) for best in one.top]}
        for one in scores
    ]
    return {"content": content, "refusal": None}


def prompt_logprobs(
    encoder: Encoder, prompt: Sequence[int], scores: Sequence[Score], num_top: int
) -> list[dict[str, Json] | None]:
    """vLLM's `prompt_logprobs`: for each token of the prompt its own and the most probable ones.

    The first token follows nothing, so it has none.
    """
    found: list[dict[str, Json] | None] = [None] * min(1, len(prompt))
    for one in scores:
        shown = {
            token: (logprob, rank)
            for rank, (token, logprob) in enumerate(one.top[:num_top], start=1)
        }
        shown[one.token] = one.logprob, one.rank
        found.append(
            {
                str(token): {
                    "logprob": logprob,
                    "rank": rank,
                    "decoded_token": text_of(encoder, (token,)),
                }
                for token, (logprob, rank) in shown.items()
            }
        )
    return found


@dataclass(slots=True)
class TextLogprobs:
    """`choices[].logprobs` of a plain completion, chunk by chunk: offsets go on from the last."""

    encoder: Encoder
    num_top: int
    offset: int = 0

    def take(self, scores: Iterable[Score], *, first: Sequence[int] = ()) -> Json:
        """The lists for some more tokens; before them `first`, which have no log-probability."""
        tokens = [text_of(self.encoder, (token,)) for token in first]
        logprobs: list[float | None] = [None] * len(tokens)
        tops: list[dict[str, float] | None] = [None] * len(tokens)
        for one in scores:
            tokens.append(text_of(self.encoder, (one.token,)))
            logprobs.append(one.logprob)
            top: dict[str, float] = {}
            for token, logprob in (*one.top[: self.num_top], (one.token, one.logprob)):
                # Halves of code points look alike: the most probable one is shown.
                top.setdefault(text_of(self.encoder, (token,)), logprob)
            tops.append(top)
        offsets = []
        for text in tokens:
            offsets.append(self.offset)
            self.offset += len(text)
        return {
            "tokens": tokens,
            "token_logprobs": logprobs,
            "top_logprobs": tops,
            "text_offset": offsets,
        }
