"""What Discord still tells of what has happened there."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import discord
import structlog
from discord.http import Route

from adapters.discord.calls import Calls
from adapters.discord.echo import asked
from adapters.discord.talk import talk_before
from adapters.discord.translate import AWAY, emoji_of, incoming
from adapters.files import Files, Hosts
from bot.context.material import Talk
from bot.domain import Attachment, Conversation, Incoming, MessageRef, Person, Reaction, Turn
from bot.errors import MessageGone
from bot.feedback.signal import sign_of
from bot.store.places import Places

log = structlog.get_logger()

PAGE: Final = 100
PAGES: Final = 50
"""Pages of one channel that are looked at."""

KNOWN_S: Final = 7 * 86_400.0
"""Who asked within so many seconds is known."""
DIRECT: Final = 500
"""Direct messages that are looked at."""
OPENED: Final = 50
"""Direct messages opened at once: Discord slows down a bot that opens many."""

_KINDS: Final = (discord.ReactionType.normal, discord.ReactionType.burst)


class DiscordHistory:
    """Reading back through the client of the moment."""

    def __init__(self, calls: Calls, places: Places, *, bots: Collection[str] = ()) -> None:
        self._bots = bots
        self._calls = calls
        self._places = places

    async def question(self, ref: MessageRef) -> Incoming | None:
        """A message as it stands now; None when it was deleted, or is no question any more.

        Raises MessageGone where we are no member.
        """

        async def read(client: discord.Client) -> Incoming | None:
            try:
                message = await _place(client, ref).fetch_message(int(ref.message))
            except discord.NotFound:
                return None
            return read_back(message, client.user, self._bots) if client.user else None

        _require_member(ref)
        return await self._calls.do(int(ref.channel), read)

    async def talk(self, first: Turn, most: int) -> Talk:
        """What was said before a first question, in its thread or in the messages that it replies
        to. Raises MessageGone, too."""
        return await talk_before(self._calls, first, most)

    async def fetch(self, question: MessageRef, file: Attachment, most: int) -> bytes:
        """A file's content, by its signed address; no token is shown. Raises Unreadable."""
        hosts = Hosts(Route.BASE, "discordapp.com", "discordapp.net")
        return await Files(hosts).fetch(file, most)

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        """The reactions of people that may be votes. Raises MessageGone."""

        async def read(client: discord.Client) -> list[Reaction]:
            message = await _place(client, ref).fetch_message(int(ref.message))
            return [
                Reaction(
                    ref,
                    Person("discord", str(user.id), user.display_name),
                    emoji_of(one.emoji),
                    present=True,
                    at=message.created_at.timestamp(),
                    kind=kind.name,
                    ours=True,
                )
                for one in message.reactions
                if sign_of(emoji_of(one.emoji))
                for kind, count in zip(_KINDS, (one.normal_count, one.burst_count), strict=True)
                if count
                async for user in one.users(type=kind)
                if not user.bot
            ]

        _require_member(ref)
        return await self._calls.do(int(ref.channel), read)

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        """Nothing: Discord tells whose a reaction is one message and one emoji at a time."""
        return ()

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        """What people wrote since then in channels, active threads and known direct messages."""
        later = [found for client in self._calls.clients() for found in _later(client, since)]
        for channel_id in later:
            async for each in self._of(channel_id, since):
                yield each
        for channel_id in await self._direct():
            async for each in self._of(channel_id, since):
                yield each

    async def _direct(self) -> list[int]:
        """The direct messages with people that are known; a stranger's come by event alone.

        Discord lists none for a bot, so who asked in a channel has one opened, once.
        """
        since = time.time() - KNOWN_S
        asked = await self._places.conversations("discord", since, DIRECT)
        channels = [int(one.channel) for one in asked if one.place == "dm"]
        opened = await self._places.direct("discord")
        missing = [
            person
            for person in await self._places.askers("discord", since, DIRECT)
            if person not in opened
        ]
        for person in missing[:OPENED]:
            try:
                channel = await self._calls.do(0, partial(_open, person=int(person)))
            except (MessageGone, discord.HTTPException) as error:  # who left, or is no more
                log.info("no direct messages", person=person, error=str(error))
                channel = ""
            await self._places.set_direct("discord", person, channel)
            opened[person] = channel
        known = {int(channel) for channel in opened.values() if channel}
        return [*channels, *sorted(known - set(channels))]

    async def _of(self, channel_id: int, since: float) -> AsyncIterator[Incoming]:
        """What was written in one channel since then; nothing where it cannot be read."""
        after = discord.utils.time_snowflake(datetime.fromtimestamp(since, UTC)) - 1
        for _ in range(PAGES):
            try:
                page = await self._calls.do(
                    channel_id,
                    partial(_page, channel_id=channel_id, after=after, bots=self._bots),
                )
            except (MessageGone, discord.HTTPException) as error:
                log.info("channel not caught up", channel=channel_id, error=str(error))
                return
            for each in page.questions:
                yield each
            if page.last is None:
                return
            after = page.last
        log.warning("not all is looked at", channel=channel_id, pages=PAGES)


@dataclass(frozen=True, slots=True)
class _Page:
    """The questions of a page, oldest first, and its last message; None of the last page."""

    questions: Sequence[Incoming]
    last: int | None


async def _page(
    client: discord.Client, *, channel_id: int, after: int, bots: Collection[str]
) -> _Page:
    """A page of the messages after one.

    Not discord.py's own `history`, in which a message that it cannot parse hides all that follow.
    """
    known = client.get_channel(channel_id)
    channel = (
        known
        if isinstance(known, discord.abc.Messageable)
        else client.get_partial_messageable(channel_id)
    )
    found = sorted(
        await client.http.logs_from(channel_id, PAGE, after=after), key=lambda each: int(each["id"])
    )
    questions: list[Incoming] = []
    for each in found:
        try:
            message = client._connection.create_message(channel=channel, data=each)
            question = read_back(message, client.user, bots) if client.user else None
        except Exception:
            log.exception("Discord message skipped", channel=channel_id, message=each["id"])
            continue
        if question is not None:
            questions.append(question)
    return _Page(questions, int(found[-1]["id"]) if len(found) == PAGE else None)


def read_back(
    message: discord.Message, me: discord.ClientUser, bots: Collection[str] = ()
) -> Incoming | None:
    """A message as the question that it was: one that a person wrote, or asked by a command."""
    return asked(message, me) or incoming(message, me, bots=bots)


def _require_member(ref: MessageRef) -> None:
    if ref.workspace == AWAY:
        raise MessageGone("there is no way to read there")


def _later(client: discord.Client, since: float) -> list[int]:
    """The channels and active threads of all servers in which something was written since then."""
    oldest = discord.utils.time_snowflake(datetime.fromtimestamp(since, UTC))
    spoken_in: list[discord.TextChannel | discord.VoiceChannel | discord.Thread] = [
        channel
        for guild in client.guilds
        for channels in (guild.text_channels, guild.voice_channels, guild.threads)
        for channel in channels
    ]
    return [one.id for one in spoken_in if (one.last_message_id or 0) >= oldest]


async def _open(client: discord.Client, *, person: int) -> str:
    return str((await client.create_dm(discord.Object(person))).id)


def _place(client: discord.Client, ref: MessageRef) -> discord.PartialMessageable:
    guild = int(ref.workspace) if ref.workspace.isdecimal() else None
    return client.get_partial_messageable(int(ref.channel), guild_id=guild)
