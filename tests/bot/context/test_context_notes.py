"""What people are told of what was not read."""

import pytest

from bot.context import notes
from bot.context.material import Document, Line, Material, Reason, Talk, Unread
from bot.context.notes import of_cut, of_material, of_talk


def test_what_was_read_whole_needs_no_note() -> None:
    assert of_material(Material((Document("a.txt", "teal"),))) == ()
    assert of_talk(Talk((Line("Ana", "hi"),))) == ()


def test_files_that_were_not_read_for_one_reason_are_told_together() -> None:
    names = [f"{number}.zip" for number in range(7)]
    material = Material(
        unread=(*(Unread(name, "kind") for name in names), Unread("p.png", "image"))
    )
    assert of_material(material) == (
        "I can't read 0.zip, 1.zip, 2.zip, 3.zip, 4.zip and 2 more",
        "I can't see images: p.png",
    )


@pytest.mark.parametrize("reason", Reason.__args__)  # type: ignore[attr-defined]
def test_every_reason_has_its_words(reason: Reason) -> None:
    (note,) = of_material(Material(unread=(Unread("a.b", reason),)))
    assert "a.b" in note


def test_a_name_brings_no_markdown_and_no_mention_into_a_note() -> None:
    name = "@everyone <!here> [x](http://y) _a_ my_file `**\n\x00.zip"
    (note,) = of_material(Material(unread=(Unread(name, "kind"),)))
    assert note == "I can't read everyone !here xhttp:y a my_file .zip"
    (long,) = of_material(Material(unread=(Unread("x" * 300, "kind"),)))
    assert len(long) < 80


def test_what_was_cut_is_told_by_pages_where_there_are_some() -> None:
    pages = Document("a.pdf", "one\n\n", ends=(5,), pages=3, is_cut=True)
    assert of_material(Material((pages, Document("b.txt", "x", is_cut=True)))) == (
        "I read the first 1 of 3 pages of a.pdf",
        "I read only the beginning of b.txt",
    )


def test_what_is_shortened_later_is_told_and_what_was_told_before_is_not() -> None:
    before = Material(
        (Document("a.txt", "one\ntwo\n"), Document("b.txt", "x", is_cut=True)),
        unread=(Unread("z.zip", "kind"),),
    )
    after = Material((Document("a.txt", "one\n", is_cut=True), before.documents[1]), (), ())
    assert of_cut(before, after) == ("I read only the beginning of a.txt",)
    assert of_cut(before, Material()) == ("left out, there was no room: a.txt, b.txt",)


def test_a_talk_that_is_not_whole_or_not_shown_is_told() -> None:
    assert of_talk(Talk(is_cut=True)) == (notes.OLDER,)
    assert of_talk(Talk(is_hidden=True)) == (notes.FORBIDDEN,)
