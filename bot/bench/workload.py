"""What is asked: chat prompts of set lengths, the same for every engine and on every machine.

Prompts are slices of one long text of common words, cut in tokens and set into the model's chat
template. Each pass has prompts of its own, so that no server answers from what it has seen.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

Prompt = tuple[int, ...] | str
"""Token ids; or text, for a server that tells no token ids."""

_TEXT = (
    "about above across after again air all almost along also always animal answer any apple area "
    "around ask away back bad bank because bed been before began begin behind being below best "
    "better between big bird black blue boat body book both bottle box boy bread bring brother "
    "brown build busy buy call came can car care carry catch change chair child city class clean "
    "clear close cloud coat cold color come cook corn could country course cross cup cut dark day "
    "deep different do dog door down draw drink drive dry during each early earth east easy eat "
    "egg eight end enough even evening every eye face fact fall family far farm fast father feel "
    "feet few field find fine fire first fish five floor flower fly follow food foot forest form "
    "four free fresh friend from front fruit full game garden gave get girl give glass go gold "
    "good grass great green ground group grow half hand happy hard have head hear heart heavy help "
    "here high hill hold home horse hot hour house how hundred ice idea inside island just keep "
    "kind king kitchen knew know lake land large last late laugh learn leave left leg less letter "
    "life light like line list little live long look lost loud low made make many map mark market "
    "may mean meat meet milk mind minute money month moon more morning most mother mountain mouth "
    "move much music must name near need never new next night nine noise noon north nose note now "
    "number ocean off office often oil old once one only open orange order other our out over page "
    "paint paper part party people person picture piece place plain plan plant play point pond "
    "poor pretty problem pull push put question quick quiet rain ran reach read ready real red "
    "rest rice rich ride right ring river road rock roof room round row rule run sail salt same "
    "sand saw say school sea season seat second see seed seem sell send set seven shade shape ship "
    "shoe shop short should show side sign silver simple sing sister sit six size skin sky sleep "
    "slow small smell smile snow soft some song soon sound soup south space speak spring square "
    "stand star start station stay step still stone stop store storm story street strong study "
    "such sugar summer sun sure table tail take talk tall tea teach tell ten test than thank that "
    "then there thick thin thing think third three through time tiny today together told took top "
    "town train travel tree trip true try turn twelve two uncle under until use valley very visit "
    "voice wait walk wall want warm wash watch water wave way week well west wet wheel when where "
    "which white whole why wide wild wind window winter wish with without wood word work world "
    "write year yellow yes yet young your"
)
WORDS = _TEXT.split()

_POOL_WORDS = 24_000
"""Enough that two prompts that begin at the same word are rare."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked. Lengths in tokens; `decode_*` are those of the pure decode passes."""

    prompts: tuple[int, int]
    new_tokens: tuple[int, ...]
    most_requests: int
    rounds: int
    turns: int
    conversations: int
    words_a_question: int
    turn_tokens: int
    decode_prompt: int
    decode_tokens: int
    measure_s: float

    def num_requests(self, chats: int) -> int:
        """Twice as many as are in flight, so that requests also join a running batch."""
        return max(chats, min(self.most_requests, max(3, 2 * chats)))

    @property
    def longest(self) -> int:
        """Tokens of the longest request, prompt and answer."""
        return self.prompts[1] + max(self.new_tokens)


FULL = Size(
    prompts=(97, 294),
    new_tokens=(64, 88, 112),
    most_requests=64,
    rounds=2,
    turns=20,
    conversations=3,
    words_a_question=24,
    turn_tokens=24,
    decode_prompt=128,
    decode_tokens=96,
    measure_s=2.0,
)

QUICK = Size(
    prompts=(48, 96),
    new_tokens=(8, 12, 16),
    most_requests=1,
    rounds=1,
    turns=20,
    conversations=1,
    words_a_question=8,
    turn_tokens=4,
    decode_prompt=48,
    decode_tokens=32,
    measure_s=0.2,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a prompt, and how long its answer is to be, in tokens."""

    prompt: Prompt
    new_tokens: int


def dice(seed: int, *what: object) -> random.Random:
    """Random numbers for one purpose, the same at each call and on every machine."""
    return random.Random(":".join(map(str, (seed, *what))))  # noqa: S311 -- no secret


def text(dice: random.Random, num_words: int) -> str:
    """So many common words."""
    return " ".join(dice.choice(WORDS) for _ in range(num_words))


def pool(seed: int) -> str:
    """The long text that prompts are cut from."""
    return text(dice(seed, "pool"), _POOL_WORDS)


def frame(one: Sequence[int], other: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What stands before and after the text in two chats that differ in nothing else."""
    before = _same(one, other)
    shorter = min(len(one), len(other)) - before
    after = min(shorter, _same(one[::-1], other[::-1]))
    return tuple(one[:before]), tuple(one[len(one) - after :])


def _same(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))


@dataclass(frozen=True, slots=True)
class Speller:
    """Makes prompts of exactly so many tokens; of about so many words where `pool` is None."""

    before: tuple[int, ...] = ()
    pool: tuple[int, ...] | None = None
    after: tuple[int, ...] = ()

    def prompt(self, dice: random.Random, length: int) -> Prompt:
        """A prompt of `length` tokens; of a few more where the template alone takes that many."""
        if self.pool is None:
            return text(dice, length)
        inside = max(1, length - len(self.before) - len(self.after))
        start = dice.randrange(len(self.pool) - inside)
        return (*self.before, *self.pool[start : start + inside], *self.after)

    def questions(self, dice: random.Random, size: Size, count: int) -> list[Question]:
        """`count` questions whose lengths are spread evenly over the size's range, shuffled."""
        low, high = size.prompts
        lengths = [low + round((high - low) * n / max(1, count - 1)) for n in range(count)]
        if count == 1:
            lengths = [(low + high) // 2]
        dice.shuffle(lengths)
        return [
            Question(self.prompt(dice, length), size.new_tokens[n % len(size.new_tokens)])
            for n, length in enumerate(lengths)
        ]
