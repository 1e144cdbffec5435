"""How Slack writes: markdown blocks, which show tables, and nothing in them that pings anybody."""

import re
from typing import Final

from adapters.markdown import Dialect, utf8_size

LIMIT: Final = 8_000
"""UTF-8 bytes of a part: under the 12,000 characters of markdown blocks, and with the plain text
beside it under the 9,000 bytes that a message, and a stream, takes safely."""
JOINER: Final = "\u2060"
"""Nothing to see, and what it stands in is no command."""

_CONTROL: Final = re.compile(r"<(?=[!@#])|@(?=channel|here|everyone)")
_SURE: Final = re.compile(
    r"<(?=!(?:channel|here|everyone|subteam\^|date\^)|@[UWB][A-Z0-9]|#[CGD][A-Z0-9])"
)
"""Mentions and links to channels to the letter: whether Slack reads them in code is not known."""
_CODE: Final = re.compile(
    r"^[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*(?P<fence>`{3,}|~{3,})[^\n]*"
    r"(?:\n.*?(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)


def harmless(text: str) -> str:
    """Text that pings nobody and links to no channel, whatever a model or a person wrote.

    Code is left as it is but for what is a mention to the letter.
    """
    pieces: list[str] = []
    end = 0
    for match in _CODE.finditer(text):
        pieces.append(_CONTROL.sub(r"\g<0>" + JOINER, text[end : match.start()]))
        pieces.append(_SURE.sub(r"\g<0>" + JOINER, match[0]))
        end = match.end()
    return "".join(pieces) + _CONTROL.sub(r"\g<0>" + JOINER, text[end:])


def _measure(text: str) -> int:
    """Bytes of a text, once it is harmless; never less."""
    return utf8_size(text) + utf8_size(JOINER) * sum(1 for _ in _CONTROL.finditer(text))


SLACK: Final = Dialect(LIMIT, _measure, neutral=harmless)
