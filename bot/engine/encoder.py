"""Text to token ids and back: the chat template and the tokenizer, and nothing of the model.

What people write is data: the markers of the template ("<|im_end|>") mean nothing inside a
message, so that nobody can end a turn and begin another in somebody else's name. Encoding may
take long and may run on any thread.
"""

import copy
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from tokenizers import Tokenizer, decoders

_BYTE = re.compile("<0x([0-9A-F]{2})>")
"""How tokenizers that work on characters write a byte that is none."""


class PromptError(ValueError):
    """The prompt cannot be encoded; one line for the caller."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat: `role` is "system", "user" or "assistant"."""

    role: str
    content: str


class Encoder:
    """`render` applies the model's chat template to messages; None when it has none."""

    def __init__(
        self, tokenizer: Tokenizer, render: Callable[[list[dict[str, str]]], str] | None
    ) -> None:
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

    def encode_text(self, text: str) -> tuple[int, ...]:
        """A raw prompt; markers in it are markers."""
        return tuple(self._tokenizer.encode(text).ids)

    def encode_chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """A chat up to where the assistant's next message begins.

        Raises PromptError if the model has no chat template, or its template refuses the messages.
        """
        if self._render is None:
            raise PromptError("this model has no chat template")
        hidden: list[str] = []
        # Nobody can guess it, so no message can contain it.
        nonce = secrets.token_hex(8)

        def hide(match: re.Match[str]) -> str:
            hidden.append(match[0])
            return f"\ue000{nonce}:{len(hidden) - 1}\ue001"

        contents = [
            self._markers.sub(hide, m.content) if self._markers else m.content for m in messages
        ]
        try:
            text = self._render(
                [{"role": m.role, "content": c} for m, c in zip(messages, contents, strict=True)]
            )
        except TemplateError as error:
            raise PromptError(f"the chat template refuses the messages: {error}") from error
        ids: list[int] = []
        pieces = re.split(f"\ue000{nonce}:(\\d+)\ue001", text)
        for number, piece in enumerate(pieces):
            if number % 2:
                encoded = self._plain.encode(hidden[int(piece)], add_special_tokens=False)
            else:
                encoded = self._tokenizer.encode(piece, add_special_tokens=False)
            ids += encoded.ids
        return tuple(ids)

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
