"""The audit finds what is wrong in a world, names it, and finds nothing in a right one."""

from dataclasses import replace

import pytest

from bot.soak.answers import answer_to
from bot.soak.audit import audit, vote_of
from bot.soak.findings import BREACHES, Breach, BreachKind
from bot.soak.store import StoredTurn
from tests.bot.soak.worlds import Builder, long_question


def breaches(builder: Builder) -> dict[BreachKind, list[Breach]]:
    """What is found, by kind; kinds without a breach are left out."""
    found = audit(builder.world()).breaches
    return {
        kind: named for kind in BREACHES if (named := [one for one in found if one.kind == kind])
    }


def replaced(builder: Builder, at: int, **more: object) -> None:
    builder.messages[at] = replace(builder.messages[at], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("platform", ["discord", "slack"])
@pytest.mark.parametrize("channel", ["dm", "general"])
def test_a_right_world_has_no_breach(platform: str, channel: str) -> None:
    builder = Builder()
    for number in range(20):
        question = builder.ask(
            f"Question {number}?",
            platform="slack" if platform == "slack" else "discord",
            channel=channel,
        )
        builder.answer(question)
    findings = audit(builder.world())
    assert findings.breaches == ()
    assert findings.counts["questions"] == findings.counts["whole answers"] == 20


def test_a_question_that_was_never_taken_is_lost() -> None:
    builder = Builder()
    builder.answer(builder.ask("Question 1?"))
    builder.ask("Question 2?")
    found = breaches(builder)
    assert list(found) == ["lost"]
    assert found["lost"][0].question == "Question 2?"
    assert "never taken" in found["lost"][0].detail


def test_a_taken_question_without_an_answer_is_lost() -> None:
    builder = Builder()
    turn = builder.take(builder.ask("Question 1?"))
    assert [one.turn for one in breaches(builder)["lost"]] == [turn.id]


def test_half_an_answer_is_lost_and_told_as_half() -> None:
    builder = Builder()
    _, messages = builder.answer(builder.ask(long_question()))
    replaced(builder, -1, text=messages[-1].text[:-1])
    [lost] = breaches(builder)["lost"]
    length = len(answer_to(lost.question))
    assert f"{length - 1} of the answer's {length} characters" in lost.detail
    assert lost.asked == f"{builder.questions[0].id} in dm of alice"
    assert lost.messages == tuple(one.id for one in messages)


@pytest.mark.parametrize("at", [0, 1, -1])
def test_an_answer_that_lacks_a_part_nobody_deleted_is_lost(at: int) -> None:
    builder = Builder()
    question = builder.ask(long_question())
    turn, messages = builder.answer(question)
    gone = messages[at]
    builder.messages.remove(gone)
    found = breaches(builder)
    assert set(found) == {"lost", "orphans"}  # and the store speaks of a part that is not there
    assert found["orphans"][0].turn == turn.id


def test_one_wrong_letter_is_a_lost_answer() -> None:
    builder = Builder()
    _, messages = builder.answer(builder.ask(long_question()))
    text = messages[1].text
    replaced(builder, 1, text=text[:200] + "#" + text[201:])
    assert set(breaches(builder)) == {"lost"}


def test_text_besides_the_answer_is_a_lost_answer() -> None:
    builder = Builder()
    _, messages = builder.answer(builder.ask("Question 1?"))
    replaced(builder, -1, text=messages[-1].text + "\n\nAnd more.")
    assert set(breaches(builder)) == {"lost"}


def test_the_answer_to_another_question_is_a_lost_answer() -> None:
    builder = Builder()
    question, other = builder.ask("Question 1?"), builder.ask("Question 2?")
    builder.answer(question)
    _, messages = builder.answer(other)
    replaced(builder, -len(messages), text=builder.messages[0].text)
    assert "lost" in breaches(builder)


def test_an_answer_to_the_question_as_edited_is_right() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    question.versions.append("Question 1? And when?")
    builder.answer(question)
    assert breaches(builder) == {}


def test_two_answers_to_one_question_are_doubled() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    _, first = builder.answer(question)
    _, second = builder.answer(question)
    [doubled] = breaches(builder)["doubled"]
    assert doubled.question == "Question 1?"
    assert set(doubled.messages) == {one.id for one in (*first, *second)}


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_part_that_stands_twice_is_doubled(is_recorded: bool) -> None:
    builder = Builder()
    question = builder.ask(long_question())
    turn, messages = builder.answer(question)
    again = builder.post(question, messages[1].text, messages[1].claim)
    if is_recorded:
        builder.record(turn, again.key)
    [doubled] = breaches(builder)["doubled"]
    assert set(doubled.messages) == {messages[1].id, again.id}


def test_a_half_part_that_was_posted_again_whole_is_doubled() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    turn = builder.take(question)
    half = builder.post(question, "You asked: Que", (turn.id[:20], 0))
    whole, *_ = [builder.say(question, turn, "You asked: Question 1?", 0)]
    [doubled] = breaches(builder)["doubled"]
    assert set(doubled.messages) == {half.id, whole.id}


def test_a_second_answer_that_no_turn_owns_up_to_is_doubled_by_its_text() -> None:
    builder = Builder()
    question = builder.ask("Question 1?", platform="slack", channel="general")
    _, messages = builder.answer(question)
    stray = builder.post(question, messages[0].text, None)
    found = breaches(builder)
    assert set(found) == {"doubled", "orphans"}
    assert found["orphans"][0].messages == (stray.id,)
    assert found["orphans"][0].question == "Question 1?"


def test_a_message_without_a_turn_is_an_orphan() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    builder.answer(question)
    stray = builder.post(question, "Good morning, everybody.", None)
    found = breaches(builder)
    assert list(found) == ["orphans"]
    assert found["orphans"][0].messages == (stray.id,)


def test_a_part_that_the_store_does_not_know_is_an_orphan() -> None:
    builder = Builder()
    _, messages = builder.answer(builder.ask(long_question()))
    del builder.answered_by[messages[1].key]
    found = breaches(builder)
    assert list(found) == ["orphans"]
    assert found["orphans"][0].messages == (messages[1].id,)


def test_a_turn_that_answers_what_nobody_asked_is_an_orphan() -> None:
    builder = Builder()
    chatter = builder.ask("Has anybody seen my umbrella?")
    turn, _ = builder.answer(chatter)
    builder.questions.clear()
    assert [one.turn for one in breaches(builder)["orphans"]] == [turn.id]


@pytest.mark.parametrize(
    ("shown", "stored", "is_right"),
    [
        (("👍",), 1, True),
        (("👎",), -1, True),
        (("👍", "👎"), 0, True),
        (("👍🏽",), 1, True),
        (("🎉",), None, True),
        ((), None, True),
        (("👍",), None, False),
        (("👍",), -1, False),
        (("👍", "👎"), 1, False),
        (("👍", "👎"), None, False),
        (("🎉",), 1, False),
        ((), 1, False),
        ((), 0, False),
    ],
)
def test_a_vote_must_be_what_the_reactions_add_up_to(
    shown: tuple[str, ...], stored: int | None, is_right: bool
) -> None:
    builder = Builder()
    turn, messages = builder.answer(builder.ask(long_question()))
    # Spread over the parts, and noise of somebody else beside it.
    for part, emoji in enumerate(shown):
        replaced(builder, part, reactions={"bob": (emoji,), "carol": ("👍",)})
    builder.votes[turn.id] = {"carol": 1} if shown else {}
    if stored is not None:
        builder.votes[turn.id]["bob"] = stored
    found = breaches(builder)
    if is_right:
        assert found == {}
    else:
        [wrong] = found["wrong_votes"]
        assert (wrong.turn, wrong.messages) == (turn.id, tuple(one.id for one in messages))
        assert "bob" in wrong.detail


@pytest.mark.parametrize("status", ["waiting", "running", "nonsense"])
def test_a_turn_that_has_not_ended_is_stuck(status: str) -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    turn, _ = builder.answer(question)
    kept = builder.turns[0]
    builder.turns[0] = StoredTurn(kept.id, kept.question, kept.text, status, kept.parts)
    assert [one.turn for one in breaches(builder)["stuck"]] == [turn.id]


def test_an_entry_left_in_the_inbox_is_stuck() -> None:
    builder = Builder()
    builder.num_waiting = 2
    assert "2 entries" in breaches(builder)["stuck"][0].detail


def test_a_message_that_still_streams_is_stuck() -> None:
    builder = Builder()
    builder.answer(builder.ask("Question 1?", platform="slack"))
    replaced(builder, 0, is_streaming=True)
    assert list(breaches(builder)) == ["stuck"]


@pytest.mark.parametrize("has_turn", [True, False])
def test_a_refusal_is_no_answer_and_no_loss(has_turn: bool) -> None:
    builder = Builder()
    question = builder.ask("Question 1?", platform="slack", channel="general")
    note = "_Too many questions are waiting right now._"
    if has_turn:
        builder.say(question, builder.take(question, status="failed"), note)
    else:
        builder.post(question, note, ("", 0))
    found = breaches(builder)
    assert list(found) == ["refused"]
    assert note in found["refused"][0].detail


def test_an_interrupted_answer_is_a_refusal() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    turn = builder.take(question, status="interrupted")
    builder.say(question, turn, "You asked: Ques\n\n_I was interrupted here. Please ask again._")
    assert list(breaches(builder)) == ["refused"]


def test_a_deleted_question_may_stay_without_an_answer() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    question.is_deleted = True
    builder.take(question, status="withdrawn")
    findings = audit(builder.world())
    assert findings.breaches == ()
    assert findings.counts["deleted questions"] == 1


def test_a_deleted_question_with_two_answers_is_doubled_all_the_same() -> None:
    builder = Builder()
    question = builder.ask("Question 1?")
    builder.answer(question)
    builder.answer(question)
    question.is_deleted = True
    assert list(breaches(builder)) == ["doubled"]


def test_a_part_that_was_deleted_on_purpose_may_lack_but_only_so_many() -> None:
    builder = Builder()
    for _ in range(2):
        question = builder.ask(long_question(), channel="general")
        _, messages = builder.answer(question)
        builder.messages.remove(messages[1])
    builder.deletions["discord", "general"] = 2
    findings = audit(builder.world())
    assert findings.breaches == ()
    assert findings.counts["answers with a deleted part"] == 2
    builder.deletions["discord", "general"] = 1
    assert breaches(builder)["orphans"]
    builder.deletions = {("discord", "random"): 2}  # another channel's excuse no channel else
    assert set(breaches(builder)) == {"lost", "orphans"}


def test_whoever_reacted_to_a_deleted_part_is_not_judged_and_everybody_else_is() -> None:
    builder = Builder()
    turn, messages = builder.answer(builder.ask(long_question(), channel="general"))
    builder.messages.remove(messages[0])
    builder.deletions["discord", "general"] = 1
    builder.touched[messages[0].key] = {"bob"}
    builder.votes[turn.id] = {"bob": 1}
    assert breaches(builder) == {}
    builder.votes[turn.id] = {"carol": 1}
    assert list(breaches(builder)) == ["wrong_votes"]


def test_a_vote_is_the_sum_of_signs() -> None:
    assert vote_of(["👍", "👍🏿", "🎉"]) == 1
    assert vote_of(["-1"]) == -1
    assert vote_of(["+1", "thumbsdown"]) == 0
    assert vote_of(["heart"]) is None
