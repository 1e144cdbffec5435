"""One answer as messages: what stands there, in the platform and in the book.

Each part is in the book before it is posted and again once it is, before anything else happens to
it. So an answer can be taken up after a crash, and a post whose outcome is not known is looked for
before it is repeated.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

import structlog

from adapters import wording
from adapters.markdown import CodeFile, closed, render
from adapters.surface import Book, Content, FilesRefused, Surface
from bot.domain import Control, MessageRef, Turn
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable, WorkspaceGone
from bot.insist import insist

log = structlog.get_logger()

FILE_TRIES = 3
"""How often files are tried: the text below which they stand is whole without them."""

Step = Literal["post", "edit"]
"""One call of the platform that changes what is shown."""


class Reply:
    """The messages of one turn's answer."""

    def __init__(self, turn: Turn, surface: Surface, book: Book, *, resumed: bool) -> None:
        """`resumed`: an earlier process may have posted more than the book says."""
        self._turn = turn.id
        self._surface = surface
        self._book = book
        self._refs = list(turn.parts)
        # What an earlier process left in them is not known; an edit makes it so.
        self._shown: list[Content | None] = [None] * len(self._refs)
        self._intended = turn.posting
        self._unsure = turn.posting is not None
        # A notice that the store is away is all that is ever posted without an intention.
        self._may_have_notice = resumed and not turn.parts and turn.posting is None
        self._adding: asyncio.Task[None] | None = None
        self._length = 0
        self._room = surface.dialect.limit
        self._files = turn.files
        self._file_tries = 0
        self._has_no_files = False

    @property
    def parts(self) -> tuple[MessageRef, ...]:
        """The messages that are known to stand there."""
        return tuple(self._refs)

    @property
    def is_empty(self) -> bool:
        """Whether no message is known to stand there."""
        return not self._refs

    async def settle(self) -> None:
        """See to the reactions that came while nobody listened for these messages."""
        for ref in self._refs:
            await self._book.settle(self._turn, ref)

    async def show(
        self,
        text: str,
        *,
        controls: tuple[Control, ...] = (),
        is_note: bool = False,
        final: bool = False,
    ) -> None:
        """Make the messages show `text`: edit what differs, post what is missing.

        The last one has the `controls`. With `is_note` it is a note of ours, which may be posted
        though the store is away; with `final` messages that are left over are deleted. Raises
        PlatformUnavailable; calling again goes on where it stopped.
        """
        while await self.step(text, controls=controls, is_note=is_note, final=final) is not None:
            pass

    async def step(
        self,
        text: str,
        only: Step | None = None,
        *,
        controls: tuple[Control, ...] = (),
        is_note: bool = False,
        final: bool = False,
    ) -> Step | None:
        """Make the first call of those that `show` needs, unless it is another one than `only`.

        Returns the one that is needed next, None when the text is shown. Raises as `show` does.
        """
        if self._adding is not None:
            await self._added(self._adding)
        whole = (
            f"{closed(text, self._surface.dialect)}\n\n{wording.NO_FILES}"
            if self._has_no_files
            else text
        )
        rendered = render(whole, self._surface.dialect)
        parts = [Content(part) for part in rendered.parts]
        if parts:
            parts[-1] = Content(parts[-1].text, controls)
        needed = self._needed(parts)
        if needed is not None:
            step, part = needed
            if only not in (None, step):
                return step
            if step == "post":
                self._adding = asyncio.create_task(self._add(parts[part], part, is_note=is_note))
                await self._added(self._adding)
            else:
                await self._edit(part, parts[part], urgent=final)
            needed = self._needed(parts)
        self._length = len(text)
        if parts:
            dialect = self._surface.dialect
            self._room = 0 if needed else dialect.limit - dialect.measure(parts[-1].text)
        if needed is None and final:
            await self._take_away(len(parts))
            await self._surface.conclude()
            # One that can be continued has its files when it is whole.
            if rendered.files and self._refs and "continue" not in controls:
                return await self._attach(rendered.files)
        return needed[0] if needed else None

    def outgrown(self, length: int) -> bool:
        """Whether a text of this length cannot have room in what is shown, by all that is known."""
        return not self.is_empty and length - self._length > self._room

    def _needed(self, parts: Sequence[Content]) -> tuple[Step, int] | None:
        """The first call that is needed, and for which part."""
        for part, content in enumerate(parts):
            if part >= len(self._refs):
                return "post", part
            if self._shown[part] != content:
                return "edit", part
        return None

    async def _take_away(self, num_parts: int) -> None:
        """Delete the messages that the answer does not need."""
        if self._unsure and self._intended is not None:
            await self._find_surplus(self._intended)
        while len(self._refs) > num_parts:
            await self._book.spare(self._turn, self._refs[-1])
            await self._surface.delete(self._refs[-1])
            self._refs.pop()
            self._shown.pop()
            await self._book.drop(self._turn, len(self._refs))

    async def _attach(self, files: Sequence[CodeFile]) -> Step | None:
        """Put files below the answer, once; the step that is needed where that is not to be."""
        if self._files == "" or self._has_no_files:
            return None
        self._file_tries += 1
        try:
            await self._surface.attach(
                files, last=self._refs[-1], begun=self._files or "", begin=self._begin_files
            )
        except WorkspaceGone:
            raise
        except MessageGone as error:
            log.warning("no place for files", turn=self._turn, error=str(error))
        except (FilesRefused, PlatformUnavailable) as error:
            is_final = isinstance(error, FilesRefused) or self._file_tries == FILE_TRIES
            log.warning("files not posted", turn=self._turn, error=str(error))
            if not is_final:
                raise
            self._has_no_files = True
            return "edit"
        await self._book.end_files(self._turn)
        self._files = ""
        return None

    async def _begin_files(self, note: str) -> None:
        """Files are about to be posted, and `note` is what they are known by."""
        await self._book.begin_files(self._turn, note)
        self._files = note

    async def close(self) -> None:
        """Give up a post that is under way."""
        if self._adding is not None:
            self._adding.cancel()
            await asyncio.gather(self._adding, return_exceptions=True)

    async def _edit(self, part: int, content: Content, *, urgent: bool) -> None:
        try:
            await self._surface.edit(self._refs[part], content, turn=self._turn, urgent=urgent)
        except WorkspaceGone:
            raise
        except MessageGone as error:
            log.warning("part is gone", turn=self._turn, part=part, error=str(error))
        self._shown[part] = content

    async def _add(self, content: Content, part: int, *, is_note: bool) -> None:
        """Post a part, or find the one that an earlier post left.

        A repeat is of the same text as the first try: it may be known by it.
        """
        posted = Content(self._intended or content.text, content.controls)
        text = posted.text
        ref = None
        repeated = self._unsure
        if self._unsure or self._may_have_notice:
            left = text if self._unsure else wording.waiting("store")
            known = self._book.knows
            ref = await self._surface.find(left, turn=self._turn, part=part, known=known)
            repeated |= ref is not None
            self._may_have_notice = False
        if ref is None:
            await self._intend(text, is_note=is_note)
            self._intended, self._unsure = text, True
            try:
                ref = await self._surface.post(posted, turn=self._turn, part=part)
            except PlatformUnavailable as error:
                self._unsure = repeated or error.retry_after_s is None
                raise
        self._refs.append(ref)
        self._shown.append(None if repeated else posted)
        self._intended, self._unsure = None, False
        await self._book.add(self._turn, part, ref)

    async def _find_surplus(self, text: str) -> None:
        """Look for a part that an earlier post may have left, and that is not needed any more."""
        part = len(self._refs)
        ref = await self._surface.find(text, turn=self._turn, part=part, known=self._book.knows)
        self._intended, self._unsure = None, False
        if ref is not None:
            self._refs.append(ref)
            self._shown.append(None)
            await self._book.add(self._turn, part, ref)

    async def _intend(self, text: str, *, is_note: bool) -> None:
        try:
            await self._book.intend(self._turn, text)
        except StoreUnavailable as error:
            log.warning("a post cannot be announced", turn=self._turn, error=str(error))
            if not is_note:
                await insist(lambda: self._book.intend(self._turn, text), "a post", turn=self._turn)

    async def _added(self, adding: asyncio.Task[None]) -> None:
        """Wait for a post; when we are cancelled it goes on, and the next `show` waits for it.

        The platform may have taken it already, and would take it a second time.
        """
        try:
            await asyncio.shield(adding)
        finally:
            if adding.done():
                self._adding = None
