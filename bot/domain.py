"""The nouns of Candor, as frozen values. Nothing here reads a clock, a socket or a setting.

Times are seconds since the epoch (float). Ids are the platforms' own, as text.
"""

from dataclasses import dataclass
from typing import Final, Literal, cast

Platform = Literal["discord", "slack"]
PLATFORMS: tuple[Platform, ...] = ("discord", "slack")

Place = Literal["dm", "thread", "channel"]
"""Where a message stands: a direct message, a thread, or the open channel."""

TurnStatus = Literal["waiting", "running", "done", "stopped", "failed", "interrupted", "withdrawn"]
"""A turn waits, runs, and ends as one of the others: `interrupted` when too much time went by to
go on with half an answer, `withdrawn` when its question was deleted before the answer began."""

Control = Literal["stop", "again", "continue", "up", "down"]
"""What a person can do with an answer, by a button or in words: stop it, have another one, have it
gone on with where it was cut, and vote."""

OPEN: tuple[TurnStatus, ...] = ("waiting", "running")
"""The statuses of a turn that has not ended."""

FinishReason = Literal["stop", "length", "cancelled", "deadline", "error", "shutdown"]
"""Why an answer ended; the names of the model's server."""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """One platform message. `workspace` is Slack's team or Discord's guild ("dm" without one)."""

    platform: Platform
    workspace: str
    channel: str
    message: str

    @property
    def key(self) -> str:
        """The message's identity as text, the same in every process.

        The workspace is left out: a channel id is unique on Discord and, with the message's ts,
        on Slack, and a reaction event does not always tell the workspace.
        """
        return f"{self.platform}/{self.channel}/{self.message}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on a platform. `name` is what the platform shows, or the id when it is unknown."""

    platform: Platform
    id: str
    name: str = ""

    @property
    def key(self) -> str:
        """The person's identity as text: `discord/4711`."""
        return f"{self.platform}/{self.id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a platform says of a person where they spoke.

    `roles` are ids of Discord's roles or Slack's user groups; a moderator may manage messages there
    (Discord) or is an admin of the workspace (Slack); `is_outside` tells that they belong to
    another workspace (Slack Connect).
    """

    roles: frozenset[str] = frozenset()
    is_moderator: bool = False
    is_outside: bool = False
    is_bot: bool = False


NOBODY: Final = Standing()
"""Somebody of whom nothing special is known."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message.

    `kind` is its MIME type as the platform has it, "" when unknown, and `size` in bytes. `url`
    serves now and is never kept: Discord's expire.
    """

    id: str
    name: str
    kind: str
    size: int
    url: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A message inside a message: a forwarded one, or the one that is asked about."""

    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that may be a question, translated from a platform event.

    `text` is what the person wrote without the bot's mention. `thread` is the platform's id of the
    thread it stands in; `reply_to` the message that it answers, where the platform has replies.
    `mentions_bot`, `mentions_others` and `answers_bot` (a reply to a message of the bot's) tell who
    is addressed. `parent` is the channel that a thread hangs in, where it has a channel id of its
    own (Discord), and "" where that is not known.
    """

    ref: MessageRef
    author: Person
    text: str
    place: Place
    sent_at: float
    thread: str | None = None
    reply_to: str | None = None
    mentions_bot: bool = False
    mentions_others: bool = False
    attachments: tuple[Attachment, ...] = ()
    quotes: tuple[Quote, ...] = ()
    standing: Standing = NOBODY
    answers_bot: bool = False
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """What has one memory: a direct message, a thread, or a reply chain in a channel.

    `root` is the thread's id, the chain's first message, or "" for a direct message.
    """

    platform: Platform
    workspace: str
    channel: str
    place: Place
    root: str = ""

    @property
    def key(self) -> str:
        """The conversation's identity as text, the same in every process."""
        return f"{self.platform}/{self.channel}/{self.place}/{self.root}".rstrip("/")


def conversation_of(key: str) -> Conversation:
    """The conversation of a key, without its workspace."""
    platform, channel, place, *root = key.split("/", 3)
    return Conversation(
        cast("Platform", platform), "", channel, cast("Place", place), root[0] if root else ""
    )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float
    top_p: float
    repetition_penalty: float
    max_tokens: int
    frequency_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Release:
    """What answers: a model, a system prompt and the sampling; immutable, named by its content."""

    id: str
    model: str
    system_prompt: str
    sampling: Sampling
    created_at: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    `attachments` are the files that came with the question, without their addresses; `quotes` the
    messages inside it, `reply_to` the message that it answers. `answer` is what is saved of it,
    `notes` what stands under it; `finish` is set once the model has said all. `parts` are the
    messages that show it, in order; `posting` is the text of the next one while it may be under
    way. `files` tells of the files below them: None before they are posted, "" once they stand
    there, else what they are known by while they may be under way. `deleted` tells that a part was
    deleted: its votes stay. `withdrawn` tells that the question was deleted once its answer had
    begun, `stopped` that somebody stopped the answer.
    `thread` is the platform's thread that the question stands in, where the conversation is wider
    than that: a direct message on Slack.

    An answer that was cut may be continued: `continued` is how often it was, `continued_at` when it
    last was, and `kept` how many bytes in UTF-8 of it were there by then. Another answer to the
    same question is a turn of its own, and `retry_of` is the first one.

    `home` is the channel whose persona answers (a thread's parent), and `persona` that persona's
    id, "" for none.
    """

    id: str
    conversation: Conversation
    question: MessageRef
    asker: Person
    text: str
    release: str
    created_at: float
    status: TurnStatus = "waiting"
    attachments: tuple[Attachment, ...] = ()
    quotes: tuple[Quote, ...] = ()
    reply_to: str | None = None
    answer: str = ""
    notes: tuple[str, ...] = ()
    finish: FinishReason | None = None
    first_text_at: float | None = None
    finished_at: float | None = None
    parts: tuple[MessageRef, ...] = ()
    posting: str | None = None
    files: str | None = None
    deleted: bool = False
    withdrawn: bool = False
    stopped: bool = False
    continued: int = 0
    continued_at: float | None = None
    kept: int = 0
    retry_of: str | None = None
    home: str = ""
    persona: str = ""
    thread: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN

    @property
    def first(self) -> str:
        """The turn that asked the question first: itself, or the one that it tries again."""
        return self.retry_of or self.id

    @property
    def since(self) -> float:
        """When its answer was asked for: at first, or to go on."""
        return self.continued_at or self.created_at

    @property
    def kept_text(self) -> str:
        """What was there of the answer when it was last continued."""
        return self.answer.encode()[: self.kept].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Reaction:
    """One person's emoji put on a message, or taken away (`present` false).

    `emoji` is a character or a name, as the platform gives it. `kind` tells apart what one person
    may hold twice of one emoji (Discord's normal and super reactions). `ours` tells whether the
    message is the bot's, where the event says so.
    """

    ref: MessageRef
    person: Person
    emoji: str
    present: bool
    at: float
    kind: str = ""
    ours: bool | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's verdict on one turn, with the release that answered: −1, 0 or +1."""

    turn: str
    person: Person
    value: int
    release: str
    conversation: Conversation
    question: str
    at: float
