"""Text to token ids and back: the chat template and the tokenizer, and nothing of the model.

What people write is data: the markers of the template ("<|im_end|>") mean nothing inside a
message, so that nobody can end a turn and begin another in somebody else's name. Encoding may
take long and may run on any thread.
"""

import copy
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from jinja2 import TemplateError
from tokenizers import Tokenizer, decoders

_BYTE = re.compile("<0x([0-9A-F]{2})>")
"""How tokenizers that work on characters write a byte that is none."""

_CHANGED: Final = (
    "the model's chat template changes the last message, so that it cannot be continued"
)


class PromptError(ValueError):
    """The prompt cannot be encoded; one line for the caller."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat: `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class BegunChat:
    """The token ids of a chat that ends in the middle of an answer; the last `num_begun` of them
    are the answer's."""

    tokens: tuple[int, ...]
    num_begun: int


class Render(Protocol):
    """The model's chat template."""

    def __call__(self, messages: list[dict[str, str]], *, is_continued: bool) -> str:
        """The text of a chat, up to where the next message begins, or, with `is_continued`, up to
        where the last one is to go on.

        Raises jinja2's TemplateError for a chat that the template refuses, ValueError for a last
        message that it does not show as it is.
        """
        ...


class Encoder:
    """`render` applies the model's chat template to messages; None when it has none."""

    def __init__(self, tokenizer: Tokenizer, render: Render | None) -> None:
        self._tokenizer = tokenizer
        self._render = render
        # The same tokenizer, but one that reads markers as plain text.
        self._plain = copy.deepcopy(tokenizer)
        self._plain.encode_special_tokens = True
        markers = [t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special]
        markers.sort(key=len, reverse=True)
        self._markers = re.compile("|".join(map(re.escape, markers))) if markers else None
        self._added = {n: t.content for n, t in tokenizer.get_added_tokens_decoder().items()}
        self._num_tokens = tokenizer.get_vocab_size()
        self._alphabet = (
            _byte_alphabet() if isinstance(tokenizer.decoder, decoders.ByteLevel) else None
        )

    def encode_text(self, text: str, *, has_special: bool = True) -> tuple[int, ...]:
        """A raw prompt; markers in it are markers. With `has_special`, in the tokens that the
        tokenizer puts around one."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=has_special).ids)

    def encode_chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """A chat up to where the assistant's next message begins.

        Raises PromptError if the model has no chat template, or its template refuses the messages.
        """
        hidden = _Hidden(self._markers)
        text = self._rendered([(m.role, hidden.hide(m.content)) for m in messages])
        return self._encode(text, hidden).tokens

    def encode_begun(self, messages: Sequence[Message]) -> BegunChat:
        """A chat up to the end of its last message, in which the answer goes on.

        Raises PromptError as `encode_chat` does, and where the template changes the last message.
        """
        hidden = _Hidden(self._markers)
        chat = [(m.role, hidden.hide(m.content)) for m in messages]
        role, begun = chat[-1]
        # Templates trim what they are given: with the mark behind it, spaces at its end are kept.
        text = self._rendered([*chat[:-1], (role, begun + hidden.end)], is_continued=True)
        if not text.endswith(hidden.end):
            raise PromptError(_CHANGED)
        text = text.removesuffix(hidden.end)
        if not text.endswith(begun):
            begun = begun.lstrip()
        return self._encode(text, hidden, begun_at=len(text) - len(begun))

    def _rendered(self, chat: Sequence[tuple[str, str]], *, is_continued: bool = False) -> str:
        if self._render is None:
            raise PromptError("this model has no chat template")
        messages = [{"role": role, "content": content} for role, content in chat]
        try:
            return self._render(messages, is_continued=is_continued)
        except TemplateError as error:
            raise PromptError(f"the chat template refuses the messages: {error}") from error
        except ValueError as error:
            if not is_continued:
                raise
            raise PromptError(_CHANGED) from error

    def _encode(self, text: str, hidden: "_Hidden", begun_at: int | None = None) -> BegunChat:
        """The tokens of what a template gave, counting those that reach beyond `begun_at`."""
        begun_at = len(text) if begun_at is None else begun_at
        ids: list[int] = []
        num_begun = 0
        for at, piece, is_hidden in hidden.pieces(text):
            tokenizer = self._plain if is_hidden else self._tokenizer
            encoded = tokenizer.encode(piece, add_special_tokens=False)
            ids += encoded.ids
            if at >= begun_at:
                num_begun += len(encoded.ids)
            elif not is_hidden:
                num_begun += sum(at + end > begun_at for _, end in encoded.offsets)
        return BegunChat(tuple(ids), num_begun)

    def spell(self, token: int) -> bytes:
        """What one token stands for, in UTF-8, markers as written: it may be part of a code point,
        or nothing for an id that the tokenizer does not have."""
        if token in self._added:
            return self._added[token].encode()
        if not 0 <= token < self._num_tokens:
            return b""
        piece = self._tokenizer.id_to_token(token) or ""
        if self._alphabet is not None:
            return bytes(self._alphabet[sign] for sign in piece)
        if byte := _BYTE.fullmatch(piece):
            return bytes([int(byte[1], 16)])
        return piece.replace("\u2581", " ").encode()

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, markers left out."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)


class _Hidden:
    """What stands in a chat's text for the markers that people wrote.

    `end` stands for the end of a message that goes on.
    """

    def __init__(self, markers: re.Pattern[str] | None) -> None:
        self._markers = markers
        self._found: list[str] = []
        # Nobody can guess it, so no message can contain it.
        self._nonce = secrets.token_hex(8)
        self.end = f"\ue000{self._nonce}\ue001"

    def hide(self, content: str) -> str:
        """The content, with no marker in it."""
        return self._markers.sub(self._put_away, content) if self._markers else content

    def _put_away(self, match: re.Match[str]) -> str:
        self._found.append(match[0])
        return f"\ue000{self._nonce}:{len(self._found) - 1}\ue001"

    def pieces(self, text: str) -> Iterator[tuple[int, str, bool]]:
        """Where each piece of the text begins, what it is, and whether it was hidden there."""
        at = 0
        for match in re.finditer(f"\ue000{self._nonce}:(\\d+)\ue001", text):
            yield at, text[at : match.start()], False
            yield match.start(), self._found[int(match[1])], True
            at = match.end()
        yield at, text[at:], False


class AnyIdEncoder(Encoder):
    """For random weights, which draw ids that the tokenizer lacks: they read as those it has."""

    def decode(self, ids: Sequence[int]) -> str:
        size = self._tokenizer.get_vocab_size()
        return super().decode([i % size for i in ids])


def _byte_alphabet() -> dict[str, int]:
    """The signs by which byte-level tokenizers write bytes: what prints in Latin-1 stands for
    itself, the other bytes for the signs from 256 on, in order."""
    printing = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
    others = (byte for byte in range(0x100) if byte not in printing)
    return {chr(byte): byte for byte in printing} | {
        chr(0x100 + place): byte for place, byte in enumerate(others)
    }
