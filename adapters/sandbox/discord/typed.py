"""A slash command as somebody types it, against what the application registered.

The client would offer each option by name; here the words after the command are its options, as
`name:value` where there are several.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.sandbox.discord.command_forms import GROUP, SUBCOMMAND
from adapters.sandbox.discord.model import Json
from adapters.sandbox.errors import ControlError
from adapters.sandbox.interactive import CommandView

STRING: Final = 3


@dataclass(frozen=True, slots=True)
class Typed:
    """The registered command, and the options as an interaction's data carries them."""

    command: Json
    options: list[Json]


def typed(text: str, commands: Sequence[Json]) -> Typed:
    """What `/candor persona be kind` runs; raises ControlError for what the client would refuse."""
    if not text.startswith("/"):
        raise ControlError("a command begins with /")
    name, rest = _word(text[1:])
    for command in commands:
        if command["name"] == name:
            return Typed(command, _options(command, rest, f"/{name}"))
    offered = ", ".join(f"/{one.name}" for one in listed(commands)) or "none"
    raise ControlError(f"no such command: /{name}; there are: {offered}")


def listed(commands: Sequence[Json]) -> Iterator[CommandView]:
    """Every command and subcommand that can be typed."""
    for command in commands:
        yield from _listed(command["name"], command)


def _listed(name: str, node: Json) -> Iterator[CommandView]:
    options = node.get("options") or []
    inner = [option for option in options if option["type"] in {SUBCOMMAND, GROUP}]
    for option in inner:
        yield from _listed(f"{name} {option['name']}", option)
    if not inner:
        yield CommandView(name, node.get("description", ""), takes_text=bool(options))


def _options(node: Json, rest: str, path: str) -> list[Json]:
    options = node.get("options") or []
    inner = [option for option in options if option["type"] in {SUBCOMMAND, GROUP}]
    if inner:
        name, after = _word(rest)
        for option in inner:
            if option["name"] == name:
                nested = _options(option, after, f"{path} {name}")
                return [{"type": option["type"], "name": name, "options": nested}]
        names = ", ".join(option["name"] for option in inner)
        raise ControlError(f"{path}: say which: {names}")
    given = _values(options, rest)
    missing = [one["name"] for one in options if one.get("required") and one["name"] not in given]
    if missing:
        raise ControlError(f"{path}: {missing[0]} is missing")
    return [_valued(option, given[option["name"]]) for option in options if option["name"] in given]


def _values(options: list[Json], rest: str) -> dict[str, str]:
    """The values by option; what stands before the first `name:` is the first option's."""
    if not rest:
        return {}
    if not options:
        raise ControlError("the command takes nothing")
    names = "|".join(re.escape(option["name"]) for option in options)
    pieces = re.split(rf"(?:^|(?<=\s))({names}):", rest)
    found = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    if pieces[0].strip():
        found.setdefault(options[0]["name"], pieces[0].strip())
    return found


def _valued(option: Json, text: str) -> Json:
    body: Json = {"type": option["type"], "name": option["name"]}
    try:
        match option["type"]:
            case 4:
                body["value"] = int(text)
            case 5:
                body["value"] = {"true": True, "false": False}[text.lower()]
            case 10:
                body["value"] = float(text)
            case _:
                body["value"] = text
    except (ValueError, KeyError):
        raise ControlError(f"{option['name']}: {text[:40]!r} is no such value") from None
    choices = [choice["value"] for choice in option.get("choices") or ()]
    if choices and body["value"] not in choices:
        raise ControlError(f"{option['name']}: allowed: {', '.join(map(str, choices))}")
    most = option.get("max_length") or 6000
    if option["type"] == STRING and not (option.get("min_length") or 0) <= len(text) <= most:
        raise ControlError(f"{option['name']}: must have at most {most} characters")
    return body


def _word(text: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    first, _, rest = text.strip().partition(" ")
    return first, rest.strip()
