"""Turns and messages as tests need them."""

import itertools

from bot.domain import Conversation, MessageRef, Person, Turn

_number = itertools.count(1)

DM = Conversation("slack", "T1", "D1", "dm")
ANA = Person("slack", "U1", "Ana")


def message(name: str = "", *, channel: str = "D1") -> MessageRef:
    """A message of that name, or one that no other test has."""
    return MessageRef("slack", "T1", channel, name or f"1795427000.{next(_number):06d}")


def turn(
    name: str = "", *, conversation: Conversation = DM, text: str = "What?", answer: str = ""
) -> Turn:
    """A turn of that name, or one that no other test has."""
    question = message(channel=conversation.channel)
    return Turn(
        id=name or f"turn{next(_number)}",
        conversation=conversation,
        question=question,
        asker=ANA,
        text=text,
        release="r1",
        created_at=1_795_427_000.5,
        status="done" if answer else "running",
        answer=answer,
        finish="stop" if answer else None,
    )
