"""Interactions: what a person did that the application has to answer, and the token to do it with.

An interaction is answered once, within three seconds; its token then works for a quarter of an hour
(Receiving and Responding to Interactions).
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.ids import Snowflakes
from adapters.sandbox.discord.model import Json

COMMAND: Final = 2
COMPONENT: Final = 3
MODAL: Final = 5
"""Interaction types."""

Context = Literal[0, 1, 2]
"""Where: in a guild, in a direct message with the bot, in another direct message."""

KEPT: Final = 2000
"""Tokens that are remembered, so that one which has run out is told from one that never was."""


@dataclass(slots=True)
class Interaction:
    """One interaction. `source_id` is the message whose component was used, `target_id` the one
    that a command of a message's menu was run on, `trigger` what opened the form that came in.

    `answer` is the type of the callback that answered it; `original_id` the message that stands
    for `@original`, `is_loading` while that one is deferred and still empty.
    """

    id: int
    token: str
    kind: Literal[2, 3, 5]
    data: Json
    user_id: int
    channel_id: int
    created_at: float
    owners: Json
    context: Context
    source_id: int | None = None
    target_id: int | None = None
    trigger: "Interaction | None" = None
    answer: int | None = None
    original_id: int | None = None
    is_loading: bool = False
    num_follow_ups: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_by_user_alone(self) -> bool:
        """Whether only the person installed the application, and not the guild."""
        return set(self.owners) == {"1"}


class Interactions:
    """All interactions. `answer_s` and `life_s` are seconds; `clock` gives Unix time."""

    def __init__(
        self,
        *,
        snowflakes: Snowflakes,
        clock: Callable[[], float],
        answer_s: float,
        life_s: float,
    ) -> None:
        self.answer_s: Final = answer_s
        self._snowflakes = snowflakes
        self._clock = clock
        self._life_s = life_s
        self._by_token: dict[str, Interaction] = {}

    def open(
        self,
        kind: Literal[2, 3, 5],
        data: Json,
        *,
        user_id: int,
        channel_id: int,
        owners: Json,
        context: Context,
        source_id: int | None = None,
        target_id: int | None = None,
        trigger: Interaction | None = None,
    ) -> Interaction:
        """A new interaction, with a token of its own."""
        interaction = Interaction(
            id=self._snowflakes.mint(),
            token=secrets.token_urlsafe(96),
            kind=kind,
            data=data,
            user_id=user_id,
            channel_id=channel_id,
            created_at=self._clock(),
            owners=owners,
            context=context,
            source_id=source_id,
            target_id=target_id,
            trigger=trigger,
        )
        while len(self._by_token) >= KEPT:
            del self._by_token[next(iter(self._by_token))]
        self._by_token[interaction.token] = interaction
        return interaction

    def to_answer(self, interaction_id: int, token: str) -> Interaction:
        """The interaction that a callback answers; raises 10062 and 40060."""
        found = self._by_token.get(token)
        if found is None or found.id != interaction_id:
            raise ApiError(Refusal.UNKNOWN_INTERACTION)
        if found.answer is not None:
            raise ApiError(Refusal.INTERACTION_ANSWERED)
        if self._clock() - found.created_at > self.answer_s:
            raise ApiError(Refusal.UNKNOWN_INTERACTION)
        return found

    def of_token(self, token: str) -> Interaction:
        """The interaction that was answered and whose token still works; raises 10015, 50027."""
        found = self._by_token.get(token)
        if found is None or found.answer is None:
            raise ApiError(Refusal.UNKNOWN_WEBHOOK)
        if self._clock() - found.created_at > self._life_s:
            raise ApiError(Refusal.INVALID_WEBHOOK_TOKEN)
        return found
