"""What stands after `/candor`: the name of a command and the rest, for both platforms.

Pure. A client that offers the commands one by one needs no parsing; Slack hands over one line.
"""


def parse(line: str) -> tuple[str, str]:
    """The name of a command, which may be none of ours, and what came after it; "help" for nothing.

    The name may be written in any case; what came after is as it was typed, without the space
    around it.
    """
    name, *rest = line.strip().split(maxsplit=1) or ["help"]
    return name.casefold(), rest[0] if rest else ""
