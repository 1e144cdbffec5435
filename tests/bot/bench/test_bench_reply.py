"""The reply bench: its answers, what it sees in what was shown, and its targets."""

import pytest

from bot.bench.reply_model import FIRST_S, Said, Typist, answer_to, opening, question
from bot.bench.reply_rows import Asked, Scene, Shown, are_final, has_open_fence, shown
from bot.bench.reply_targets import targets
from bot.soak.sandbox import Journal, Message, Place, Version

LENGTH = 3_400
ASKED = Asked("s-one-0", LENGTH, "100.0", "dm", "alice")


def message(id_: str, text: str, part: int = 0, turn: str = "t" * 32) -> Message:
    place = Place("dm", "alice", "100.0")
    return Message("slack", id_, place, "candor", True, text, claim=(turn, part))


def journal(*versions: tuple[str, float, str]) -> Journal:
    return Journal(tuple(Version(*one) for one in versions), {}, {})


@pytest.mark.parametrize("length", [3_400, 8_000])
def test_an_answer_has_its_length_and_code_across_the_2000th_character(length: int) -> None:
    answer = answer_to(f"@candor {question('a-b-1', length)}")
    assert len(answer) == length
    assert answer.startswith(opening("a-b-1"))
    assert has_open_fence(answer[:2_000])
    assert not has_open_fence(answer)


def test_a_question_of_nobody_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no question of the bench"):
        answer_to("How are you?")


async def test_the_model_types_on_the_beat_and_notes_when() -> None:
    typist, asked = Typist(), question("a-b-1", 3_400)
    rest = typist.answer_to(asked)[-40:]
    said = "".join([piece async for piece in typist.pieces(asked, rest)])
    assert said == rest
    noted = typist.said["a-b-1"]
    assert noted.last_at is not None
    assert noted.last_at - noted.first_at == pytest.approx(9 / 40, abs=0.1)
    assert FIRST_S == 0.3


def test_first_text_lag_and_freeze_are_told_from_what_was_shown() -> None:
    whole = ASKED.answer
    half = opening(ASKED.tag)
    kept = journal(("101.0", 10.1, half), ("101.0", 13.0, half + " More"), ("101.0", 20.5, whole))
    (answer,), strays = shown(
        [ASKED], {ASKED.tag: Said(10.0, 20.0)}, [message("101.0", whole)], kept, is_streamed=False
    )
    assert strays == 0
    assert answer.is_final
    assert answer.first_text_s == pytest.approx(0.1)
    assert answer.lag_s == pytest.approx(0.5)
    assert answer.freeze_s == pytest.approx(7.5)
    assert (answer.num_doubled, answer.num_broken) == (0, 0)


def test_an_answer_that_is_not_whole_has_no_lag() -> None:
    there = [message("101.0", opening(ASKED.tag))]
    assert not are_final([ASKED], there)
    (answer,), _ = shown(
        [ASKED],
        {ASKED.tag: Said(10.0, 20.0)},
        there,
        journal(("101.0", 10.1, opening(ASKED.tag))),
        is_streamed=False,
    )
    assert not answer.is_final
    assert answer.lag_s is None


def test_a_part_that_stands_twice_and_a_message_of_no_answer_are_seen() -> None:
    whole = ASKED.answer
    elsewhere = Message("slack", "103.0", Place("general"), "candor", True, "What?")
    there = [message("101.0", whole), message("102.0", whole), elsewhere]
    (answer,), strays = shown([ASKED], {}, there, journal(), is_streamed=False)
    assert answer.num_doubled == 1
    assert strays == 1


def test_open_code_counts_in_every_version_of_an_edited_message_and_the_last_of_a_streamed() -> (
    None
):
    kept = journal(("101.0", 1.0, "```\na"), ("101.0", 2.0, "```\na\n```"))
    there = [message("101.0", f"{opening(ASKED.tag)}\n```\na\n```")]
    for is_streamed, number in ((False, 1), (True, 0)):
        (answer,), _ = shown([ASKED], {}, there, kept, is_streamed=is_streamed)
        assert answer.num_broken == number


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("", False),
        ("```", True),
        ("```\n```", False),
        ("````\n```\n````", False),
        ("~~~\n```", True),
        ("a ``` b", False),
    ],
)
def test_a_fence_is_open_until_it_is_closed(text: str, is_open: bool) -> None:
    assert has_open_fence(text) is is_open


def scene(platform: str, scenario: str, *, is_final: bool = True, lag_s: float = 0.1) -> Scene:
    answer = Shown("t", is_final, 0.05, lag_s if is_final else None, 1.0, 1, 3, 0, 0)
    return Scene(platform, platform, scenario, (answer,), {"chat.update": 13}, {}, 0)


def test_all_targets_hold_when_all_is_well() -> None:
    scenes = [scene(on, name) for on in ("discord", "slack") for name in ("one", "ten", "crowd")]
    scenes += [scene(on, "fifty") for on in ("discord", "slack")]
    found = {one.name: one for one in targets(scenes, {"discord": 0.1, "slack": 0.2})}
    assert list(found) == [
        "one_first_text_s",
        "one_lag_s",
        "one_slack_updates",
        "ten_unfinished",
        "ten_lag_max_s",
        "ten_freeze_max_s",
        "crowd_lag_max_s",
        "fifty_wrong_final",
        "fifty_first_text_p50_s",
        "rate_limited",
        "doubled",
        "broken_fences",
        "cpu_s_per_answer",
    ]
    assert all(one.holds for one in found.values())
    assert found["cpu_s_per_answer"].value == 0.2


def test_the_worst_platform_counts_and_what_was_not_measured_does_not_hold() -> None:
    found = {
        one.name: one
        for one in targets(
            [
                scene("discord", "ten"),
                scene("slack", "ten", lag_s=4.5),
                scene("slack", "crowd", is_final=False),
            ],
            {},
        )
    }
    assert found["ten_lag_max_s"].value == 4.5
    assert not found["ten_lag_max_s"].holds
    assert found["ten_unfinished"].holds
    assert found["crowd_lag_max_s"].value is None
    assert not found["crowd_lag_max_s"].holds, "an answer that never ended has no lag"
    assert not found["one_lag_s"].holds
    assert not found["cpu_s_per_answer"].holds
