"""How many threads a step gets: the settings, the machine, and who else wants its CPUs."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bot.engine.threads import Crew, Sample, cgroup_cpus, on_own_thread, threads_for
from tests.waiting import until

_STEP_S = 0.1


def run(crew: Crew, seconds: float, *, cpus: float, used: float | None = None) -> list[int]:
    """Steps of a tenth of a second in which `cpus` are there for the process, which uses as many
    as it has threads, or `used`: the number of threads of each."""
    numbers = []
    for _ in range(round(seconds / _STEP_S)):
        numbers.append(crew.num)
        busy = min(cpus, crew.num if used is None else used)
        crew.observe(Sample(_STEP_S, busy * _STEP_S, (cpus - busy) * _STEP_S))
    return numbers


def run_misled(crew: Crew, seconds: float) -> list[int]:
    """The same on two CPUs, one of which stands idle only while the crew leaves it."""
    return [
        one
        for _ in range(round(seconds / _STEP_S))
        for one in run(crew, _STEP_S, cpus=2.0 if crew.num == 1 else 1.0)
    ]


def test_one_cpu_is_left_to_the_event_loop_where_there_are_three() -> None:
    assert [threads_for(n, None) for n in (1, 2, 3, 16)] == [1, 2, 2, 15]
    assert threads_for(16, 4.0) == 3
    assert threads_for(16, 0.5) == 1


def test_a_quota_of_the_control_group_is_read() -> None:
    assert cgroup_cpus("max 100000\n") is None
    assert cgroup_cpus("150000 100000\n") == 1.5


def test_a_crew_alone_on_the_machine_stays_whole() -> None:
    assert set(run(Crew(4), 10, cpus=3.9)) == {4}


def test_a_crew_that_leaves_cpus_idle_stays_whole() -> None:
    assert set(run(Crew(2), 10, cpus=2.0, used=1.1)) == {2}


def test_a_crew_shrinks_to_the_cpus_that_others_leave() -> None:
    crew = Crew(4)
    assert run(crew, 0.2, cpus=2.1) == [4, 2]
    assert run(crew, 10, cpus=1.9) == [2] * 100


def test_a_crew_grows_again_when_cpus_stand_idle() -> None:
    crew = Crew(2)
    run(crew, 0.1, cpus=1.0)
    assert crew.num == 1
    assert set(run(crew, 5, cpus=1.1)) == {1}
    run(crew, 1.1, cpus=2.0)
    assert crew.num == 2


def test_a_crew_that_grew_in_error_waits_longer_each_time() -> None:
    used = run_misled(Crew(2), 120)
    pauses = [len(list(steps)) for num, steps in itertools.groupby(used) if num == 1]
    assert pauses[:4] == sorted(pauses[:4])
    assert max(pauses) == round(30 / _STEP_S)
    assert used.count(2) < 20


def test_a_crew_that_was_right_to_grow_is_soon_whole_again_the_next_time() -> None:
    crew = Crew(2)
    run_misled(crew, 100)
    run(crew, 70, cpus=2.0)
    assert crew.num == 2
    run(crew, 0.1, cpus=1.0)
    assert crew.num == 1
    assert 2 in run(crew, 1, cpus=2.0)


def test_one_thread_is_always_left() -> None:
    assert run(Crew(1), 1, cpus=0.2) == [1] * 10
    assert set(run(Crew(3), 5, cpus=0.1)[1:]) == {1}


def test_steps_too_short_to_tell_are_looked_at_together() -> None:
    crew = Crew(2)
    for _ in range(4):
        assert crew.observe(Sample(0.01, 0.01, 0.0)) == 2
    assert crew.observe(Sample(0.01, 0.01, 0.0)) == 1


def test_a_sample_tells_what_passed_since_another() -> None:
    before = Sample.now()
    sum(range(300_000))
    passed = Sample.now() - before
    assert passed.busy_s > 0
    assert 0 < passed.wall_s < 60
    assert passed.idle_s >= 0


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
    everywhere = Sample.now().idle_s
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert 0 < Sample.now().idle_s <= everywhere


async def test_a_thread_of_ones_own_ends_with_its_work() -> None:
    assert (await on_own_thread(threading.current_thread)).name.startswith("own")
    await until(lambda: not any(one.name.startswith("own") for one in threading.enumerate()))
    with pytest.raises(ZeroDivisionError):
        await on_own_thread(lambda: 1 // 0)
