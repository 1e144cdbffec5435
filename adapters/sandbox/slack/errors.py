"""What a Web API method refuses, as Slack says it.

SlackError
└── RateLimited   HTTP 429 with Retry-After; every other one is HTTP 200 with `ok: false`
"""

from typing import Any


class SlackError(Exception):
    """A method refuses: `code` is Slack's error string.

    `messages` are Slack's developer-facing lines (`response_metadata.messages`), `fields` further
    keys of the answer (`needed`, `provided`).
    """

    def __init__(self, code: str, *, messages: tuple[str, ...] = (), **fields: str) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        body: dict[str, Any] = {"ok": False, "error": self.code, **self.fields}
        if self.messages:
            body["response_metadata"] = {"messages": list(self.messages)}
        return body


class RateLimited(SlackError):
    """Too many calls; the caller may come back after `retry_after_s` whole seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("ratelimited")
        self.retry_after_s = retry_after_s


def invalid_arguments(message: str) -> SlackError:
    """The error for a missing or malformed argument, with one line that says which."""
    return SlackError("invalid_arguments", messages=(f"[ERROR] {message}",))
