"""Which armed fault hits what, how often, and what the ledger keeps; no world, no sockets."""

import pytest

from adapters.sandbox.errors import ControlError
from adapters.sandbox.faults import MAX_ARMED, Fault, Faults, Kind, Passing

KINDS = {
    "late": Kind(about="", sites=frozenset({"event"}), seconds=1.5),
    "refuse": Kind(about="", sites=frozenset({"call"}), variants=("a", "b"), refuses=True),
    "refuse_too": Kind(about="", sites=frozenset({"call"}), refuses=True),
    "one_method": Kind(about="", sites=frozenset({"call"}), names=("edit",)),
    "act": Kind(about="", sites=frozenset({"event", "call"}), code=4000, is_act=True),
}


class World:
    """Faults over two events and two calls; notes the acts, which fail while `empty`."""

    def __init__(self) -> None:
        self.empty = False
        self.acts: list[tuple[Fault, str | None]] = []
        self.changes = 0
        self.faults = Faults(
            KINDS,
            events=("said", "reacted"),
            perform=self.perform,
            clock=lambda: 7.0,
            changed=self.changed,
        )
        self.faults.know_calls(("post", "edit"))

    def perform(self, fault: Fault, channel: str | None) -> None:
        if self.empty:
            raise ControlError("nothing there")
        self.acts.append((fault, channel))
        # What an act causes passes too.
        self.faults.strike("event", Passing("said", channel))

    def changed(self) -> None:
        self.changes += 1

    def hit(self, name: str = "said", channel: str | None = "general") -> list[str]:
        """The kinds that hit an event or a call of that name."""
        site = "event" if name in ("said", "reacted") else "call"
        return list(self.faults.strike(site, Passing(name, channel)))  # type: ignore[arg-type]


def test_a_fault_strikes_once_unless_told_otherwise() -> None:
    world = World()
    world.faults.arm(Fault(kind="late"))
    assert [world.hit() for _ in range(3)] == [["late"], [], []]
    world.faults.arm(Fault(kind="late", times=2, skip=1))
    assert [world.hit() for _ in range(4)] == [[], ["late"], ["late"], []]
    world.faults.arm(Fault(kind="late", times=None))
    assert all(world.hit() for _ in range(50))
    assert world.faults.num_fired == 53


def test_a_fault_strikes_only_what_it_is_aimed_at() -> None:
    world = World()
    world.faults.arm(Fault(kind="late", on="reacted", channel="random"))
    assert world.hit("said", "random") == []
    assert world.hit("reacted", "general") == []
    assert world.hit("reacted", None) == []
    assert world.faults.strike("ack", Passing("reacted", "random")) == {}
    assert world.hit("reacted", "random") == ["late"]


def test_a_kind_for_one_method_strikes_no_other() -> None:
    world = World()
    world.faults.arm(Fault(kind="one_method"))
    assert world.hit("post") == []
    assert world.hit("edit") == ["one_method"]
    with pytest.raises(ControlError, match="one_method has no target 'post'"):
        world.faults.arm(Fault(kind="one_method", on="post"))


def test_only_one_refusal_is_used_up_by_a_call() -> None:
    world = World()
    world.faults.arm(Fault(kind="refuse_too"))
    world.faults.arm(Fault(kind="refuse", variant="b"))
    world.faults.arm(Fault(kind="one_method"))
    assert world.hit("edit") == ["refuse_too", "one_method"]
    struck = world.faults.strike("call", Passing("edit"))
    assert struck == {"refuse": Fault(kind="refuse", variant="b")}


def test_options_that_were_left_open_take_the_kinds_defaults() -> None:
    world = World()
    world.faults.arm(Fault(kind="late"))
    assert world.faults.strike("event", Passing("said"))["late"].seconds == 1.5
    world.faults.arm(Fault(kind="refuse"))
    assert world.faults.strike("call", Passing("post"))["refuse"].variant == "a"


def draws(seed: int, channels: str) -> dict[str, list[bool]]:
    """What a chance of a half hits in each channel, the channels passing in that order."""
    world = World()
    world.faults.arm(Fault(kind="late", times=None, probability=0.5, seed=seed))
    found: dict[str, list[bool]] = {}
    for channel in channels:
        found.setdefault(channel, []).append(bool(world.hit("said", channel)))
    return found


def test_chance_is_the_same_under_a_seed_however_channels_are_interleaved() -> None:
    first = draws(3, "ab" * 40)
    assert first == draws(3, "a" * 40 + "b" * 40)
    assert first != draws(4, "ab" * 40)
    assert first["a"] != first["b"]
    assert 10 < sum(first["a"]) < 30


def test_an_act_without_a_target_happens_at_once() -> None:
    world = World()
    world.faults.arm(Fault(kind="act", channel="random"))
    assert [(fault.code, channel) for fault, channel in world.acts] == [(4000, None)]
    assert world.faults.armed == ()
    (struck,) = world.faults.fired
    assert (struck.site, struck.name, struck.channel, struck.at) == ("now", None, "random", 7.0)
    for change in ({"times": 2}, {"times": None}, {"skip": 1}, {"probability": 0.5}):
        with pytest.raises(ControlError, match="act happens at once"):
            world.faults.arm(Fault(kind="act", **change))


def test_an_act_with_a_target_happens_when_that_passes() -> None:
    world = World()
    world.faults.arm(Fault(kind="act", on="edit", code=4009))
    assert world.hit("post") == []
    assert world.hit("edit") == []
    assert [(fault.code, channel) for fault, channel in world.acts] == [(4009, "general")]


def test_an_act_that_finds_nothing_is_not_used_up() -> None:
    world = World()
    world.empty = True
    with pytest.raises(ControlError, match="nothing there"):
        world.faults.arm(Fault(kind="act"))
    world.faults.arm(Fault(kind="act", on="edit"))
    world.hit("edit")
    assert (world.acts, world.faults.num_fired, len(world.faults.armed)) == ([], 0, 1)
    world.empty = False
    world.hit("edit")
    assert (len(world.acts), len(world.faults.armed)) == (1, 0)


def test_what_an_act_causes_is_not_struck() -> None:
    world = World()
    world.faults.arm(Fault(kind="act", on="said", times=None))
    world.faults.arm(Fault(kind="late"))
    assert world.hit() == ["late"]
    assert len(world.acts) == 1


def test_faults_are_listed_taken_back_and_cleared_and_the_ledger_stays() -> None:
    world = World()
    first, second = (world.faults.arm(Fault(kind="late", times=3)) for _ in range(2))
    world.hit()
    world.faults.disarm(first)
    assert [one.id for one in world.faults.armed] == [second]
    with pytest.raises(ControlError, match=f"fault {first} is not armed"):
        world.faults.disarm(first)
    world.faults.clear()
    assert world.faults.armed == ()
    assert [struck.fault for struck in world.faults.fired] == [first]
    assert world.changes == 5


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault(kind="none"), "kind: 'none' is unknown; allowed: late, refuse"),
        (Fault(kind="late", on="post"), "on: late has no target 'post'"),
        (Fault(kind="late", variant="a"), "variant: late has no such option"),
        (Fault(kind="refuse", variant="c"), "variant: 'c' is unknown; allowed: a, b"),
        (Fault(kind="refuse", seconds=1.0), "seconds: refuse has no such option"),
        (Fault(kind="late", code=4000), "code: late has no such option"),
    ],
)
def test_what_a_kind_does_not_know_is_refused(fault: Fault, line: str) -> None:
    with pytest.raises(ControlError) as refused:
        World().faults.arm(fault)
    assert str(refused.value).startswith(line)


def test_faults_can_not_be_armed_without_end() -> None:
    world = World()
    for _ in range(MAX_ARMED):
        world.faults.arm(Fault(kind="late"))
    with pytest.raises(ControlError, match="faults are armed already"):
        world.faults.arm(Fault(kind="late"))
