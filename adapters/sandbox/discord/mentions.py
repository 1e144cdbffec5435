"""Who a text mentions, and what of it `allowed_mentions` lets through.

The platform's rules: without `allowed_mentions` everything is parsed, `@everyone` included; with
it, only what it names, and the author of the message replied to only with `replied_user`. Mentions
inside code are no mentions.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

_CODE: Final = re.compile(r"```.*?```|``.+?``|`[^`\n]+`", re.DOTALL)
_USER: Final = re.compile(r"<@!?(\d{1,20})>")
_ROLE: Final = re.compile(r"<@&(\d{1,20})>")
_EVERYONE: Final = re.compile(r"@(?:everyone|here)\b")


@dataclass(frozen=True, slots=True)
class AllowedMentions:
    """`parse` holds "users", "roles", "everyone"; the id sets name single ones."""

    parse: frozenset[str] = frozenset()
    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    replied_user: bool = False


EVERYTHING: Final = AllowedMentions(
    parse=frozenset({"users", "roles", "everyone"}), replied_user=True
)
"""What an absent `allowed_mentions` means."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """The mentions that are in force: ids in order of appearance."""

    users: tuple[int, ...]
    roles: tuple[int, ...]
    everyone: bool


def mentions_in(
    content: str,
    *,
    allowed: AllowedMentions,
    users: Collection[int],
    roles: Collection[int],
    everyone: bool,
    replied: int | None,
) -> Mentions:
    """What `content` mentions and `allowed` permits.

    `users` and `roles` are those that exist where the text stands, `everyone` whether its author
    may mention everyone there, `replied` the author of the message it replies to, if another.
    """
    text = _CODE.sub(" ", content)
    found = [int(match) for match in _USER.findall(text)]
    named = [
        user
        for user in found
        if user in users and ("users" in allowed.parse or user in allowed.users)
    ]
    if replied is not None and allowed.replied_user:
        named.append(replied)
    role_ids = [
        role
        for role in map(int, _ROLE.findall(text))
        if role in roles and ("roles" in allowed.parse or role in allowed.roles)
    ]
    return Mentions(
        users=tuple(dict.fromkeys(named)),
        roles=tuple(dict.fromkeys(role_ids)),
        everyone=everyone and "everyone" in allowed.parse and bool(_EVERYONE.search(text)),
    )
