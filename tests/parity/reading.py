"""What the bot reads besides a question's own words."""

from tests.bot.context.made import PNG, docx_file, pdf
from tests.parity.room import Room


async def a_thread(room: Room) -> None:
    """What was said before it was called is read once, so that a later edit is not seen; what is
    said to somebody else meanwhile is not read."""
    root = await room.write("The word is plum", user="bob")
    for text in ("what is it?", "and now?"):
        asked = await room.ask(text, thread=root)
        await room.sees(room.heard(text), to=root, after=asked)
        await room.write("@alice it is a pear", thread=root, user="bob")
        await room.edit(root, "The word is fig", channel="general", user="bob")
    [first] = room.script.prompts(room.words("what is it?"))
    [second] = room.script.prompts(room.words("and now?"))
    for prompt in (first, second):
        assert str(prompt).count(room.words("The word is plum")) == 1
        assert '"bob" wrote:' in str(prompt).casefold()
        assert "pear" not in str(prompt)
        assert "The word is fig" not in str(prompt)


async def a_text(room: Room) -> None:
    await _reads(room, {"notes_txt": b"The bridge is red."}, "The bridge is red.")


async def a_pdf(room: Room) -> None:
    await _reads(room, {"plan_pdf": pdf(["The bridge is blue."])}, "The bridge is blue.")


async def a_docx(room: Room) -> None:
    await _reads(room, {"plan_docx": docx_file("The bridge is green.")}, "The bridge is green.")


async def _reads(room: Room, file: dict[str, bytes], text: str) -> None:
    asked = await room.upload("which colour?", **file)
    await room.sees(room.heard("which colour?"), to=asked, channel="dm", button="👍")
    [prompt] = room.script.prompts(room.words("which colour?"))
    assert text in prompt[-1]["content"]


async def an_image(room: Room) -> None:
    asked = await room.upload("what is it?", view_png=PNG)
    note = "_(I can't see images: view.png)_"
    await room.sees(f"{room.heard('what is it?')}\n\n{note}", to=asked, channel="dm")


async def a_forwarded_message(room: Room) -> None:
    told = await room.write("The gate opens at nine", user="bob")
    forwarded = await room.forward(told)
    await room.shows(lambda found: found and found[-1]["buttons"], to=forwarded, channel="dm")
    assert room.script.prompts(room.words("The gate opens at nine"))
