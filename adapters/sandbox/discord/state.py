"""The world's tables: users, channels, messages, who is typing, nonces of late.

The tables are changed here and by the transitions in `messages`, `reactions` and `threads`, and
each change is told to `emit` in the order of happening. Nothing here knows of HTTP.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from adapters.sandbox.discord.changes import Change, TypingStarted
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.flags import ALL_PERMISSIONS, MODERATING, Permission
from adapters.sandbox.discord.ids import (
    AWAY_GUILD_ID,
    AWAY_IDS,
    BOT_ROLE_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    MODERATOR_ID,
    MODERATOR_ROLE_ID,
    PEOPLE_IDS,
    PEOPLE_ROLE_ID,
    Snowflakes,
)
from adapters.sandbox.discord.model import (
    AwayChannel,
    Channel,
    DirectChannel,
    Message,
    TextChannel,
    Thread,
    User,
)
from adapters.sandbox.platform import BOT_HANDLE

TYPING_S: Final = 10.0
"""How long a typing notice lives (Discord: Trigger Typing Indicator)."""


class State:
    """All that exists, and its look-ups; those that raise, raise ApiError."""

    def __init__(
        self,
        *,
        emit: Callable[[Change], None],
        clock: Callable[[], float],
        permissions: Permission,
        nonce_window_s: float,
        people: Sequence[str],
    ) -> None:
        self.emit = emit
        self.clock = clock
        self.permissions = permissions
        self.snowflakes = Snowflakes(clock)
        self.users: dict[int, User] = {
            BOT_USER_ID: User(BOT_USER_ID, BOT_HANDLE, bot=True),
            **{PEOPLE_IDS[handle]: User(PEOPLE_IDS[handle], handle) for handle in people},
        }
        # The bot's own role is the one that its installation made.
        self.role_members: dict[int, frozenset[int]] = {
            BOT_ROLE_ID: frozenset({BOT_USER_ID}),
            PEOPLE_ROLE_ID: frozenset(self.users) - {BOT_USER_ID},
            MODERATOR_ROLE_ID: frozenset(self.users) & {MODERATOR_ID},
        }
        self.channels: dict[int, Channel] = {
            number: TextChannel(number, name, position)
            for position, (name, number) in enumerate(CHANNEL_IDS.items())
        }
        for name, number in AWAY_IDS.items():
            guild = AWAY_GUILD_ID if name == "elsewhere" else None
            self.channels[number] = AwayChannel(number, name, guild)
        self._threads: dict[int, list[int]] = {}
        self._direct: dict[int, int] = {}
        self._messages: dict[int, dict[int, Message]] = {}
        self._channel_of: dict[int, int] = {}
        self._last_ids: dict[int, int] = {}
        self._typing: dict[tuple[int, int], float] = {}
        self._nonces: dict[tuple[int, str], tuple[float, int, int]] = {}
        self._nonce_window_s = nonce_window_s

    def channel(self, channel_id: int) -> Channel:
        """The channel, direct channel or thread of that id; raises 10003."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise ApiError(Refusal.UNKNOWN_CHANNEL)
        return channel

    def thread(self, thread_id: int) -> Thread | None:
        """The thread of that id, if there is one."""
        channel = self.channels.get(thread_id)
        return channel if isinstance(channel, Thread) else None

    def threads_of(self, channel_id: int) -> Iterator[Thread]:
        """The threads under a text channel, oldest first."""
        for thread_id in tuple(self._threads.get(channel_id, ())):
            thread = self.thread(thread_id)
            if thread is not None:
                yield thread

    def put_thread(self, thread: Thread) -> None:
        """Store a thread, new or changed."""
        if thread.id not in self.channels:
            self._threads.setdefault(thread.parent_id, []).append(thread.id)
        self.channels[thread.id] = thread

    def message(self, channel_id: int, message_id: int) -> Message:
        """A message of this very channel; raises 10008."""
        message = self.find_message(channel_id, message_id)
        if message is None:
            raise ApiError(Refusal.UNKNOWN_MESSAGE)
        return message

    def find_message(self, channel_id: int, message_id: int) -> Message | None:
        """A message of this very channel, if it exists (still)."""
        return self._messages.get(channel_id, {}).get(message_id)

    def channel_of(self, message_id: int) -> Channel | None:
        """Where the message of that id stands, if it exists (still)."""
        return self.channels.get(self._channel_of.get(message_id, 0))

    def last_message_id(self, channel_id: int) -> int | None:
        """The id of the last message sent there, which need not exist any more (as on Discord)."""
        return self._last_ids.get(channel_id)

    def history(self, channel_id: int) -> list[Message]:
        """All messages of the channel itself, oldest first."""
        return list(self._messages.get(channel_id, {}).values())

    def put_message(self, message: Message) -> None:
        """Store a message, new or changed. Ids grow, so the table stays in order."""
        self._messages.setdefault(message.channel_id, {})[message.id] = message
        if message.id not in self._channel_of:
            self._channel_of[message.id] = message.channel_id
            self._last_ids[message.channel_id] = message.id

    def drop_message(self, message: Message) -> None:
        """Forget a message."""
        self._messages[message.channel_id].pop(message.id)
        del self._channel_of[message.id]

    def direct_channel(self, user_id: int) -> DirectChannel | None:
        """The person's direct channel with the bot, if it was ever opened."""
        channel = self.channels.get(self._direct.get(user_id, 0))
        return channel if isinstance(channel, DirectChannel) else None

    def open_direct_channel(self, user_id: int) -> DirectChannel:
        """The person's direct channel with the bot, made when it does not exist yet.

        Nobody is told: since API version 8 bots get no CHANNEL_CREATE for direct messages, they
        meet the channel with its first message.
        """
        user = self.users.get(user_id)
        if user is None:
            raise ApiError(Refusal.UNKNOWN_USER)
        if user.bot:
            raise ApiError(Refusal.INVALID_RECIPIENT)
        channel = self.direct_channel(user_id)
        if channel is None:
            channel = DirectChannel(self.snowflakes.mint(), user_id)
            self.channels[channel.id] = channel
            self._direct[user_id] = channel.id
        return channel

    def allows(self, user_id: int, channel: Channel, permission: Permission) -> bool:
        """Whether the user may do that there; people may do everything but moderate."""
        allowed = self.permissions_of(user_id, channel)
        return permission & allowed == permission

    def permissions_of(self, user_id: int, channel: Channel) -> Permission:
        """All that the user may do there; the bot nothing where it is not."""
        if isinstance(channel, DirectChannel):
            return ALL_PERMISSIONS & ~MODERATING
        if user_id == BOT_USER_ID:
            return Permission(0) if isinstance(channel, AwayChannel) else self.permissions
        if user_id == MODERATOR_ID and not isinstance(channel, AwayChannel):
            return ALL_PERMISSIONS
        return ALL_PERMISSIONS & ~MODERATING

    def start_typing(self, channel: Channel, user_id: int) -> None:
        """Show the user as typing for ten seconds or until they post."""
        now = self.clock()
        self._typing = {who: ends for who, ends in self._typing.items() if ends > now}
        self._typing[channel.id, user_id] = now + TYPING_S
        self.emit(TypingStarted(channel, user_id, now))

    def stop_typing(self, channel_id: int, user_id: int) -> None:
        """A message takes its author's typing notice away."""
        self._typing.pop((channel_id, user_id), None)

    def is_typing(self, channel_id: int, user_id: int) -> bool:
        """Whether the user is shown as typing in that channel now."""
        return self._typing.get((channel_id, user_id), 0.0) > self.clock()

    def typing_in(self, user_id: int) -> list[Channel]:
        """Where the user is shown as typing now."""
        places = [place for place, who in self._typing if who == user_id]
        return [self.channels[place] for place in places if self.is_typing(place, user_id)]

    def message_of_nonce(self, author_id: int, nonce: str | int) -> Message | None:
        """The message that the author sent with this nonce within the window, if it exists."""
        self._forget_nonces()
        known = self._nonces.get((author_id, str(nonce)))
        return None if known is None else self.find_message(known[1], known[2])

    def remember_nonce(self, message: Message) -> None:
        """Let a later message with the same nonce be recognised."""
        if message.nonce is not None:
            self._forget_nonces()
            key = (message.author_id, str(message.nonce))
            self._nonces.pop(key, None)
            self._nonces[key] = (self.clock(), message.channel_id, message.id)

    def _forget_nonces(self) -> None:
        oldest = self.clock() - self._nonce_window_s
        while self._nonces:
            key, (at, _, _) = next(iter(self._nonces.items()))
            if at >= oldest:
                return  # in order of time, so all that follow are younger
            del self._nonces[key]
