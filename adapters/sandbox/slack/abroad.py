"""A second workspace of the same app: a world of its own people, channels and tokens, on the first
world's wire.

The app has one Web API and one way to get events, whatever the number of workspaces: calls come by
the token, events go out with the workspace's id. Files are the first's alone.
"""

from collections.abc import Callable
from dataclasses import replace

from adapters.sandbox.slack.delivery import Answer, AskKind, Attempt, Outcome, Transport
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.renaming import Abroad, Renaming
from adapters.sandbox.slack.world import SlackWorld


class _Wire:
    """The first world's transport of the moment, with the second's names."""

    def __init__(self, transport: Callable[[], Transport], renaming: Renaming) -> None:
        self._transport = transport
        self._renaming = renaming
        self.name = transport().name
        self.no_ack = transport().no_ack

    async def send(self, attempt: Attempt) -> Outcome:
        """Send an event."""
        body = self._renaming.outward(attempt.body)
        return await self._transport().send(replace(attempt, body=body))

    async def ask(self, kind: AskKind, payload: Json) -> Answer:
        """Send a person's act."""
        return await self._transport().ask(kind, self._renaming.outward(payload))


class SecondWorld(SlackWorld):
    """The second workspace, `T2…`, where the app is not installed until somebody does so.

    Make it before the first is attached to an application, with which it lives and ends.
    """

    def __init__(self, first: SlackWorld) -> None:
        renaming = Abroad()
        super().__init__(
            bot_token=None,
            app_token="xapp-of-the-first",  # noqa: S106 - never asked for here
            signing_secret="the first's",  # noqa: S106
            people=first.people,
            knobs=first.knobs,
            renaming=renaming,
            team_name="Candor abroad",
        )
        self._first = first
        self._deliveries.transport = _Wire(lambda: first.transport, renaming)
        first.company.join(self)

    def connected(self) -> bool:
        """Whether the app is there, which it is for both."""
        return self._first.connected()
