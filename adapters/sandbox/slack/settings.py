"""Every knob of the loopback Slack, with Slack's own values as defaults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time

from adapters.sandbox.interactive import CommandView
from adapters.sandbox.slack.rates import RateLimit

# What an app's manifest should ask for, optional scopes included. Not in it on purpose:
# `im:write`, `team:read`, `chat:write.public`, so that a bot that leans on them is found out.
DEFAULT_SCOPES = frozenset(
    {
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "mpim:history",
        "mpim:read",
        "reactions:read",
        "reactions:write",
        "usergroups:read",
        "users:read",
    }
)

DEFAULT_SUBSCRIPTIONS = frozenset(
    {
        "agent_session_stopped",
        "app_context_changed",
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "message.channels",
        "message.im",
        "reaction_added",
        "reaction_removed",
        "tokens_revoked",
    }
)

# What the page offers to type, in words of Candor's own help.
COMMANDS: tuple[CommandView, ...] = (
    CommandView("ask", "ask Candor, for all to see", takes_text=True),
    CommandView("candor help", "what I can do", takes_text=False),
    CommandView("candor new", "begin anew here", takes_text=False),
    CommandView("candor model", "which model answers here", takes_text=True),
    CommandView("candor persona", "how I speak here", takes_text=True),
    CommandView("candor stats", "votes and answers", takes_text=False),
    CommandView("candor privacy", "what is kept", takes_text=False),
    CommandView("candor forget", "delete what is kept of you", takes_text=True),
    CommandView("candor why", "why I did not answer you", takes_text=False),
    CommandView("candor feedback", "tell those who run me", takes_text=True),
)

# As the app's manifest declares them.
DEFAULT_COMMANDS = ("/ask", "/candor")
DEFAULT_SHORTCUTS: Mapping[str, str] = {"Ask Candor about this": "candor_ask"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What a test or an operator may turn; durations in seconds.

    `time_factor` multiplies `ack_timeout` and `redelivery_delays`, nothing else. An event that is
    not acknowledged within `ack_timeout` is delivered again after each of `redelivery_delays`.
    An event that waited for any socket for `offline_patience` is given up, which is when the last
    repetition would have been. A socket of which nothing was heard for `heartbeat` is pinged, and
    given up after as long again. Raises ValueError for values that cannot work.
    """

    scopes: frozenset[str] = DEFAULT_SCOPES
    subscriptions: frozenset[str] = DEFAULT_SUBSCRIPTIONS
    ack_timeout: float = 3.0
    redelivery_delays: tuple[float, ...] = (0.0, 60.0, 300.0)
    time_factor: float = 1.0
    max_pending_events: int = 1000
    offline_patience: float = 360.0
    max_connections: int = 10
    ticket_lifetime: float = 30.0
    disconnect_lead: float = 10.0
    heartbeat: float = 30.0
    status_lifetime: float = 120.0
    # What the manifest offers to people: slash commands, and by its name a message shortcut's
    # callback id.
    commands: tuple[str, ...] = DEFAULT_COMMANDS
    shortcuts: Mapping[str, str] = field(default_factory=lambda: DEFAULT_SHORTCUTS)
    # Handles of the people who are admins of the workspace.
    admins: frozenset[str] = frozenset()
    # User groups by their ids, with the handles of those in them.
    user_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trigger_lifetime: float = 3.0
    response_url_lifetime: float = 1800.0
    response_url_uses: int = 5
    # Whether the app is declared as an agent: without it there are no agent sessions.
    is_agent: bool = True
    # Streams reportedly die about five minutes after their start and are refused between 10,600 and
    # 11,300 bytes of UTF-8 (field reports, not Slack's documentation); the stricter number is used.
    stream_lifetime: float = 300.0
    stream_limit_bytes: int = 10_600
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)
    clock: Callable[[], float] = time

    def __post_init__(self) -> None:
        if self.ack_timeout <= 0 or self.time_factor <= 0:
            raise ValueError("ack_timeout and time_factor must be above zero")
        if self.heartbeat <= 0 or self.offline_patience <= 0:
            raise ValueError("heartbeat and offline_patience must be above zero")
        if any(delay < 0 for delay in self.redelivery_delays):
            raise ValueError("redelivery_delays must not be negative")
        if self.max_pending_events < 1 or self.max_connections < 1:
            raise ValueError("max_pending_events and max_connections must be at least 1")

    @property
    def scaled_ack_timeout(self) -> float:
        """How long an event may stay unacknowledged."""
        return self.ack_timeout * self.time_factor

    @property
    def scaled_redelivery_delays(self) -> tuple[float, ...]:
        """The waits before the first, second, … repetition."""
        return tuple(delay * self.time_factor for delay in self.redelivery_delays)
