"""What stands after `/candor`."""

import pytest

from adapters.commands_text import NAMES, parse


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", ("help", "")),
        ("   ", ("help", "")),
        ("help", ("help", "")),
        (" PERSONA  speak  like a pirate ", ("persona", "speak  like a pirate")),
        ("feedback two\nlines", ("feedback", "two\nlines")),
        ("dance", None),
        ("/help", None),
    ],
)
def test_a_line_is_a_command_and_the_rest(line: str, found: tuple[str, str] | None) -> None:
    assert parse(line) == found


def test_every_command_is_found_by_its_own_name() -> None:
    assert [parse(f"{name} x") for name in NAMES] == [(name, "x") for name in NAMES]
