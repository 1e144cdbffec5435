"""Gathering a question's context: read once from the platform, kept, and told what is missing.

Promises that whatever cannot be read costs the question no answer: it becomes a note under it.
What a passing failure left unread is not kept, so the next try reads it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from bot.context import notes
from bot.context.extraction import Extraction
from bot.context.material import (
    NO_MATERIAL,
    NO_TALK,
    Document,
    Image,
    Material,
    Reason,
    Talk,
    Unread,
)
from bot.context.source import Source
from bot.domain import Attachment, MessageRef, Turn
from bot.errors import MessageGone, PlatformUnavailable, Unreadable
from bot.settings import ContextSettings
from bot.store.materials import Materials
from bot.store.turns import Turns

log = structlog.get_logger()

_Result = TypeVar("_Result")

RETRY_S: Final = 0.5
MIB: Final = 1024 * 1024
TALK_CHARACTERS: Final = 100_000
"""Of a talk that are kept: more than a hundred long messages."""
IMAGES_BYTES: Final = 12 * MIB
"""What the images of one question may add up to, in base64."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a question is about besides its own words; `notes` tell what is missing of the talk."""

    material: Material = NO_MATERIAL
    talk: Talk = NO_TALK
    notes: tuple[str, ...] = ()

    @property
    def can_shrink(self) -> bool:
        """Whether a prompt could do with less of it."""
        return bool(self.material.documents or self.material.images or self.talk.lines)


class Gathering:
    """Gathers the context of questions, for one process."""

    def __init__(
        self,
        materials: Materials,
        turns: Turns,
        settings: ContextSettings,
        extraction: Extraction | None = None,
    ) -> None:
        self._materials = materials
        self._turns = turns
        self._settings = settings
        self._extraction = extraction or Extraction(
            most_pages=settings.file_pages, most=settings.file_characters
        )

    async def of(self, turn: Turn, source: Source, *, sees: bool) -> Context:
        """The context of a turn, read now or kept from an earlier try. Raises StoreUnavailable.

        `sees` tells whether the model takes images.
        """
        kept = (await self._materials.of([turn.id])).get(turn.id)
        talk, is_new, told = await self._talk(turn, source)
        material = kept
        if material is None:
            files, unread = await self._files(turn, source)
            of_talk = [file for line in reversed(talk.lines) for file in line.files]
            material = await self._read(turn.question, source, [*files, *of_talk], sees=sees)
            material = replace(material, unread=(*unread, *material.unread))
            if material.is_settled and not material.is_empty:
                await self._materials.keep(turn.id, material)
        talk = replace(talk, lines=tuple(replace(line, files=()) for line in talk.lines))
        if is_new:
            await self._materials.keep_talk(turn.conversation, talk)
        return Context(material, talk, told)

    async def past(self, turns: Sequence[Turn]) -> Mapping[str, Material]:
        """What is kept of earlier turns, by their ids. Raises StoreUnavailable."""
        return await self._materials.of([turn.id for turn in turns])

    async def shorten(
        self,
        turn: Turn,
        context: Context,
        material: Material,
        materials: Mapping[str, Material],
        talk: Talk | None,
    ) -> None:
        """Keep what is left of a turn's own material, of earlier turns' materials by their ids,
        and of the talk (None: all), so that later prompts begin alike. Raises StoreUnavailable."""
        if material != context.material and context.material.is_settled and material.documents:
            await self._materials.keep(turn.id, material)
        for turn_id, shorter in materials.items():
            await self._materials.keep(turn_id, shorter)
        if talk is not None:
            await self._materials.keep_talk(turn.conversation, talk)

    async def _talk(self, turn: Turn, source: Source) -> tuple[Talk, bool, tuple[str, ...]]:
        """The talk before a turn's conversation, whether it was read just now, and notes on it."""
        if not self._settings.thread_messages:
            return NO_TALK, False, ()
        kept = await self._materials.talk(turn.conversation)
        if kept is not None:
            return kept, False, ()
        first = await self._turns.first(turn.conversation) or turn
        if not _follows_something(first):
            return NO_TALK, False, ()
        try:
            found = await self._tried(lambda: source.talk(first, self._settings.thread_messages))
        except MessageGone as error:
            log.info("talk not shown", turn=turn.id, error=str(error))
            return NO_TALK, True, (notes.FORBIDDEN,)
        except (PlatformUnavailable, TimeoutError) as error:
            log.warning("talk not read", turn=turn.id, error=repr(error))
            return NO_TALK, False, (notes.UNREAD,)
        found = found.cut(TALK_CHARACTERS)
        return found, True, notes.of_talk(found)

    async def _files(self, turn: Turn, source: Source) -> tuple[Sequence[Attachment], list[Unread]]:
        """The files of a question as they are now, and those of which that cannot be known."""
        if not turn.attachments:
            return (), []
        try:
            question = await self._tried(lambda: source.question(turn.question))
        except (PlatformUnavailable, TimeoutError) as error:
            log.warning("files not found", turn=turn.id, error=repr(error))
            return (), [Unread(file.name, "unavailable") for file in turn.attachments]
        except MessageGone as error:
            log.info("files are gone", turn=turn.id, error=str(error))
            question = None
        if question is None:
            return (), [Unread(file.name, "gone") for file in turn.attachments]
        return question.attachments, []

    async def _tried(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        """What a call gives, which is made once more where the platform fails.

        Raises TimeoutError when all of it takes too long, and what the second call raises.
        """
        async with asyncio.timeout(self._settings.read_s):
            try:
                return await call()
            except PlatformUnavailable as error:
                await asyncio.sleep(error.retry_after_s or RETRY_S)
            return await call()

    async def _read(
        self, question: MessageRef, source: Source, files: Sequence[Attachment], *, sees: bool
    ) -> Material:
        """What is in files, in their order; names that come twice are told apart."""
        files = _named_apart(files)
        most = self._settings.files
        found = await asyncio.gather(
            *(self._one(question, source, file, sees=sees) for file in files[:most])
        )
        images: list[Image] = []
        unread: list[Unread] = []
        room = IMAGES_BYTES
        for each in found:
            if isinstance(each, Image) and (room := room - len(each.data)) >= 0:
                images.append(each)
            elif isinstance(each, Image):
                unread.append(Unread(each.name, "size"))
            elif isinstance(each, Unread):
                unread.append(each)
        unread += [Unread(file.name, "many") for file in files[most:]]
        documents = (each for each in found if isinstance(each, Document))
        return Material(tuple(documents), tuple(images), tuple(unread))

    async def _one(
        self, question: MessageRef, source: Source, file: Attachment, *, sees: bool
    ) -> Document | Image | Unread:
        most = int(self._settings.file_mb * MIB)
        if (reason := _refused(file, most, sees=sees)) is not None:
            return Unread(file.name, reason)
        try:
            data = await self._tried(lambda: source.fetch(question, file, most))
            return await self._extraction.read(file.name, data, sees=sees)
        except (PlatformUnavailable, TimeoutError) as error:
            log.warning("file not fetched", file=file.id, error=repr(error))
            return Unread(file.name, "unavailable")
        except MessageGone:
            return Unread(file.name, "gone")
        except Unreadable as error:
            log.info("file not read", file=file.id, kind=file.kind, reason=error.reason)
            return Unread(file.name, error.reason)


def _refused(file: Attachment, most: int, *, sees: bool) -> Reason | None:
    """Why a file need not be fetched, by what the platform says of it; None when it is."""
    kind = file.kind.partition("/")[0]
    if file.size > most:
        return "size"
    if kind == "image" and not sees:
        return "image"
    return "kind" if kind in {"video", "audio"} else None


def _follows_something(first: Turn) -> bool:
    """Whether something may stand before the first question of a conversation.

    On Slack a question at the top level of a channel is itself the root of its thread.
    """
    where = first.conversation
    if where.place == "thread":
        return where.root != first.question.message
    return where.place == "channel" and first.reply_to is not None


def _named_apart(files: Sequence[Attachment]) -> list[Attachment]:
    """The files, with a number in the names that come again."""
    counts: dict[str, int] = {}
    apart = []
    for file in files:
        counts[file.name] = number = counts.get(file.name, 0) + 1
        apart.append(file if number == 1 else replace(file, name=f"{file.name} ({number})"))
    return apart
