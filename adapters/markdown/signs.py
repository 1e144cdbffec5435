"""Where a text may be cut between characters: never inside of an emoji or a letter."""

from typing import Final

from wcwidth import iter_graphemes

LONGEST: Final = 64
"""Characters that one sign may be made of; a longer chain is cut."""


def between_signs(text: str, at: int, least: int = 0) -> int:
    """The last place up to `at`, and after `least`, that cuts no sign; `at` if there is none.

    What stands behind the character at `at` makes no difference.
    """
    if at >= len(text):
        return at
    place = begin = max(least, at - 4 * LONGEST)
    best = at
    for sign in iter_graphemes(text[begin : at + 1]):
        if least < place <= at:
            best = place
        place += len(sign)
    return best if at - best <= LONGEST else at
