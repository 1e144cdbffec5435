"""Buttons and forms are known again by their ids alone."""

import pytest

from adapters.interaction import CONTROLS, FORMS, Form, button_id, form_of, pressed


@pytest.mark.parametrize("control", CONTROLS)
def test_a_button_is_known_by_its_id(control: str) -> None:
    assert pressed(button_id(control, "abc")) == (control, "abc")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("about", ["", "abc"])
def test_a_form_is_known_by_its_id(kind: str, about: str) -> None:
    form = Form(kind, about)  # type: ignore[arg-type]
    assert form_of(form.id) == form
    assert len(form.id) <= 100, "Discord takes no more"


@pytest.mark.parametrize(
    "id_", ["", "candor", "candor:up", "candor:up:", "candor:form:up:x", "other:up:x", "candor:x:y"]
)
def test_ids_of_others_are_no_button(id_: str) -> None:
    assert pressed(id_) is None
    assert form_of(id_) is None
