"""The beginning of a text as a person reads it, for where no Markdown is shown."""

import re
from typing import Final

from adapters.markdown.dialect import utf8_size
from adapters.markdown.inline import plain
from adapters.markdown.signs import between_signs

_MARKS: Final = re.compile(r"\s*(?:>\s?|#{1,6}\s+)*")
_FENCE: Final = re.compile(r"[\s>]*(?:`{3,}|~{3,})")


def gist(text: str, size: int) -> str:
    """The first lines of a text, without its marks, in at most `size` bytes of UTF-8."""
    lines: list[str] = []
    left = size
    for line in text[:size].split("\n"):
        if left <= 0:
            break
        if _FENCE.match(line):
            continue
        lines.append(plain(_MARKS.sub("", line, count=1)))
        left -= utf8_size(lines[-1]) + 1
    said = "\n".join(lines).strip()
    while utf8_size(said) > size:
        over = utf8_size(said) - size
        said = said[: between_signs(said, len(said) - max(1, over // 4))]
    return said
