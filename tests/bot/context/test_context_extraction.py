"""Files become text under limits; what is hostile costs a note, and no more."""

import asyncio
import time
import zlib

import pytest

from bot.context.extraction import Extraction
from bot.context.material import Document, Image
from bot.context.sniff import decoded, kind_of
from bot.errors import Unreadable
from tests.bot.context import made


def reader(*, most_pages: int = 100, most: int = 10_000, wait_s: float = 20.0) -> Extraction:
    return Extraction(most_pages=most_pages, most=most, wait_s=wait_s)


async def text_of(data: bytes, *, name: str = "file") -> Document:
    found = await reader().read(name, data, sees=False)
    assert isinstance(found, Document)
    return found


async def refusal(data: bytes, extraction: Extraction | None = None) -> str:
    with pytest.raises(Unreadable) as refused:
        await (extraction or reader()).read("file", data, sees=False)
    return refused.value.reason


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Grüße, 你好 🙂"),
        ("utf-8-sig", "Grüße"),
        ("utf-16", "Grüße, 你好"),
        ("utf-32", "Grüße"),
        ("cp1252", "Die Größe der Häuser in München gefällt den Gästen sehr. " * 4),
        ("shift_jis", "これは日本語の文章です。とても良い天気ですね。" * 6),
    ],
)
async def test_a_text_is_read_in_its_encoding(encoding: str, text: str) -> None:
    assert (await text_of(text.encode(encoding))).text == text


async def test_the_content_tells_what_a_file_is_and_not_its_name() -> None:
    assert (await text_of(b"print(1)", name="photo.png")).text == "print(1)"
    assert "Hello" in (await text_of(made.pdf(["Hello"]), name="notes.txt")).text
    assert await refusal(made.PNG) == "image"


async def test_an_image_is_kept_for_a_model_that_sees() -> None:
    found = await reader().read("p", made.PNG, sees=True)
    assert isinstance(found, Image)
    assert found.kind == "image/png"


async def test_pages_of_a_pdf_are_told_apart() -> None:
    found = await text_of(made.pdf(["one", "two", "three"]))
    assert (found.text, found.ends, found.pages) == ("one\n\ntwo\n\nthree\n\n", (5, 10, 17), 3)
    assert not found.is_cut


async def test_no_more_pages_and_characters_are_read_than_asked_for() -> None:
    data = made.pdf([f"page {number}" for number in range(1, 30)])
    few = await reader(most_pages=3).read("a", data, sees=False)
    assert isinstance(few, Document)
    assert (len(few.ends), few.pages, few.is_cut) == (3, 29, True)
    short = await reader(most=25).read("a", data, sees=False)
    assert isinstance(short, Document)
    assert (short.text, len(short.ends), short.is_cut) == (
        "page 1\n\npage 2\n\npage 3\n\n",
        3,
        True,
    )
    text = await reader(most=1000).read("a", b"word\n" * 1000, sees=False)
    assert isinstance(text, Document)
    assert (len(text.text), text.is_cut) == (1000, True)


async def test_paragraphs_and_tables_of_a_docx_come_in_their_order() -> None:
    table = [["who", "what"], ["Ana", "two\nlines"]]
    found = await text_of(made.docx_file("First.", "Second.", table=table))
    assert found.text == ("# The plan\nFirst.\nSecond.\n| who | what |\n| Ana | two lines |")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (made.zip_file(), "kind"),
        (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 20, "kind"),
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"%PDF-1.7\nno more", "broken"),
        (made.pdf(["a secret"], password="x"), "locked"),
        (made.pdf([""]), "empty"),
        (b"PK\x03\x04 no archive", "kind"),
    ],
)
async def test_what_cannot_be_read_has_a_reason(data: bytes, reason: str) -> None:
    assert await refusal(data) == reason


async def test_a_docx_that_unpacks_to_a_lot_is_not_unpacked() -> None:
    bomb = made.docx_bomb(130)
    assert len(bomb) < 300_000
    assert await refusal(bomb) == "heavy"


async def test_a_pdf_that_unpacks_to_a_lot_is_given_up() -> None:
    page = zlib.compress(b"BT (x) Tj ET\n" * 20_000_000, 9)
    bomb = (
        (
            b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
            b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
            b"3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/MediaBox[0 0 9 9]>>endobj\n"
            b"4 0 obj<</Filter/FlateDecode/Length " + str(len(page)).encode() + b">>stream\n"
        )
        + page
        + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n"
    )
    assert await refusal(bomb, reader(wait_s=2)) in {"heavy", "broken"}


async def test_a_pdf_whose_pages_go_round_in_circles_is_given_up() -> None:
    circle = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 100000000>>endobj\n"
        b"trailer<</Root 1 0 R>>\n"
    )
    assert await refusal(circle, reader(wait_s=5)) in {"heavy", "broken", "empty"}


async def test_a_file_that_takes_too_long_is_given_up_in_time() -> None:
    began = time.monotonic()
    assert await refusal(made.pdf(["x"]), reader(wait_s=0.01)) == "heavy"
    assert time.monotonic() - began < 2


async def test_the_event_loop_goes_on_while_a_file_is_read() -> None:
    reading = asyncio.create_task(text_of(made.docx_file("x")))
    beats = 0
    while not reading.done():
        await asyncio.sleep(0.01)
        beats += 1
    assert beats > 5
    assert (await reading).text


def test_what_a_file_is_can_be_seen_at_its_beginning() -> None:
    assert kind_of(b"\x00\x00%PDF-1.4") == "pdf"
    assert kind_of(b"GIF89a...") == "image"
    assert kind_of(b"RIFF\x00\x00\x00\x00WEBPVP8 ") == "image"
    assert kind_of(b"hello") == "text"


def test_a_program_is_no_text() -> None:
    assert decoded(bytes(range(32)) * 100) is None
