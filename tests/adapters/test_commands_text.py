"""What stands after `/candor`."""

import pytest

from adapters.commands_text import parse


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", ("help", "")),
        ("   ", ("help", "")),
        ("help", ("help", "")),
        (" PERSONA  speak  like a pirate ", ("persona", "speak  like a pirate")),
        ("feedback two\nlines", ("feedback", "two\nlines")),
        ("Dance with me", ("dance", "with me")),
    ],
)
def test_a_line_is_a_command_and_the_rest(line: str, found: tuple[str, str]) -> None:
    assert parse(line) == found
