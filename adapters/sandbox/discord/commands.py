"""The application's commands as the bot registered them, per scope."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from adapters.sandbox.discord.command_forms import CommandForm
from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field
from adapters.sandbox.discord.forms import checked
from adapters.sandbox.discord.ids import APPLICATION_ID, GUILD_ID, Snowflakes
from adapters.sandbox.discord.model import Json

MAX_BY_TYPE: Final = {1: 100, 2: 15, 3: 15}
"""Commands a scope may hold: slash commands, user commands, message commands."""


class Commands:
    """The stored commands. A command keeps its id while its name and type stay.

    `may_create` counts one creation, of which a day allows so many, and tells whether it may be.
    """

    def __init__(self, snowflakes: Snowflakes, may_create: Callable[[], bool]) -> None:
        self._snowflakes = snowflakes
        self._may_create = may_create
        self._by_scope: dict[int | None, list[Json]] = {}

    def stored(self, scope: int | None) -> list[Json]:
        """The commands of a guild, or with None the global ones."""
        return self._by_scope.get(scope, [])

    def usable(self, kind: int, context: int, *, is_member: bool) -> list[Json]:
        """The commands of a type that people can use in such a place.

        `context` is 0 in guilds, 1 in a direct message with the bot, 2 in other direct messages;
        where the bot is no member only those count that people installed for themselves.
        """
        scopes: list[int | None] = [None, GUILD_ID] if is_member and context == 0 else [None]
        install = 0 if is_member else 1
        return [
            one
            for scope in scopes
            for one in self.stored(scope)
            if one["type"] == kind
            and install in (one.get("integration_types") or [0])
            and (one.get("contexts") is None or context in one["contexts"])
        ]

    def replace(self, scope: int | None, given: list[object]) -> list[Json]:
        """Make these the commands of the scope and give them back with their ids."""
        forms = [checked(CommandForm, one) for one in given]
        names = Counter((form.type, form.name) for form in forms)
        if any(times > 1 for times in names.values()):
            raise invalid_field(
                "name",
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                "Application command names must be unique",
            )
        types = Counter(form.type for form in forms)
        if any(count > MAX_BY_TYPE[kind] for kind, count in types.items()):
            raise ApiError(Refusal.TOO_MANY_COMMANDS)
        for form in forms:
            if form.type == 1 and not form.description:
                raise invalid_field("description", "BASE_TYPE_REQUIRED", "This field is required")
            form.require_modelled()
        known = {(one["type"], one["name"]): one["id"] for one in self.stored(scope)}
        fresh = [form for form in forms if (form.type, form.name) not in known]
        if not all(self._may_create() for _ in fresh):
            raise ApiError(Refusal.COMMAND_CREATES_SPENT)
        raw = [one for one in given if isinstance(one, dict)]
        self._by_scope[scope] = [
            self._command(scope, form, one, known) for form, one in zip(forms, raw, strict=True)
        ]
        return self._by_scope[scope]

    def _command(
        self, scope: int | None, form: CommandForm, given: Json, known: dict[tuple[int, str], str]
    ) -> Json:
        number = known.get((form.type, form.name)) or str(self._snowflakes.mint())
        command: Json = {
            "default_member_permissions": None,
            "nsfw": False,
            "options": [],
            **given,
            "id": number,
            "application_id": str(APPLICATION_ID),
            "version": str(self._snowflakes.mint()),
            "type": form.type,
            "name": form.name,
            "description": form.description,
        }
        if scope is not None:
            command["guild_id"] = str(scope)
        return command
