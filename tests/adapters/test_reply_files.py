"""Code that is longer than a part is a file below the answer, once, whatever happens."""

import pytest

from adapters import wording
from adapters.markdown import render
from adapters.reply import FILE_TRIES, Reply
from adapters.surface import FilesRefused
from bot.errors import MessageGone, PlatformUnavailable, WorkspaceGone
from tests.adapters.room import Killed, Room, kill, lost

CODE = "\n".join(f"line_{number} = {number}" for number in range(12))
LONG = f"So:\n\n```python\n{CODE}\n```\n\nThat is it."


async def shown(room: Room, text: str = LONG, *, resumed: bool = False) -> Reply:
    reply = Reply(room.turn(), room, room, resumed=resumed)
    await reply.show(text, final=True)
    return reply


async def test_long_code_is_a_file_below_the_whole_text() -> None:
    room = Room()
    await shown(room)
    [[file]] = room.below.values()
    assert (file.name, file.text) == ("code-1.py", CODE + "\n")
    assert room.texts() == list(render(LONG, room.dialect).parts)
    assert room.log[-1] == ("attach", "f1"), "after the last part"


async def test_code_that_a_part_holds_is_no_file() -> None:
    room = Room()
    await shown(room, "So:\n\n```python\nx = 1\n```")
    assert room.below == {}


async def test_a_growing_answer_has_no_file_yet() -> None:
    room = Room()
    reply = Reply(room.turn(), room, room, resumed=False)
    await reply.show(LONG)
    assert room.below == {}


async def test_an_answer_that_can_be_continued_has_no_file_yet() -> None:
    room = Room()
    reply = Reply(room.turn(), room, room, resumed=False)
    await reply.show(LONG, controls=("continue", "again"), final=True)
    assert room.below == {}
    await reply.show(LONG, controls=("again",), final=True)
    assert len(room.below) == 1


async def test_files_are_posted_once_however_often_the_answer_is_shown() -> None:
    room = Room()
    reply = await shown(room)
    await reply.show(LONG, final=True)
    await shown(room, resumed=True)
    assert len(room.below) == 1


@pytest.mark.parametrize("call", ["attach", "begin_files", "attached", "end_files"])
async def test_a_killed_process_leaves_no_file_behind_twice(call: str) -> None:
    room = Room()
    room.meets(call, kill)
    with pytest.raises(Killed):
        await shown(room)
    await shown(room, resumed=True)
    assert len(room.below) == 1
    assert room.turn().files == ""


@pytest.mark.parametrize("call", ["attach", "attached"])
async def test_a_lost_call_is_made_up_for(call: str) -> None:
    room = Room()
    room.meets(call, lost())
    reply = Reply(room.turn(), room, room, resumed=False)
    with pytest.raises(PlatformUnavailable):
        await reply.show(LONG, final=True)
    await reply.show(LONG, final=True)
    assert len(room.below) == 1
    assert wording.NO_FILES not in room.texts()[-1]


async def test_refused_files_are_told_of_in_one_line_and_the_text_is_whole() -> None:
    room = Room()
    room.meets("attach", FilesRefused("missing_scope"))
    await shown(room)
    assert room.texts() == list(render(f"{LONG}\n\n{wording.NO_FILES}", room.dialect).parts)
    assert room.below == {}


async def test_files_that_never_get_through_do_not_hold_up_the_answer() -> None:
    room = Room()
    room.meets("attach", *[lost() for _ in range(FILE_TRIES)])
    reply = Reply(room.turn(), room, room, resumed=False)
    for _ in range(FILE_TRIES - 1):
        with pytest.raises(PlatformUnavailable):
            await reply.show(LONG, final=True)
    await reply.show(LONG, final=True)
    assert room.texts() == list(render(f"{LONG}\n\n{wording.NO_FILES}", room.dialect).parts)


async def test_where_the_answer_was_deleted_there_are_no_files_and_no_failure() -> None:
    room = Room()
    room.meets("attach", MessageGone("deleted"))
    await shown(room)
    assert room.below == {}


async def test_a_workspace_that_is_gone_comes_out() -> None:
    room = Room()
    room.meets("attach", WorkspaceGone("uninstalled"))
    with pytest.raises(WorkspaceGone):
        await shown(room)
