"""Long code below an answer, as attachments of its last message."""

import io
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import discord

from adapters.markdown import CodeFile
from adapters.surface import FilesRefused

FILES: Final = "attachments"
"""What a book keeps while files are under way: they replace each other, and need no name."""
MOST: Final = 10
"""Files of one message; what is more is in the text alone."""
REFUSED: Final = frozenset({40005, 50013})
"""Codes: a request too large, and a permission that is missing."""


async def put(
    edit: Callable[[list[discord.File]], Awaitable[object]], files: Sequence[CodeFile]
) -> None:
    """Make the files a message's attachments, by an `edit` that replaces them.

    Raises FilesRefused, and what `edit` raises.
    """
    made = [discord.File(io.BytesIO(file.text.encode()), file.name) for file in files[:MOST]]
    try:
        await edit(made)
    except discord.HTTPException as error:
        if error.code not in REFUSED:
            raise
        raise FilesRefused(f"Discord: {error.text} ({error.code})") from error
