"""What people type with a slash, and the entry of a message's menu."""

from adapters import wording
from tests.parity.room import Room
from tests.process import feedback

PERSONA = "Speak like a pirate."


async def _tells(room: Room, command: str, text: str, channel: str = "general") -> None:
    await room.command(f"/candor {command}", channel=channel)
    await room.told(text, channel=channel)


async def help_(room: Room) -> None:
    await _tells(room, "help", "`/candor new` lets this conversation begin anew")


async def model(room: Room) -> None:
    await _tells(room, "model", "`scripted` answers here")


async def stats(room: Room) -> None:
    await _tells(room, "stats", "Last 7 days: ")


async def privacy(room: Room) -> None:
    await _tells(room, "privacy", "Ask Carol about it.")


async def why(room: Room) -> None:
    await _tells(room, "why", wording.NOT_REFUSED)


async def remark(room: Room) -> None:
    """By the form, and on one line."""
    await room.command("/candor feedback")
    await room.press(await room.told(wording.FEEDBACK), wording.OPENS["feedback"])
    await room.fill_in("By the form.")
    await room.told(wording.REMARK_KEPT)
    await room.command(f"/candor feedback {room.words('In a line.')}")

    async def kept() -> bool:
        notes = await feedback(room.house.settings)
        found = [note["text"] for note in notes if note["text"].endswith(room.mark)]
        return found == [room.words("In a line."), room.words("By the form.")]

    await room.soon(kept, lambda: "the remarks are not kept")


async def new(room: Room) -> None:
    await room.answered("remember the plum")
    await _tells(room, "new", wording.NEW, "dm")
    await room.answered("what was it?")
    [prompt] = room.script.prompts(room.words("what was it?"))
    assert "plum" not in str(prompt)


async def forget(room: Room) -> None:
    answer = await room.answered("remember the plum")
    await room.react(answer, "👍")
    await room.voted(1)
    await _tells(room, "forget", wording.FORGET, "dm")
    await _tells(room, "forget me", "Forgotten: 1 of your questions", "dm")
    await room.voted()
    await room.answered("what was it?")
    [prompt] = room.script.prompts(room.words("what was it?"))
    assert "plum" not in str(prompt)


async def persona(room: Room) -> None:
    """For the channel's next question, by a moderator only."""
    text = room.words(PERSONA)
    await room.command(f"/candor persona text {text}", channel="random")
    await room.told(wording.PERSONA_FOR_MODERATORS, channel="random")
    await room.command(f"/candor persona text {text}", channel="random", user="alice")
    await room.told(text, channel="random", user="alice")
    await _tells(room, "persona", text, "random")
    await _asked_in_random(room, "ahoy?")
    await room.command("/candor persona reset", channel="random", user="alice")
    await room.told("This channel has no persona", channel="random", user="alice")
    await _asked_in_random(room, "and now?")
    [[before, *_]] = room.script.prompts(room.words("ahoy?"))
    [[after, *_]] = room.script.prompts(room.words("and now?"))
    assert text in before["content"]
    assert text not in after["content"]


async def _asked_in_random(room: Room, text: str) -> None:
    asked = await room.ask(text, channel="random")
    await room.sees(room.heard(text), to=asked, channel="random")


async def ask(room: Room) -> None:
    await room.command(f"/ask {room.words('what is candour?')}")
    echo = await room.said(f"asks: {room.words('what is candour?')}")
    assert room.person in echo["text"].casefold()
    await room.sees(room.heard("what is candour?"), to=echo["id"])


async def ask_about(room: Room) -> None:
    about = await room.write("The sky is green", user="bob")
    await room.use_menu(about, "Ask Candor about this")
    await room.fill_in("Is it so?")
    echo = await room.said(f"asks: {room.words('Is it so?')}")
    await room.shows(
        lambda found: room.heard("Is it so?") in [each["text"] for each in found],
        to=about if room.platform == "slack" else echo["id"],
    )
    [prompt] = room.script.prompts(room.words("Is it so?"))
    assert room.words("The sky is green") in prompt[-1]["content"]
