"""Who may ask, and where: decisions over the settings, and nothing else.

Deny wins over allow; a list of those who are allowed, once it names anybody, means only them. What
is not known of a person (their roles in a direct message) counts as not given.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from bot.domain import Conversation, Person, Standing
from bot.platform_settings import AccessSettings

Reason = Literal["workspace", "channel", "dm", "outside", "person", "role", "bot"]
"""What somebody is refused for: where they ask, or who they are."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A person is not answered, for this reason; an adapter has the words."""

    reason: Reason


def decide(
    rules: AccessSettings,
    *,
    person: Person,
    standing: Standing,
    where: Conversation,
    parent: str | None = None,
) -> Refused | None:
    """Why a person is refused in a place, or None.

    `parent` is the channel that a thread hangs in, where the thread has an id of its own: the rules
    for it hold in the thread, too. Where it is not known ("") and there are such rules, nobody is
    answered.
    """
    reason = _of_place(rules, where, parent) or _of_person(rules, person, standing)
    return None if reason is None else Refused(reason)


def is_moderator(rules: AccessSettings, person: Person, standing: Standing) -> bool:
    """Whether a person may do what moderators may: by the platform, or by the settings.

    People of another workspace are none by the platform: what they may do there says nothing here.
    """
    if person.id in rules.moderators or not standing.roles.isdisjoint(rules.moderator_roles):
        return True
    return standing.is_moderator and not standing.is_outside


def _of_place(rules: AccessSettings, where: Conversation, parent: str | None) -> Reason | None:
    if not _passes({where.workspace}, rules.allow_workspaces, rules.deny_workspaces):
        return "workspace"
    channels = {where.channel} if parent is None else {where.channel, parent}
    if where.place == "dm":  # a list of channels that may be asked in is about open ones
        return None if rules.dms and channels.isdisjoint(rules.deny_channels) else "dm"
    unsure = parent == "" and bool(rules.allow_channels or rules.deny_channels)
    if unsure or not _passes(channels, rules.allow_channels, rules.deny_channels):
        return "channel"
    return None


def _of_person(rules: AccessSettings, person: Person, standing: Standing) -> Reason | None:
    if person.id in rules.deny_people:
        return "person"
    if not standing.roles.isdisjoint(rules.deny_roles):
        return "role"
    if standing.is_bot:
        return None if person.id in rules.bots else "bot"
    if standing.is_outside and not rules.outside:
        return "outside"
    if not (rules.allow_people or rules.allow_roles):
        return None
    listed = person.id in rules.allow_people or not standing.roles.isdisjoint(rules.allow_roles)
    return None if listed else "person"


def _passes(ids: set[str], allowed: Collection[str], denied: Collection[str]) -> bool:
    return ids.isdisjoint(denied) and (not allowed or not ids.isdisjoint(allowed))
