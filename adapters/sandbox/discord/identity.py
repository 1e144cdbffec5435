"""Users, members, roles and the application as Discord's JSON."""

from adapters.sandbox.discord.flags import ALL_PERMISSIONS, MODERATING, Permission
from adapters.sandbox.discord.ids import (
    APPLICATION_ID,
    BOT_ROLE_ID,
    BOT_USER_ID,
    FOUNDED_ISO,
    GUILD_ID,
    MODERATOR_ID,
    MODERATOR_ROLE_ID,
    PEOPLE_ROLE_ID,
)
from adapters.sandbox.discord.model import Json, User
from adapters.sandbox.platform import BOT_HANDLE


def user(person: User) -> Json:
    """A user as it stands inside other objects."""
    return {
        "id": str(person.id),
        "username": person.name,
        "discriminator": "0000" if person.bot else "0",
        "global_name": None if person.bot else person.name.capitalize(),
        "avatar": None,
        "bot": person.bot,
        "public_flags": 0,
    }


def own_user(person: User) -> Json:
    """The bot's own user, as it sees itself."""
    return {
        **user(person),
        "verified": True,
        "mfa_enabled": True,
        "email": None,
        "flags": 0,
    }


def member(user_id: int) -> Json:
    """A member of the guild without the user: what stands beside an author."""
    held = [BOT_ROLE_ID if user_id == BOT_USER_ID else PEOPLE_ROLE_ID]
    held += [MODERATOR_ROLE_ID] if user_id == MODERATOR_ID else []
    return {
        "roles": [str(role) for role in held],
        "nick": None,
        "avatar": None,
        "joined_at": FOUNDED_ISO,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }


def roles(own: Permission) -> list[Json]:
    """@everyone, people, moderators, and the role that the installation of the bot made (`own`)."""
    people = ALL_PERMISSIONS & ~MODERATING
    return [
        _role(GUILD_ID, "@everyone", 0, Permission(0)),
        _role(PEOPLE_ROLE_ID, "people", 1, people),
        _role(MODERATOR_ROLE_ID, "moderators", 2, MODERATING),
        {
            **_role(BOT_ROLE_ID, BOT_HANDLE, 3, own),
            "managed": True,
            "tags": {"bot_id": str(BOT_USER_ID)},
        },
    ]


def application(description: str, flags: int, owner: User) -> Json:
    """The application that the token belongs to."""
    return {
        "id": str(APPLICATION_ID),
        "name": "Candor",
        "description": description,
        "icon": None,
        "bot_public": False,
        "bot_require_code_grant": False,
        "owner": user(owner),
        "verify_key": "0" * 64,
        "flags": flags,
        "team": None,
    }


def _role(role_id: int, name: str, position: int, permissions: Permission) -> Json:
    return {
        "id": str(role_id),
        "name": name,
        "permissions": str(int(permissions)),
        "position": position,
        "color": 0,
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
