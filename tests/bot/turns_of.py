"""Turns and messages as tests need them."""

import itertools
from dataclasses import replace

from redis.asyncio import Redis

from bot.domain import Conversation, MessageRef, Person, Turn
from bot.store.inbox import Inbox

_number = itertools.count(1)

DM = Conversation("slack", "T1", "D1", "dm")
ANA = Person("slack", "U1", "Ana")
WORKER = "worker-1"


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
        status="waiting",
        answer=answer,
        finish="stop" if answer else None,
    )


def inbox(
    client: "Redis", worker: str = WORKER, *, total: int = 10_000, each: int = 10_000
) -> Inbox:
    """The inbox of a worker, which takes nearly everything."""
    return Inbox(client, worker, total=total, each=each)


async def accepted(client: "Redis", given: Turn) -> Turn:
    """A turn that is taken in, as it stands in the store then."""
    assert await inbox(client).accept(given) == "new"
    return replace(given, status="waiting")
