"""The error tree. Foreign errors are converted to these in one place each, cause kept.

CandorError
├── FatalError            the process cannot go on: one line, then a non-zero exit
│   ├── ConfigError       the settings are wrong (exit status 2)
│   ├── StoreError        Redis cannot be reached or is of the wrong kind
│   ├── ModelError        the model cannot be loaded, or its server refuses us
│   ├── PlatformError     a platform refuses us (a wrong token, a missing permission)
│   └── PortInUse         the address to listen on is taken
├── RetryableError        the same call may succeed later
│   ├── StoreUnavailable  Redis went away while we ran
│   ├── ModelUnavailable  the model's server does not answer, or broke off
│   └── PlatformUnavailable  a platform does not answer, or asks us to wait
└── RefusedError          what a person asked for cannot be done
    ├── MessageGone       the message was deleted, or may no longer be written to
    │   └── WorkspaceGone the workspace took the bot out: nothing can be written there
    ├── TooLong           the question alone is over the model's limit
    ├── Unreadable        a file that came with a question cannot be read
    └── Busy              too many questions are waiting
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from bot.context.material import Reason


class CandorError(Exception):
    """Base of all errors that Candor raises on purpose; its text is one line."""


class FatalError(CandorError):
    """The process cannot go on. The command line prints the line and exits with `exit_status`."""

    exit_status: ClassVar[int] = 1


class ConfigError(FatalError):
    """The settings are wrong: the line names the key, the value and what is allowed."""

    exit_status: ClassVar[int] = 2


class StoreError(FatalError):
    """Redis cannot be reached at start, refuses us, or is too old."""


class ModelError(FatalError):
    """The model is missing or cannot be loaded, or its server refuses our key."""


class PlatformError(FatalError):
    """A platform refuses us in a way that repeating does not cure."""


class PortInUse(FatalError):
    """The address to listen on is taken."""


class RetryableError(CandorError):
    """The same call may succeed later."""


class StoreUnavailable(RetryableError):
    """Redis went away while we ran."""


class ModelUnavailable(RetryableError):
    """The model's server does not answer, or broke off in the middle of an answer."""


class PlatformUnavailable(RetryableError):
    """A platform does not answer, or asks us to wait `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedError(CandorError):
    """What a person asked for cannot be done; they are told why."""


class MessageGone(RefusedError):
    """The message or its channel was deleted, or may no longer be written to."""


class WorkspaceGone(MessageGone):
    """The workspace took the bot out, or its token back; it may be let in again."""


class TooLong(RefusedError):
    """The question alone does not fit the model's context."""


class Unreadable(RefusedError):
    """A file that came with a question cannot be read; `reason` is one of `Reason`."""

    def __init__(self, reason: "Reason") -> None:
        super().__init__(f"a file cannot be read: {reason}")
        self.reason = reason


class Busy(RefusedError):
    """Too many questions are waiting; nothing was accepted."""
