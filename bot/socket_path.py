"""Where a Unix socket of a directory is: inside it, or in a short path that stands for it."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from bot.errors import FatalError

LONGEST: Final = 100
"""Bytes: a Unix socket's path may have 107 on Linux and 103 on macOS."""


def socket_path(directory: Path, name: str) -> Path:
    """The path of the socket `name`, the same for the same directory.

    Raises FatalError when the path that stands for a long one belongs to somebody else.
    """
    path = directory.resolve() / name
    if len(os.fsencode(path)) <= LONGEST:
        return path
    stat = directory.stat()
    short = Path(tempfile.gettempdir()) / f"candor-{os.getuid()}-{stat.st_dev:x}-{stat.st_ino:x}"
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
    if short.is_symlink() or not short.is_dir() or short.stat().st_uid != os.getuid():
        raise FatalError(f"{short} belongs to somebody else; choose a shorter state_dir")
    return short / name
