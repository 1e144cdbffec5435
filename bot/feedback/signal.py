"""Emoji → signal: which reactions are a vote, and which way."""

from typing import Final

from bot.store.votes import Sign

UP: Final = frozenset({"👍", "+1", "thumbsup"})
DOWN: Final = frozenset({"👎", "-1", "thumbsdown"})

_SKIN_TONES_AND_STYLE = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0F])
"""U+1F3FB–1F3FF colour the emoji before them, U+FE0F asks for its coloured form (Unicode TR51)."""


def sign_of(emoji: str) -> Sign | None:
    """The sign of a reaction, or None when it is no vote.

    `emoji` is a character, or a name with an optional skin tone (`+1::skin-tone-3`).
    """
    plain = emoji.strip(":").split("::")[0].translate(_SKIN_TONES_AND_STYLE)
    if plain in UP:
        return "+"
    if plain in DOWN:
        return "-"
    return None
