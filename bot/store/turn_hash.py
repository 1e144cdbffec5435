"""A turn as the fields of a hash, and back."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from bot.domain import Attachment, Conversation, MessageRef, Person, Quote, Turn

NESTED: Final = ("conversation", "question", "asker")
TEXTS: Final = (
    "id",
    "text",
    "release",
    "created_at",
    "status",
    "answer",
    "finish",
    "first_text_at",
    "finished_at",
    "home",
    "persona",
)
LISTS: Final = ("attachments", "quotes", "notes")
"""Left out while they are empty, as most are."""
RARE: Final = ("continued", "continued_at", "kept", "retry_of")
"""Plain fields that most turns lack."""
FLAGS: Final = ("deleted", "withdrawn", "stopped")

_PART = re.compile(r"part:(\d+)")


def part_field(part: int) -> str:
    """The field that holds the message id of a part."""
    return f"part:{part}"


def to_hash(turn: Turn) -> dict[str, str]:
    """All fields of a turn."""
    fields = {name: _nested(getattr(turn, name)) for name in NESTED}
    fields |= {name: _text(getattr(turn, name)) for name in TEXTS}
    fields |= {name: str(value) for name in RARE if (value := getattr(turn, name))}
    fields |= {name: "1" for name in FLAGS if getattr(turn, name)}
    fields |= {name: _nested(getattr(turn, name)) for name in LISTS if getattr(turn, name)}
    fields |= {"reply_to": turn.reply_to} if turn.reply_to else {}
    fields |= {part_field(part): ref.message for part, ref in enumerate(turn.parts)}
    fields |= {"thread": turn.thread} if turn.thread else {}
    held = {"posting": turn.posting, "files": turn.files}
    return fields | {name: text for name, text in held.items() if text is not None}


def some(turn: Turn, *names: str) -> dict[str, str]:
    """Those of its plain fields."""
    return {name: _text(getattr(turn, name)) for name in names}


def from_hash(fields: Mapping[str, Any]) -> Turn:
    """The turn of a hash."""
    question = MessageRef(**orjson.loads(fields["question"]))
    return Turn(
        id=fields["id"],
        conversation=Conversation(**orjson.loads(fields["conversation"])),
        question=question,
        asker=Person(**orjson.loads(fields["asker"])),
        text=fields["text"],
        release=fields["release"],
        created_at=float(fields["created_at"]),
        status=fields["status"],
        attachments=tuple(Attachment(**each) for each in _listed(fields, "attachments")),
        quotes=tuple(Quote(**each) for each in _listed(fields, "quotes")),
        reply_to=fields.get("reply_to"),
        answer=fields["answer"],
        notes=tuple(_listed(fields, "notes")),
        finish=fields["finish"] or None,
        first_text_at=_time(fields["first_text_at"]),
        finished_at=_time(fields["finished_at"]),
        parts=_parts(fields, question),
        posting=fields.get("posting"),
        files=fields.get("files"),
        deleted="deleted" in fields,
        withdrawn="withdrawn" in fields,
        stopped="stopped" in fields,
        continued=int(fields.get("continued") or 0),
        continued_at=_time(fields.get("continued_at") or ""),
        kept=int(fields.get("kept") or 0),
        retry_of=fields.get("retry_of"),
        home=fields.get("home", ""),
        persona=fields.get("persona", ""),
        thread=fields.get("thread", ""),
    )


def home_of(turn: Turn) -> str:
    """The channel that a turn counts for: `slack/C0123ABCD`."""
    return f"{turn.question.platform}/{turn.home or turn.question.channel}"


def _parts(fields: Mapping[str, str], question: MessageRef) -> tuple[MessageRef, ...]:
    """The messages of the answer; they stand in the question's channel, or in a thread of it."""
    found = {int(match[1]): fields[name] for name in fields if (match := _PART.fullmatch(name))}
    return tuple(
        MessageRef(question.platform, question.workspace, question.channel, found[part])
        for part in sorted(found)
    )


def notes_of(turn: Turn) -> dict[str, str]:
    """The field that holds the notes under an answer."""
    return {"notes": _nested(turn.notes)} if turn.notes else {}


def _listed(fields: Mapping[str, str], name: str) -> list[Any]:
    found: list[Any] = orjson.loads(fields.get(name) or b"[]")
    return found


def _nested(value: object) -> str:
    return orjson.dumps(value).decode()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _time(value: str) -> float | None:
    return float(value) if value else None
