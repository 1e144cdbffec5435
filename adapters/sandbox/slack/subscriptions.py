"""Which events the app hears of: those that it subscribed to and has the scope for."""

from adapters.sandbox.slack.settings import Knobs

_SCOPES = {
    "agent_session_stopped": "chat:write",
    "app_context_changed": "assistant:write",
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}


def is_heard(subscription: str, knobs: Knobs) -> bool:
    """Whether the app is told of events of that subscription."""
    scope = _SCOPES.get(subscription)
    return subscription in knobs.subscriptions and (scope is None or scope in knobs.scopes)
