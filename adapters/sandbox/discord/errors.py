"""Discord's own errors: status, code and text, and the nested body of an invalid form.

`ApiError` is raised wherever a request cannot be done; the REST border writes it out, and what a
person asked for in vain is told to them with its text.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

from adapters.sandbox.discord.model import Json


class Refusal(Enum):
    """HTTP status, JSON error code and message, as the API's reference lists them."""

    UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
    UNKNOWN_GUILD = (404, 10004, "Unknown Guild")
    UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
    UNKNOWN_USER = (404, 10013, "Unknown User")
    UNKNOWN_EMOJI = (400, 10014, "Unknown Emoji")
    UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
    UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
    OTHER_APPLICATION = (
        403,
        20012,
        "You are not authorized to perform this action on this application",
    )
    TOO_MANY_REACTIONS = (400, 30010, "Maximum number of reactions reached (20)")
    TOO_MANY_COMMANDS = (400, 30032, "Maximum number of application commands reached")
    COMMAND_CREATES_SPENT = (
        400,
        30034,
        "Max number of daily application command creates has been reached (200)",
    )
    INTERACTION_ANSWERED = (400, 40060, "Interaction has already been acknowledged.")
    TOO_MANY_FOLLOW_UPS = (
        400,
        40094,
        "This interaction has reached its maximum number of follow up messages",
    )
    TOO_LARGE = (413, 40005, "Request entity too large")
    MISSING_ACCESS = (403, 50001, "Missing Access")
    NOT_IN_DM = (403, 50003, "Cannot execute action on a DM channel")
    NOT_THE_AUTHOR = (403, 50005, "Cannot edit a message authored by another user")
    EMPTY_MESSAGE = (400, 50006, "Cannot send an empty message")
    MISSING_PERMISSIONS = (403, 50013, "Missing Permissions")
    SYSTEM_MESSAGE = (403, 50021, "Cannot execute action on a system message")
    WRONG_CHANNEL_TYPE = (400, 50024, "Cannot execute action on this channel type")
    INVALID_WEBHOOK_TOKEN = (401, 50027, "Invalid Webhook Token")
    INVALID_RECIPIENT = (400, 50033, "Invalid Recipient(s)")
    INVALID_FORM = (400, 50035, "Invalid Form Body")
    THREAD_ARCHIVED = (400, 50083, "Thread is archived")
    INVALID_JSON = (400, 50109, "The request body contains invalid JSON.")
    NO_HISTORY = (400, 160002, "Cannot reply without permission to read message history")
    THREAD_EXISTS = (400, 160004, "A thread has already been created for this message")
    THREAD_LOCKED = (400, 160005, "Thread is locked")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def code(self) -> int:
        return self.value[1]

    @property
    def text(self) -> str:
        return self.value[2]


class ApiError(Exception):
    """A request that Discord would refuse. `errors` is the nested part of an invalid form."""

    def __init__(self, refusal: Refusal, errors: Json | None = None) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal
        self.errors = errors

    def body(self) -> Json:
        """The JSON body of the response."""
        body: Json = {"message": self.refusal.text, "code": self.refusal.code}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


Flaw = tuple[str, str]
"""Code and message of one thing that is wrong in a form."""


def invalid_form(flaws: Mapping[tuple[str | int, ...], Sequence[Flaw]]) -> ApiError:
    """An invalid form (50035) with what is wrong by path: `("embeds", 0, "title")`."""
    errors: Json = {}
    for path, found in flaws.items():
        node = errors
        for step in path:
            node = node.setdefault(str(step), {})
        node["_errors"] = [{"code": code, "message": message} for code, message in found]
    return ApiError(Refusal.INVALID_FORM, errors)


def invalid_field(name: str, code: str, message: str) -> ApiError:
    """An invalid form with a single flaw in one of its fields."""
    return invalid_form({(name,): [(code, message)]})


def not_modelled(name: str, what: str) -> ApiError:
    """What the sandbox does not stand in for is refused; it never looks like a success."""
    return invalid_field(name, "SANDBOX_NOT_MODELLED", f"The sandbox does not model {what}.")
