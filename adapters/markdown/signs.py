"""Where a text may be cut between characters: never inside of an emoji or a letter."""

from typing import Final

import regex

LONGEST: Final = 64
"""Characters that one sign may be made of; a longer chain is cut."""

_SIGN: Final = regex.compile(r"\X")


def between_signs(text: str, at: int, least: int = 0) -> int:
    """The last place up to `at`, and after `least`, that cuts no sign; `at` if there is none.

    What stands behind the character at `at` makes no difference.
    """
    if at >= len(text):
        return at
    begin = max(least, at - 4 * LONGEST)
    places = [match.start() for match in _SIGN.finditer(text, begin, at + 1)]
    place = max((place for place in places if least < place <= at), default=at)
    return place if at - place <= LONGEST else at
