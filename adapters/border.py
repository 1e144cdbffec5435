"""The border of an adapter: from a translated message to an answer, from a reaction to a vote.

The one place with a catch-all: what nobody foresaw is logged with the turn's message and told to
the person honestly, and the adapter goes on.
"""

import asyncio
from typing import Final

import structlog

from adapters import wording
from adapters.pacing import Pacing
from adapters.reply import Surface, deliver
from bot.core import Chat
from bot.domain import Incoming, Person, Reaction
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.feedback.voting import Voting
from bot.store.people import People

log = structlog.get_logger()

VOTE_LOCKS: Final = 256


class Border:
    """What both adapters do with what they translated."""

    def __init__(self, chat: Chat, voting: Voting, people: People, pacing: Pacing) -> None:
        self._chat = chat
        self._voting = voting
        self._people = people
        self._pacing = pacing
        # Reactions on one message are applied one after the other, in the order of their events.
        self._votes = [asyncio.Lock() for _ in range(VOTE_LOCKS)]

    async def answer(self, incoming: Incoming, surface: Surface) -> None:
        """Answer a message, if it is a question for us."""
        try:
            await deliver(self._chat.respond(incoming), surface, self._pacing, self._chat.add_part)
        except (PlatformUnavailable, MessageGone) as error:
            log.error("answer not shown", message=incoming.ref.key, error=str(error))
        except Exception:
            log.exception("answer failed", message=incoming.ref.key)
            await self._tell(incoming, surface)

    async def vote(self, reaction: Reaction) -> None:
        """Take a reaction as a vote, if it is one."""
        try:
            async with self._votes[hash(reaction.ref.key) % VOTE_LOCKS]:
                await self._voting.react(reaction)
        except StoreUnavailable as error:
            log.error("reaction lost", message=reaction.ref.key, error=str(error))
        except Exception:
            log.exception("reaction failed", message=reaction.ref.key)

    async def remember(self, person: Person) -> None:
        """Keep what a person is called."""
        try:
            await self._people.remember(person)
        except StoreUnavailable as error:
            log.warning("name not kept", person=person.key, error=str(error))

    async def _tell(self, incoming: Incoming, surface: Surface) -> None:
        try:
            await surface.post(wording.problem("error"), turn=incoming.ref.message, part=0)
        except (PlatformUnavailable, MessageGone) as error:
            log.error("person not told", message=incoming.ref.key, error=str(error))
        except Exception:
            log.exception("person not told", message=incoming.ref.key)
