"""How frames are packed: plain text, or one shared compression context per connection.

A connection asks by its query (`compress=zlib-stream|zstd-stream`); each message is flushed, so
that a zlib message ends in 00 00 FF FF.
"""

import importlib
import zlib
from typing import Any, Protocol


class UnknownCompression(ValueError):
    """The compression asked for is unknown, or its library is not installed."""


class Packer(Protocol):
    """Packs one text message after another; the order matters."""

    def pack(self, text: str) -> str | bytes:
        """The frame's payload: text stays a text frame, bytes become a binary one."""


class PlainPacker:
    """No compression."""

    def pack(self, text: str) -> str | bytes:
        return text


class ZlibPacker:
    """`zlib-stream`."""

    def __init__(self) -> None:
        self._context = zlib.compressobj()

    def pack(self, text: str) -> str | bytes:
        packed = self._context.compress(text.encode())
        return packed + self._context.flush(zlib.Z_SYNC_FLUSH)


class ZstdPacker:
    """`zstd-stream`, with the `zstandard` package."""

    def __init__(self) -> None:
        try:
            zstandard: Any = importlib.import_module("zstandard")
        except ModuleNotFoundError as error:
            raise UnknownCompression("zstd-stream needs the package zstandard") from error
        self._context: Any = zstandard.ZstdCompressor().compressobj()
        self._flush_block: int = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def pack(self, text: str) -> str | bytes:
        packed: bytes = self._context.compress(text.encode())
        packed += self._context.flush(self._flush_block)
        return packed


def packer_for(compress: str | None) -> Packer:
    """The packer that a connection asked for; raises UnknownCompression."""
    match compress:
        case None | "":
            return PlainPacker()
        case "zlib-stream":
            return ZlibPacker()
        case "zstd-stream":
            return ZstdPacker()
        case _:
            raise UnknownCompression(f"unknown compression {compress[:40]!r}")
