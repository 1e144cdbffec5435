"""From a file's bytes to its text, under limits of time, memory and length.

Plain text is decoded in a thread; PDF and DOCX, whose readers can be led astray, are read by a
process of their own (`child`), which is killed when it takes too long.
"""

import asyncio
import base64
import os
import sys
from typing import Final

import structlog
from pydantic import BaseModel, ValidationError

from bot.context.material import Document, Image, Reason
from bot.context.sniff import decoded, image_type, kind_of
from bot.errors import Unreadable

log = structlog.get_logger()

AT_ONCE: Final = 2
"""Files that one process of the bot reads at once."""
WAIT_S: Final = 20.0
"""Seconds that reading one file may take, more than its limit of CPU time."""
ESCAPED: Final = 6
"""Bytes of JSON that one character takes at most."""


class _Found(BaseModel):
    """What the child prints."""

    text: str = ""
    ends: tuple[int, ...] = ()
    pages: int = 0
    is_cut: bool = False
    reason: Reason | None = None


class Extraction:
    """Reads files, a few at a time."""

    def __init__(self, *, most_pages: int, most: int, wait_s: float = WAIT_S) -> None:
        """At most `most_pages` pages and `most` characters of each file."""
        self._most_pages = most_pages
        self._most = most
        self._wait_s = wait_s
        self._room = asyncio.Semaphore(AT_ONCE)

    async def read(self, name: str, data: bytes, *, sees: bool) -> Document | Image:
        """What a file holds; an image only for a model that `sees`. Raises Unreadable."""
        async with self._room:
            kind = await asyncio.to_thread(kind_of, data)
            if kind == "image":
                if not sees:
                    raise Unreadable("image")
                encoded = await asyncio.to_thread(base64.b64encode, data)
                return Image(name, image_type(data) or "image/png", encoded.decode())
            if kind is None:
                raise Unreadable("kind")
            if kind == "text":
                return await self._text(name, data)
            return await self._document(name, kind, data)

    async def _text(self, name: str, data: bytes) -> Document:
        text = await asyncio.to_thread(decoded, data)
        if text is None:
            raise Unreadable("kind")
        if not text.strip():
            raise Unreadable("empty")
        return Document(name, text).cut(self._most)

    async def _document(self, name: str, kind: str, data: bytes) -> Document:
        arguments = (kind, str(self._most_pages), str(self._most))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.context.child",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Nothing else of our environment: it holds the tokens.
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            async with asyncio.timeout(self._wait_s):
                printed, _ = await process.communicate(data)
        except TimeoutError:
            raise Unreadable("heavy") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:  # killed by one of its limits
            log.warning("a file could not be read", kind=kind, status=process.returncode)
            raise Unreadable("heavy" if (process.returncode or 0) < 0 else "broken")
        return self._found(name, printed)

    def _found(self, name: str, printed: bytes) -> Document:
        if len(printed) > (self._most_pages + self._most * 2) * ESCAPED + 65_536:
            raise Unreadable("heavy")
        try:
            found = _Found.model_validate_json(printed)
        except ValidationError as error:
            raise Unreadable("broken") from error
        if found.reason is not None:
            raise Unreadable(found.reason)
        return Document(name, found.text, found.ends, found.pages, found.is_cut).cut(self._most)
