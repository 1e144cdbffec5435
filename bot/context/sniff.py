"""What a file is, by its content: names and MIME types are what somebody claims."""

import io
import zipfile
from typing import Final, Literal

from charset_normalizer import from_bytes

Kind = Literal["pdf", "docx", "image", "text"]

PDF_WITHIN: Final = 1024
"""Bytes within which a PDF begins; readers allow for what stands before."""
SAMPLE: Final = 65_536
"""Bytes by which an unknown encoding is guessed: guessing takes seconds for a megabyte."""
MOST_CONTROLS: Final = 0.01
"""Of a text's characters, how many may be control characters; programs and archives have more."""

_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte order marks; the longer ones first, since one begins like another."""


def image_type(data: bytes) -> str | None:
    """The MIME type of an image that models take, None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _IMAGES if data.startswith(start)), None)


def kind_of(data: bytes) -> Kind | None:
    """What the content is; None for what is surely none of these. Text is still to be decoded."""
    if b"%PDF-" in data[:PDF_WITHIN]:
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        return "docx" if _is_docx(data) else None
    if image_type(data) is not None:
        return "image"
    return "text"


def decoded(data: bytes) -> str | None:
    """The content as text, in whatever encoding it is; None when it is no text.

    Takes up to a second of CPU for text in an unknown encoding.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
        if encoding is None:
            if b"\x00" in data[:SAMPLE]:
                return None
            found = from_bytes(data[:SAMPLE]).best()
            if found is None:
                return None
            encoding = found.encoding
        text = data.decode(encoding, errors="replace")
    sample = text[:SAMPLE]
    controls = sum(sign < " " and sign not in "\t\n\r\f\x1b" for sign in sample)
    return None if controls > len(sample) * MOST_CONTROLS else text


def _is_docx(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "word/document.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
