"""Plain words that are no question but a wish about an answer: stop, try again, go on."""

from typing import Final, Literal

Word = Literal["stop", "again", "continue"]

WORDS: Final[dict[str, Word]] = {
    "stop": "stop",
    "stop it": "stop",
    "stop please": "stop",
    "please stop": "stop",
    "halt": "stop",
    "cancel": "stop",
    "again": "again",
    "try again": "again",
    "please try again": "again",
    "retry": "again",
    "continue": "continue",
    "please continue": "continue",
    "go on": "continue",
    "please go on": "continue",
}

_LONGEST: Final = 40
"""Characters of a message that can still be one of them, with what stands around it."""


def word_of(text: str) -> Word | None:
    """The wish that a message is, as a whole; None for any other.

    Case, blanks and the punctuation around it do not count; a question mark makes a question.
    """
    if len(text) > _LONGEST or "?" in text:
        return None
    plain = " ".join(text.casefold().replace(",", " ").split())
    return WORDS.get(plain.strip(" .!…*_~`\"'"))
