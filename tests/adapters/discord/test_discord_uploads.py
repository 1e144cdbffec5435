"""Long code is attached to the last part of its answer, over the loopback Discord."""

import discord
import pytest

from adapters.markdown import CodeFile
from adapters.sandbox.discord.flags import ALL_PERMISSIONS, Permission
from adapters.surface import Content, FilesRefused
from bot.domain import MessageRef
from tests.adapters.discord.test_discord_surface import asked, surface_of
from tests.adapters.sandbox.discord_bench import Bot, served

FILES = (CodeFile("code-1.py", "print('日本')\n"), CodeFile("code-2.sql", "select 1;\n"))


async def nothing(_: str) -> None:
    """What a book says."""


async def message_of(bot: Bot, ref: MessageRef) -> discord.Message:
    return await (await bot.channel()).fetch_message(int(ref.message))


async def test_files_are_attached_once_and_stay_when_the_text_is_edited() -> None:
    async with served() as bench, bench.bot(Bot()) as bot:
        surface = surface_of(bot, await asked(bench, bot))
        last = await surface.post(Content("So."), turn="t1", part=0)
        noted: list[str] = []

        async def begin(note: str) -> None:
            assert (await message_of(bot, last)).attachments == []
            noted.append(note)

        await surface.attach(FILES, last=last, begun="", begin=begin)
        await surface.attach(FILES, last=last, begun=noted[0], begin=nothing)
        await surface.edit(last, Content("So it is.", ("again",)), turn="t1")
        message = await message_of(bot, last)
        assert message.content == "So it is."
        assert [one.filename for one in message.attachments] == ["code-1.py", "code-2.sql"]
        assert await message.attachments[0].read() == FILES[0].text.encode()


async def test_without_the_permission_files_are_refused() -> None:
    allowed = ALL_PERMISSIONS & ~Permission.ATTACH_FILES
    async with served(permissions=allowed) as bench, bench.bot(Bot()) as bot:
        surface = surface_of(bot, await asked(bench, bot))
        last = await surface.post(Content("So."), turn="t1", part=0)
        with pytest.raises(FilesRefused):
            await surface.attach(FILES, last=last, begun="", begin=nothing)


async def test_what_a_model_writes_pings_nobody_as_post_reply_and_edit() -> None:
    """Discord leaves out of `mentions` what a call does not allow."""
    async with served() as bench, bench.bot(Bot()) as bot:
        question = await asked(bench, bot)
        surface = surface_of(bot, question)
        pings = f"@everyone @here <@{question.author.id}> <@!{question.author.id}>"
        proof = await (await bot.channel()).send(pings)
        assert proof.mentions
        assert proof.mention_everyone, "without a word in the call it would ping"
        for part in (0, 1):
            ref = await surface.post(Content(pings), turn="t1", part=part)
            assert not pinged(await message_of(bot, ref))
            await surface.edit(ref, Content(f"{pings} again"), turn="t1")
            assert not pinged(await message_of(bot, ref))


def pinged(message: discord.Message) -> bool:
    return bool(message.mentions or message.role_mentions or message.mention_everyone)
