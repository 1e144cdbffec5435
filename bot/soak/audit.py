"""The audit: from what people did, what stands on the platforms and what is stored, to findings.

Pure, and suspicious of the bot: what a message belongs to is asked of the store, of what the bot
sent along with it, and of its text. A breach names the question, the messages and the turn.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from bot.feedback.signal import sign_of
from bot.soak.answers import answer_to
from bot.soak.diary import MessageKey, Question
from bot.soak.findings import Breach, BreachKind, Findings, World
from bot.soak.sandbox import Message, Place
from bot.soak.store import StoredTurn
from bot.soak.texts import differs_at, holds_in_order, is_piece, is_whole, without_note

END_STATES: Final = frozenset({"done", "stopped", "failed", "interrupted", "withdrawn"})

_CLAIM_LENGTH: Final = 12
"""Characters of a turn's id that a message must name to belong to it; a nonce has room for 20."""


def audit(world: World) -> Findings:
    """Compare what should be with what is."""
    return _Audit(world).run()


def vote_of(emoji: Iterable[str]) -> int | None:
    """The vote that one person's reactions on one answer add up to; None is no vote."""
    signs = {sign for one in emoji if (sign := sign_of(one))}
    if not signs:
        return None
    return 0 if len(signs) == 2 else 1 if "+" in signs else -1


class _Audit:
    """One pass over a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._breaches: list[Breach] = []
        self._counts: Counter[str] = Counter()
        self._left = Counter(world.deletions)
        self._messages = {one.key: one for one in world.messages}
        self._turns: dict[MessageKey, list[StoredTurn]] = {}
        for turn in world.stored.turns:
            self._turns.setdefault(turn.question, []).append(turn)
        # The messages of each turn's answer: by the store, and else by what came with them.
        self._answers: dict[str, list[Message]] = {turn.id: [] for turn in world.stored.turns}
        self._gone: dict[str, list[MessageKey]] = {}
        self._past: dict[str, list[MessageKey]] = {}
        self._notices: dict[MessageKey, list[Message]] = {}
        self._strays: dict[MessageKey, list[Message]] = {}

    def run(self) -> Findings:
        self._attribute()
        for question in self._world.questions:
            self._question(question)
        for turn in self._world.stored.turns:
            self._turn(turn)
        if self._world.stored.num_waiting:
            number = self._world.stored.num_waiting
            self._breaches.append(Breach("stuck", "", f"{number} entries are left in the inbox"))
        return Findings(tuple(self._breaches), dict(self._counts))

    def _attribute(self) -> None:
        """Find the turn of each of the bot's messages; what has none is a notice or an orphan."""
        recorded = self._world.stored.answered_by
        for part, turn_id in recorded.items():
            if part not in self._messages:
                self._past.setdefault(turn_id, []).append(part)
        asked = {question.key for question in self._world.questions}
        for turn in self._world.stored.turns:
            if gone := [part for part in turn.parts if part not in self._messages]:
                self._gone[turn.id] = gone
            if turn.question not in asked:
                self._breach("orphans", None, "the turn answers nothing that was asked", turn)
        for message in sorted(self._messages.values(), key=_age):
            if not message.by_bot:
                continue
            self._counts["messages of the bot"] += 1
            if message.is_streaming:
                self._breach("stuck", None, "the message still streams", None, [message])
            known = recorded.get(message.key, "")
            if known in self._answers:
                self._answers[known].append(message)
                continue
            claimed = self._claimed(message)
            if claimed is not None:
                self._answers[claimed].append(message)
            self._unrecorded(message, claimed)

    def _claimed(self, message: Message) -> str | None:
        """The turn that a message was sent for, by what the bot sent along."""
        claim = message.claim[0] if message.claim else ""
        if len(claim) < _CLAIM_LENGTH:
            return None
        return next((turn for turn in self._answers if turn.startswith(claim)), None)

    def _unrecorded(self, message: Message, turn_id: str | None) -> None:
        body, note = without_note(message.text)
        if turn_id is None and note and not body:
            question = self._noticed(message)
            if question is not None:
                self._notices.setdefault(question.key, []).append(message)
                return
        question = next((one for one in self._asked_at(message) if _speaks_to(one, message)), None)
        if turn_id is None and question is not None:
            self._strays.setdefault(question.key, []).append(message)
        self._breach("orphans", question, "no turn is stored for the message", None, [message])

    def _noticed(self, message: Message) -> Question | None:
        """The question that a notice without a turn is for."""
        asked = self._asked_at(message)
        named = {message.claim[0] if message.claim else "", message.reply_to, message.place.thread}
        return next((one for one in asked if one.id in named), asked[-1] if asked else None)

    def _asked_at(self, message: Message) -> list[Question]:
        """The questions that were asked before the message, where it stands."""
        return [
            question
            for question in self._world.questions
            if question.platform == message.platform
            and _answered_at(question) == message.place
            and _age_of(question.id) < _age(message)
        ]

    def _question(self, question: Question) -> None:
        self._counts["questions"] += 1
        turns = self._turns.get(question.key, [])
        answers = {turn.id: self._answers[turn.id] for turn in turns if self._answers[turn.id]}
        shown = [message for answer in answers.values() for message in answer]
        if len(answers) > 1:
            self._breach("doubled", question, "it has several answers", turns[0], shown)
        elif strays := self._strays.get(question.key):
            if shown or len(strays) > 1:
                self._breach("doubled", question, "it is answered besides", None, [*shown, *strays])
        elif twice := _twice(shown):
            self._breach("doubled", question, "a part stands twice", turns[0], twice)
        if question.is_deleted:
            self._counts["deleted questions"] += 1
            return
        if any(self._is_answered(question, answer) for answer in answers.values()):
            self._counts["whole answers"] += 1
            return
        turn = turns[0] if turns else None
        bodies = _bodies(shown)
        if turn is not None and self._is_damaged(question, turn, bodies):
            self._counts["answers with a deleted part"] += 1
        elif (shown and without_note(shown[-1].text)[1]) or self._notices.get(question.key):
            messages = shown or self._notices[question.key]
            said = without_note(messages[-1].text)[1]
            self._breach("refused", question, f"it got no answer, but: {said}", turn, messages)
        else:
            self._breach("lost", question, _what_is_there(question, turn, bodies), turn, shown)

    def _is_answered(self, question: Question, answer: Sequence[Message]) -> bool:
        texts = [message.text for message in answer]
        return any(is_whole(answer, texts) for answer in _answers(question))

    def _is_damaged(self, question: Question, turn: StoredTurn, bodies: Sequence[str]) -> bool:
        """Whether a part lacks that was deleted on purpose, and all else is there."""
        if not any(holds_in_order(answer, bodies) for answer in _answers(question)):
            return False
        where = question.platform, question.place.channel
        if self._gone.get(turn.id):
            return self._left[where] > 0  # counted with the turn
        if self._left[where] > 0 and turn.status in END_STATES:
            self._left[where] -= 1
            return True
        return False

    def _turn(self, turn: StoredTurn) -> None:
        self._counts["turns"] += 1
        if turn.status not in END_STATES:
            self._breach("stuck", None, f"the turn is {turn.status}", turn)
        channel = self._channel_of(turn)
        for platform, message in self._gone.get(turn.id, ()):
            if channel is not None and self._left[platform, channel] > 0:
                self._left[platform, channel] -= 1
                self._counts["deleted parts"] += 1
            else:
                detail = f"its part {message} does not exist"
                self._breach("orphans", None, detail, turn)
        self._votes(turn)

    def _votes(self, turn: StoredTurn) -> None:
        stored = self._world.stored.votes.get(turn.id, {})
        given: dict[str, list[str]] = {}
        shown = self._answers[turn.id]
        for message in shown:
            for person, emoji in message.reactions.items():
                given.setdefault(person, []).extend(emoji)
        # What stood under a message when it was deleted, nobody can look up any more.
        unsure = {
            person
            for part in self._past.get(turn.id, ())
            for person in self._world.touched.get(part, ())
        }
        for person in sorted({*given, *stored} - unsure):
            wanted, has = vote_of(given.get(person, ())), stored.get(person)
            self._counts["votes"] += wanted is not None
            if wanted != has:
                said = ", ".join(given.get(person, ())) or "nothing"
                detail = f"{person} shows {said}: the vote should be {wanted} and is {has}"
                self._breach("wrong_votes", None, detail, turn, shown)

    def _channel_of(self, turn: StoredTurn) -> str | None:
        found = self._messages.get(turn.question)
        if found is not None:
            return found.place.channel
        asked = (one for one in self._world.questions if one.key == turn.question)
        return next((one.place.channel for one in asked), None)

    def _breach(
        self,
        kind: BreachKind,
        question: Question | None,
        detail: str,
        turn: StoredTurn | None,
        messages: Sequence[Message] = (),
    ) -> None:
        platforms = [question.platform] if question else []
        platforms += [turn.question[0]] if turn else [one.platform for one in messages[:1]]
        self._breaches.append(
            Breach(
                kind=kind,
                platform=platforms[0] if platforms else "",
                detail=detail,
                question=question.text if question else turn.text if turn else "",
                asked=_asked(question, turn),
                turn=turn.id if turn else "",
                messages=tuple(one.id for one in messages),
            )
        )


def _asked(question: Question | None, turn: StoredTurn | None) -> str:
    """Where a question stands, for whoever looks for it."""
    if question is None:
        return turn.question[1] if turn else ""
    place = question.place
    where = [place.channel, place.person and f"of {place.person}", place.thread]
    return f"{question.id} in {' '.join(filter(None, where))}"


def _answered_at(question: Question) -> Place:
    """Where the answer to a question stands: on Slack in the thread that it begins."""
    place = question.place
    if question.platform == "slack" and place.thread is None:
        return replace(place, thread=question.id)
    return place


def _speaks_to(question: Question, message: Message) -> bool:
    body, _ = without_note(message.text)
    return any(is_piece(answer, body) for answer in _answers(question))


def _bodies(messages: Sequence[Message]) -> list[str]:
    bodies = [without_note(message.text)[0] for message in messages]
    return [body for body in bodies if body]


def _twice(messages: Sequence[Message]) -> list[Message]:
    """The messages that are one part of one answer, or that say the same."""
    claims = Counter(one.claim for one in messages if one.claim)
    texts = Counter(one.text for one in messages)
    return [one for one in messages if texts[one.text] > 1 or (one.claim and claims[one.claim] > 1)]


def _what_is_there(question: Question, turn: StoredTurn | None, bodies: Sequence[str]) -> str:
    if turn is None:
        return "it was never taken"
    if not bodies:
        return f"its turn is {turn.status}, and there is no answer"
    wanted = next((one for one in _answers(question) if one[:40] in bodies[0]), None)
    if wanted is None:
        return f"its turn is {turn.status}, with another text than the model's"
    at, found = differs_at(wanted, bodies)
    there = f"{at} of the answer's {len(wanted)} characters" + (
        f", then {found!r}" if found else ""
    )
    return f"its turn is {turn.status}, with {there}"


def _answers(question: Question) -> list[str]:
    """The right answers, the latest version's first."""
    return [answer_to(version) for version in reversed(question.versions)]


def _age(message: Message) -> float:
    return _age_of(message.id)


def _age_of(message: str) -> float:
    """Ids of both platforms grow with time, each of them a number."""
    return float(message)
