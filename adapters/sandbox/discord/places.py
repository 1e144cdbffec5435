"""Where people are: a channel by the name that they have for it, its threads, and what is there.

All raise ControlError for what does not exist where the person is.
"""

from adapters.sandbox.discord.ids import AWAY_IDS, CHANNEL_IDS
from adapters.sandbox.discord.model import (
    SPOKEN,
    AwayChannel,
    Channel,
    DirectChannel,
    Message,
    TextChannel,
)
from adapters.sandbox.discord.person import channel_name, message_id, thread_name
from adapters.sandbox.discord.state import State
from adapters.sandbox.discord.thread_start import start_thread
from adapters.sandbox.platform import DM, ControlError


class Places:
    """The look-ups of one world's people."""

    def __init__(self, state: State) -> None:
        self._state = state

    def to_speak(self, channel: str, person: int, *, thread: str | None) -> Channel:
        """Where a person is about to speak: a direct channel is opened, a thread is made."""
        place: Channel = (
            self._state.open_direct_channel(person) if channel == DM else self._shared(channel)
        )
        return place if thread is None else self._thread_under(place, message_id(thread), person)

    def messages(self, channel: str, person: int) -> list[Message]:
        """What was said in a channel and its threads, oldest first."""
        found = [one for place in self._all(channel, person) for one in self._spoken(place)]
        found.sort(key=lambda one: one.id)
        return found

    def everywhere(self) -> list[Message]:
        """What was said anywhere, oldest first in each channel and thread."""
        return [one for place in self._state.channels.values() for one in self._spoken(place)]

    def find(self, channel: str, message: str, person: int) -> Message:
        """A message of the channel or one of its threads."""
        wanted = message_id(message)
        place = self._state.channel_of(wanted)
        if place is not None and self.reaches(place, channel, person):
            found = self._state.find_message(place.id, wanted)
            if found is not None:
                return found
        raise ControlError(f"no such message: {message!r}")

    def is_typing(self, user: int, channel: str, person: int) -> bool:
        """Whether the user is shown as typing there, to that person."""
        places = self._state.typing_in(user)
        return any(self.reaches(place, channel, person) for place in places)

    def _shared(self, name: str) -> TextChannel | AwayChannel:
        number = CHANNEL_IDS.get(name) or AWAY_IDS.get(name, 0)
        channel = self._state.channels.get(number)
        if not isinstance(channel, TextChannel | AwayChannel):
            raise ControlError(f"no such channel: {name!r}")
        return channel

    def _all(self, channel: str, person: int) -> list[Channel]:
        """The channel and its threads; nothing for a direct channel that was never opened."""
        if channel == DM:
            direct = self._state.direct_channel(person)
            return [] if direct is None else [direct]
        parent = self._shared(channel)
        return [parent, *self._state.threads_of(parent.id)]

    def _spoken(self, place: Channel) -> list[Message]:
        return [one for one in self._state.history(place.id) if one.type in SPOKEN]

    def reaches(self, place: Channel, channel: str, person: int) -> bool:
        """Whether the place is the channel of that name to the person, or a thread in it."""
        if isinstance(place, DirectChannel):
            return channel == DM and place.recipient_id == person
        return channel_name(self._state, place.id) == channel

    def _thread_under(self, place: Channel, source_id: int, person: int) -> Channel:
        thread = self._state.thread(source_id)
        if thread is not None and thread.parent_id == place.id:
            return thread
        if not isinstance(place, TextChannel):
            raise ControlError("there are no threads here")
        source = self._state.message(place.id, source_id)
        return start_thread(self._state, place, person, name=thread_name(source), source=source)
