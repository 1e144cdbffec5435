"""The context of a question is read once; what cannot be read costs a note and no answer."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.context import notes
from bot.context.gathering import Gathering
from bot.context.material import Document, Line, Material, Talk, Unread
from bot.domain import Attachment, Conversation, Incoming, Turn
from bot.errors import MessageGone, Unreadable
from bot.settings import ContextSettings
from bot.store.materials import Materials
from bot.store.turns import Turns
from tests.adapters.room import Room, later
from tests.bot.turns_of import ANA, accepted, turn

THREAD = Conversation("slack", "T1", "C1", "thread", "1795420000.000001")
TALK = Talk((Line("Bo", "hello"),))


def gathering(client: "Redis", **settings: object) -> Gathering:
    return Gathering(
        Materials(client, keep_s=60), Turns(client), ContextSettings.model_validate(settings)
    )


def with_files(room: Room, asked: Turn, **files: bytes) -> Turn:
    """The turn of a question with files, which the room has."""
    attachments = tuple(
        Attachment(name, f"{name}.txt", "text/plain", len(data), "here")
        for name, data in files.items()
    )
    room.files |= files
    room.questions[asked.question.key] = Incoming(
        asked.question, ANA, asked.text, "dm", 1.0, attachments=attachments
    )
    return replace(asked, attachments=tuple(replace(one, url="") for one in attachments))


async def test_a_question_without_anything_asks_the_platform_for_nothing(client: "Redis") -> None:
    room = Room()
    for call in ("question", "talk", "fetch"):
        room.meets(call, AssertionError("asked"))
    context = await gathering(client).of(turn(), room, sees=False)
    assert context.material.is_empty
    assert context.talk == Talk()


async def test_files_are_fetched_once_and_kept_with_the_turn(client: "Redis") -> None:
    room = Room()
    asked = with_files(room, await accepted(client, turn()), a=b"teal", b=b"blue")
    one = gathering(client)
    context = await one.of(asked, room, sees=False)
    assert context.material == Material((Document("a.txt", "teal"), Document("b.txt", "blue")))
    room.meets("question", AssertionError("asked again"))
    assert await one.of(asked, room, sees=False) == context
    assert await one.past([asked]) == {asked.id: context.material}


async def test_files_of_one_name_are_told_apart(client: "Redis") -> None:
    room = Room()
    asked = with_files(room, turn(), a=b"teal", b=b"blue")
    question = room.questions[asked.question.key]
    same = tuple(replace(file, name="n.txt") for file in question.attachments)
    room.questions[asked.question.key] = replace(question, attachments=same)
    context = await gathering(client).of(asked, room, sees=False)
    assert [each.name for each in context.material.documents] == ["n.txt", "n.txt (2)"]


async def test_what_was_taken_back_by_an_edit_is_not_read(client: "Redis") -> None:
    room = Room()
    asked = with_files(room, turn(), a=b"teal")
    question = room.questions[asked.question.key]
    room.questions[asked.question.key] = replace(question, attachments=())
    assert (await gathering(client).of(asked, room, sees=False)).material.is_empty


async def test_a_passing_failure_is_told_and_not_kept(client: "Redis") -> None:
    room = Room()
    asked = with_files(room, turn(), a=b"teal")
    one = gathering(client)
    room.meets("question", later(), later())
    context = await one.of(asked, room, sees=False)
    assert context.material.unread == (Unread("a.txt", "unavailable"),)
    room.meets("fetch", Unreadable("unavailable"))
    assert (await one.of(asked, room, sees=False)).material == context.material
    assert (await one.of(asked, room, sees=False)).material.documents == (
        Document("a.txt", "teal"),
    )


async def test_a_question_that_is_gone_has_no_files(client: "Redis") -> None:
    room = Room()
    asked = with_files(room, turn(), a=b"teal")
    room.questions.clear()
    context = await gathering(client).of(asked, room, sees=False)
    assert context.material.unread == (Unread("a.txt", "gone"),)


async def test_a_host_that_says_nothing_costs_a_note(client: "Redis") -> None:
    async def silence() -> None:
        raise TimeoutError

    room = Room()
    asked = with_files(room, turn(), a=b"teal")
    room.meets("fetch", silence)
    context = await gathering(client, read_s=0.05).of(asked, room, sees=False)
    assert context.material.unread == (Unread("a.txt", "unavailable"),)


async def test_a_thread_is_read_once_and_its_files_come_with_it(client: "Redis") -> None:
    room = Room()
    file = Attachment("a", "a.txt", "text/plain", 4, "here")
    room.files["a"] = b"teal"
    room.said = Talk((Line("Bo", "look", files=(file,)),))
    one = gathering(client)
    first = await accepted(client, turn(conversation=THREAD))
    context = await one.of(first, room, sees=False)
    assert context.talk == Talk((Line("Bo", "look"),))
    assert context.material.documents == (Document("a.txt", "teal"),)
    room.meets("talk", AssertionError("read again"))
    second = await accepted(client, turn(conversation=THREAD))
    assert (await one.of(second, room, sees=False)).talk == context.talk
    assert (await one.of(first, room, sees=False)).material == context.material


@pytest.mark.parametrize(
    ("place", "root", "reply_to", "is_read"),
    [
        ("thread", "1795420000.000001", None, True),
        ("thread", "its own", None, False),
        ("channel", "its own", None, False),
        ("channel", "its own", "m0", True),
        ("dm", "", "m0", False),
    ],
)
async def test_a_talk_is_only_looked_for_where_there_may_be_one(
    client: "Redis", place: str, root: str, reply_to: str | None, is_read: bool
) -> None:
    room = Room(said=TALK)
    asked = replace(turn(), reply_to=reply_to)
    root = asked.question.message if root == "its own" else root
    where = Conversation("slack", "T1", "C1", place, root)  # type: ignore[arg-type]
    asked = await accepted(client, replace(asked, conversation=where))
    context = await gathering(client).of(asked, room, sees=False)
    assert context.talk == (TALK if is_read else Talk())


async def test_a_thread_that_is_not_shown_is_told_once(client: "Redis") -> None:
    room = Room(said=TALK)
    room.meets("talk", MessageGone("no access"))
    asked = await accepted(client, turn(conversation=THREAD))
    one = gathering(client)
    assert (await one.of(asked, room, sees=False)).notes == (notes.FORBIDDEN,)
    assert (await one.of(asked, room, sees=False)).notes == ()


async def test_a_thread_that_cannot_be_read_now_is_read_with_the_next_question(
    client: "Redis",
) -> None:
    room = Room(said=TALK)
    room.meets("talk", later(), later())
    asked = await accepted(client, turn(conversation=THREAD))
    one = gathering(client)
    context = await one.of(asked, room, sees=False)
    assert (context.talk, context.notes) == (Talk(), (notes.UNREAD,))
    follow_up = await accepted(client, turn(conversation=THREAD))
    assert (await one.of(follow_up, room, sees=False)).talk == TALK


async def test_what_was_shortened_stays_short(client: "Redis") -> None:
    room = Room()
    asked = with_files(room, await accepted(client, turn()), a=b"one\ntwo\n")
    await accepted(client, turn("t9"))
    one = gathering(client)
    context = await one.of(asked, room, sees=False)
    short = context.material.cut(0.5)
    await one.shorten(asked, context, short, {"t9": short}, TALK)
    assert (await one.of(asked, room, sees=False)).material == short
    assert await one.past([turn("t9")]) == {"t9": short}
