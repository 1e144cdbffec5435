"""How many threads a step gets: the settings, the machine, and who else wants its CPUs."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.engine.threads import Crew, Sample, cgroup_cpus, threads_for

_STEP_S = 0.1


def run(crew: Crew, seconds: float, *, busy: float, idle: float = 0.0) -> list[int]:
    """Steps of a tenth of a second in which the process has `busy` CPUs and `idle` CPUs stand
    still: the number of threads of each."""
    used = []
    for _ in range(round(seconds / _STEP_S)):
        used.append(crew.num)
        share = min(busy, crew.num)
        crew.observe(Sample(_STEP_S, share * _STEP_S, idle * _STEP_S))
    return used


def test_one_cpu_is_left_to_the_event_loop_where_there_are_three() -> None:
    assert [threads_for(n, None) for n in (1, 2, 3, 16)] == [1, 2, 2, 15]
    assert threads_for(16, 4.0) == 3
    assert threads_for(16, 0.5) == 1


def test_a_quota_of_the_control_group_is_read() -> None:
    assert cgroup_cpus("max 100000\n") is None
    assert cgroup_cpus("150000 100000\n") == 1.5


def test_a_crew_alone_on_the_machine_stays_whole() -> None:
    assert set(run(Crew(4), 10, busy=3.9)) == {4}


def test_a_crew_shrinks_to_the_cpus_that_it_had() -> None:
    crew = Crew(4)
    assert run(crew, 0.2, busy=2.1) == [4, 2]
    assert run(crew, 10, busy=1.9) == [2] * 100


def test_a_crew_grows_again_when_cpus_stand_idle() -> None:
    crew = Crew(2)
    run(crew, 0.1, busy=1.0)
    assert crew.num == 1
    assert set(run(crew, 5, busy=1.0, idle=0.1)) == {1}
    run(crew, 0.6, busy=2.0, idle=1.0)
    assert crew.num == 2


def test_a_crew_that_grew_in_error_waits_longer_each_time() -> None:
    crew = Crew(2)
    used = run(crew, 120, busy=1.0, idle=1.0)  # it stands idle only while the crew is small
    pauses = [len(list(steps)) for num, steps in itertools.groupby(used) if num == 1]
    assert pauses[:4] == sorted(pauses[:4])
    assert max(pauses) == round(30 / _STEP_S)
    assert used.count(2) < 20


def test_a_crew_that_was_right_to_grow_is_soon_whole_again_the_next_time() -> None:
    crew = Crew(2)
    run(crew, 100, busy=1.0, idle=1.0)
    run(crew, 60, busy=2.0, idle=1.0)
    assert crew.num == 2
    run(crew, 0.1, busy=1.0)
    assert 2 in run(crew, 1, busy=2.0, idle=1.0)


def test_one_thread_is_always_left() -> None:
    assert run(Crew(1), 1, busy=0.2) == [1] * 10
    assert set(run(Crew(3), 5, busy=0.1)[1:]) == {1}


def test_steps_too_short_to_tell_are_looked_at_together() -> None:
    crew = Crew(2)
    for _ in range(4):
        assert crew.observe(Sample(0.01, 0.01, 0.0)) == 2
    assert crew.observe(Sample(0.01, 0.01, 0.0)) == 1


def test_a_sample_tells_what_passed_since_another() -> None:
    before = Sample.now(with_idle=True)
    sum(range(300_000))
    passed = Sample.now(with_idle=True) - before
    assert passed.busy_s > 0
    assert 0 < passed.wall_s < 60
    assert passed.idle_s >= 0
    assert Sample.now(with_idle=False).idle_s == 0


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is Linux's")
@pytest.mark.parametrize(
    ("own", "expected"), [({}, "True"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "False")]
)
def test_threads_spin_unless_the_environment_says_otherwise(
    own: dict[str, str], expected: str
) -> None:
    code = "import bot.engine; from bot.engine.threads import spins; print(spins())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=own,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == expected, done.stderr


def test_idle_time_counts_only_the_cpus_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = Sample.now(with_idle=True).idle_s
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert 0 < Sample.now(with_idle=True).idle_s <= everywhere
