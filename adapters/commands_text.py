"""What stands after `/candor`: the name of a command and the rest, for both platforms.

Pure. A client that offers the commands one by one needs no parsing; Slack hands over one line.
"""

from typing import Final

NAMES: Final = (
    "help",
    "new",
    "model",
    "persona",
    "stats",
    "privacy",
    "forget",
    "why",
    "feedback",
)
"""The commands of ours, in the order in which people are told of them."""


def parse(line: str) -> tuple[str, str] | None:
    """The command's name and what came after it; "help" for nothing, None for no command of ours.

    The name may be written in any case; what came after is as it was typed, without the space
    around it.
    """
    name, *rest = line.strip().split(maxsplit=1) or ["help"]
    name = name.casefold()
    return (name, rest[0] if rest else "") if name in NAMES else None
