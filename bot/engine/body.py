"""Bodies of requests, checked: OpenAI's fields, and vLLM's where OpenAI has none.

A field that would change the answer and that this server cannot honour is refused by name;
a field nobody here knows is ignored, as other compatible servers do.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import Field, model_validator

from bot.engine.checked import Body, BodyError
from bot.engine.messages import Ending, Messages
from bot.engine.request import MAX_LOGPROBS, MAX_SALT_CHARS, MAX_SEED, MAX_STOPS, Sampling
from bot.engine.weights import Defaults

_T = TypeVar("_T")

TopCount = Annotated[int, Field(ge=0, le=MAX_LOGPROBS, strict=True)]
"""How many of the most probable tokens are told."""

_NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "allowed_token_ids": (),
    "audio": (),
    "bad_words": ([],),
    "best_of": (1,),
    "chat_template": (),
    "function_call": ("none",),
    "functions": ([],),
    "guided_choice": (),
    "guided_grammar": (),
    "guided_json": (),
    "guided_regex": (),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "n": (1,),
    "prediction": (),
    "response_format": ({"type": "text"},),
    "stop_token_ids": ([],),
    "structured_outputs": (),
    "suffix": ("",),
    "tool_choice": ("none",),
    "tools": ([],),
    "use_beam_search": (False,),
}
"""Fields that are not supported, with the values that ask for nothing (null always does)."""


class StreamOptions(Body):
    """What else a stream tells."""

    include_usage: bool = False


class GenerationBody(Body):
    """What chat and plain completions have in common."""

    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    min_p: float | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    ignore_eos: bool | None = None
    prompt_logprobs: TopCount | None = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    seed: Annotated[int, Field(ge=-MAX_SEED, le=MAX_SEED)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=MAX_SALT_CHARS)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, body: Any) -> Any:
        if isinstance(body, dict):
            for name in _unsupported(body):
                raise BodyError(f"{name} is not supported by this server", name)
        return body

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stream and self.prompt_logprobs is not None:
            raise BodyError("prompt_logprobs cannot be streamed", "prompt_logprobs")
        return self

    @property
    def person(self) -> str:
        """Who asks, as a hash, since nobody here needs the name; "" for nobody known."""
        named = self.safety_identifier or self.user
        return hashlib.blake2b(named.encode(), digest_size=16).hexdigest() if named else ""

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    def token_limit(self) -> int | None:
        return self.max_tokens

    @abstractmethod
    def num_logprobs(self) -> int | None:
        """How many of the most probable tokens come with each drawn one; None for no numbers."""

    def num_prompt_logprobs(self) -> int | None:
        """The same for each token of the prompt."""
        return self.prompt_logprobs

    def sampling(self, defaults: Defaults, room: int) -> Sampling:
        """How to draw; the model's defaults where the body is silent. `room`: tokens left.

        Raises BodyError for a value outside its range.
        """
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []

        try:
            return Sampling(
                max_tokens=_pick(self.token_limit(), max(1, room)),
                temperature=_pick(self.temperature, defaults.temperature),
                top_p=_pick(self.top_p, defaults.top_p),
                top_k=max(0, _pick(self.top_k, defaults.top_k)),
                repetition_penalty=_pick(self.repetition_penalty, defaults.repetition_penalty),
                frequency_penalty=_pick(self.frequency_penalty, defaults.frequency_penalty),
                presence_penalty=_pick(self.presence_penalty, 0.0),
                min_p=_pick(self.min_p, 0.0),
                min_tokens=_pick(self.min_tokens, 0),
                ignore_eos=bool(self.ignore_eos),
                logprobs=self.num_logprobs(),
                prompt_logprobs=self.num_prompt_logprobs(),
                stop=tuple(text for text in stop if text),
                seed=self.seed,
            )
        except ValueError as error:
            raise BodyError(str(error), str(error).split()[0]) from error


class ChatBody(GenerationBody, Ending):
    """`POST /v1/chat/completions`."""

    messages: Messages
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: TopCount | None = None

    @model_validator(mode="after")
    def _check_chat(self) -> Self:
        self.check_ending(self.messages)
        if self.top_logprobs and not self.logprobs:
            raise BodyError("top_logprobs needs logprobs to be true", "top_logprobs")
        return self

    def token_limit(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def num_logprobs(self) -> int | None:
        return self.top_logprobs or 0 if self.logprobs else None


class CompletionBody(GenerationBody):
    """`POST /v1/completions`; the prompt is text or token ids."""

    prompt: str | list[int] | Annotated[list[str], Field(min_length=1, max_length=1)]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: TopCount | None = None
    echo: bool | None = None

    @model_validator(mode="after")
    def _check_echo(self) -> Self:
        if self.max_tokens == 0 and not self.echo and self.prompt_logprobs is None:
            raise BodyError("max_tokens of 0 needs echo or prompt_logprobs", "max_tokens")
        if self.echo and self.stream and self.logprobs is not None:
            raise BodyError("echo with logprobs cannot be streamed", "echo")
        return self

    def num_logprobs(self) -> int | None:
        return self.logprobs

    def num_prompt_logprobs(self) -> int | None:
        if not self.echo or self.logprobs is None:
            return self.prompt_logprobs
        return max(self.logprobs, self.prompt_logprobs or 0)

    def text_or_ids(self) -> str | tuple[int, ...]:
        prompt = self.prompt
        if isinstance(prompt, str):
            return prompt
        texts = [part for part in prompt if isinstance(part, str)]
        return texts[0] if texts else tuple(part for part in prompt if isinstance(part, int))


class TokenizeBody(Ending):
    """`POST /tokenize`, as vLLM's: a chat or a plain prompt."""

    model: str | None = None
    messages: Messages | None = None
    prompt: str | None = None
    add_special_tokens: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.messages is None) == (self.prompt is None):
            raise BodyError("give either messages or prompt", "messages")
        if self.messages is not None:
            self.check_ending(self.messages)
            if self.add_special_tokens:
                # A chat has those of its template.
                raise BodyError("add_special_tokens needs a prompt", "add_special_tokens")
        return self


class LoadAdapterBody(Body):
    """`POST /v1/load_lora_adapter`, as vLLM's, with a hash of what must be found there."""

    lora_name: str
    lora_path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _check(cls, body: Any) -> Any:
        for name in ("load_inplace", "is_3d_lora_weight"):
            if isinstance(body, dict) and body.get(name):
                raise BodyError(f"{name} is not supported by this server", name)
        return body


class UnloadAdapterBody(Body):
    """`POST /v1/unload_lora_adapter`, as vLLM's."""

    lora_name: str


def _unsupported(body: dict[str, Any]) -> Iterator[str]:
    for name, neutral in _NEUTRAL.items():
        value = body.get(name)
        if value is not None and value not in neutral:
            yield name


def _pick(asked: _T | None, default: _T) -> _T:
    return default if asked is None else asked
