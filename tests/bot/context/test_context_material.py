"""What is cut keeps its beginning, at a page or a line; a talk keeps its end."""

from hypothesis import given
from hypothesis import strategies as st

from bot.context.material import Document, Image, Line, Material, Talk, Unread

PAGES = Document("a.pdf", "one\n\ntwo\n\nthree\n\n", ends=(5, 10, 17), pages=3)


def test_a_document_is_cut_at_a_page() -> None:
    cut = PAGES.cut(12)
    assert (cut.text, cut.ends, cut.pages, cut.is_cut) == ("one\n\ntwo\n\n", (5, 10), 3, True)
    assert PAGES.cut(17) is PAGES


def test_a_document_whose_first_page_is_too_long_is_cut_within_it() -> None:
    cut = PAGES.cut(4)
    assert (cut.text, cut.ends, cut.is_cut) == ("one\n", (), True)


def test_a_document_without_pages_is_cut_at_a_line_where_there_is_one() -> None:
    assert Document("a", "one\ntwo\nthree").cut(9).text == "one\ntwo\n"
    assert Document("a", "x" * 20).cut(9).text == "x" * 9


def test_short_files_stay_whole_and_long_ones_get_equally_long() -> None:
    sizes = {"a": 10, "b": 100, "c": 200}
    material = Material(tuple(Document(name, "x" * size) for name, size in sizes.items()))
    cut = material.cut(0.5)
    assert [len(document.text) for document in cut.documents] == [10, 72, 72]


def test_nothing_is_left_of_a_material_with_no_share() -> None:
    material = Material((PAGES,), (Image("p", "image/png", "aa"),), (Unread("z", "kind"),))
    assert material.cut(0) == Material(unread=material.unread)
    assert material.cut(1) is material


def test_a_talk_is_cut_from_its_beginning() -> None:
    talk = Talk((Line("Ana", "one"), Line("Bo", "two"), Line("", "mine", is_ours=True)))
    assert talk.size == 15
    assert talk.cut(15) is talk
    assert talk.cut(10) == Talk(talk.lines[1:], is_cut=True)
    assert talk.cut(0) == Talk(is_cut=True)


@given(st.lists(st.text(max_size=50), min_size=1, max_size=5), st.floats(0, 1))
def test_a_share_is_never_exceeded_and_keeps_beginnings(texts: list[str], share: float) -> None:
    material = Material(
        tuple(Document(str(number), text) for number, text in enumerate(texts) if text.strip())
    )
    cut = material.cut(share)
    whole = {document.name: document.text for document in material.documents}
    kept = sum(len(document.text) for document in cut.documents)
    assert kept <= sum(map(len, whole.values())) * share
    for document in cut.documents:
        assert whole[document.name].startswith(document.text)
        assert document.is_cut == (document.text != whole[document.name])
