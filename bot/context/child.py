"""The process that reads one PDF or DOCX file, since a hostile one may take all there is.

`python -m bot.context.child KIND MOST_PAGES MOST_CHARACTERS` reads the file from its standard
input and prints one JSON object: `text`, `ends`, `pages` and `is_cut` (see `Document`), or the
`reason` why there is no text. It limits its own memory and CPU time before it reads anything.
"""

import io
import json
import logging
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import Any, Final

MEMORY_BYTES: Final = 1024 * 1024 * 1024
CPU_S: Final = 15
UNPACKED_BYTES: Final = 128 * 1024 * 1024
"""What the parts of a DOCX file may add up to; a bomb's are gigabytes."""

Found = dict[str, Any]


def read_pdf(data: bytes, *, most_pages: int, most: int) -> Found:
    """The text of a PDF file's first pages."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"reason": "locked"}
        pages = len(reader.pages)
    except (FileNotDecryptedError, DependencyError):
        return {"reason": "locked"}
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {"reason": "broken"}
    text, ends, num_broken = "", [], 0
    for number in range(min(pages, most_pages)):
        try:
            text += reader.pages[number].extract_text().strip() + "\n\n"
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - whatever one page breaks on, the others may be read
            num_broken += 1
        ends.append(len(text))
        if len(text) >= most:
            break
    if not text.strip():
        return {"reason": "broken" if num_broken else "empty"}
    return {"text": text[: most + 1], "ends": ends, "pages": pages, "is_cut": len(ends) < pages}


def read_docx(data: bytes, *, most: int) -> Found:
    """The text of a DOCX file: paragraphs and tables, in their order."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import LxmlError

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(part.file_size for part in archive.infolist()) > UNPACKED_BYTES:
                return {"reason": "heavy"}
        document = docx.Document(io.BytesIO(data))
        text, size, is_cut = [], 0, False
        for line in _docx_lines(document):
            text.append(line)
            size += len(line) + 1
            if size > most:
                is_cut = True
                break
    except (zipfile.BadZipFile, zipfile.LargeZipFile, PackageNotFoundError, LxmlError):
        return {"reason": "broken"}
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, NotImplementedError):
        return {"reason": "broken"}
    whole = "\n".join(text)
    if not whole.strip():
        return {"reason": "empty"}
    return {"text": whole[: most + 1], "ends": [], "pages": 0, "is_cut": is_cut}


def _docx_lines(document: Any) -> Iterator[str]:
    from docx.table import Table

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                # A merged cell comes once for each column that it spans.
                cells = dict.fromkeys(cell._tc for cell in row.cells)
                texts = {cell._tc: " ".join(cell.text.split()) for cell in row.cells}
                yield "| " + " | ".join(texts[cell] for cell in cells) + " |"
        else:
            style = str(getattr(block.style, "name", "") or "")
            level = style.removeprefix("Heading ")
            is_heading = style.startswith("Heading ") and level.isdecimal()
            mark = "#" * min(int(level), 6) + " " if is_heading else ""
            yield mark + ("- " if style.startswith("List") else "") + block.text


def main() -> None:
    """Read the file from the standard input, and print what was found."""
    kind, most_pages, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    logging.disable(logging.CRITICAL)  # pypdf tells of each flaw in a file
    data = sys.stdin.buffer.read()
    try:
        found = (
            read_pdf(data, most_pages=most_pages, most=most)
            if kind == "pdf"
            else read_docx(data, most=most)
        )
    except (MemoryError, RecursionError):
        found = {"reason": "heavy"}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
