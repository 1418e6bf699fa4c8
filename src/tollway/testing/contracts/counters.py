"""What every `Counters` store must do.

Inherit `CountersContract` and give `counters`; inherit `SharedCountersContract` too for a store that
several processes share.
"""

# ruff: noqa: S101, D102 - a suite is made of assertions, and a test's name is its sentence

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.interfaces.counters import Admission, Counters, Window

MINUTE_US = 60_000_000
START_US = 1_767_225_600_000_000 + 12_345_678
"""Not at the start of a minute, so that aligned windows differ from the others."""


def _window(key: bytes = b"key", *, limit: int = 100, reserve: int = 10, aligned: bool = False) -> Window:
    return Window(key, MINUTE_US, limit, reserve, aligned)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.integers(0, 2), st.integers(0, 40)),
        st.tuples(st.just("settle"), st.integers(0, 5), st.integers(-40, 40)),
        st.tuples(st.just("wait"), st.integers(0, MINUTE_US), st.just(0)),
    ),
    max_size=40,
)


class CountersContract:
    """Semantics of one handle; a call is atomic, so the order of calls is every interleaving."""

    @pytest.fixture
    def counters(self) -> Counters:
        """Override: an empty store."""
        raise NotImplementedError

    def test_a_window_starts_at_first_use(self, counters: Counters) -> None:
        first = counters.admit([_window()], START_US)
        later = counters.admit([_window()], START_US + 5_000_000)
        assert first.states[0].start_us == START_US
        assert later.states[0].start_us == START_US
        assert later.states[0].used == 20
        assert later.states[0].remaining == 80

    def test_an_aligned_window_starts_at_a_multiple_of_its_length(self, counters: Counters) -> None:
        state = counters.admit([_window(aligned=True)], START_US).states[0]
        assert state.start_us % MINUTE_US == 0
        assert START_US - MINUTE_US < state.start_us <= START_US

    def test_a_call_may_pass_the_limit_by_its_own_size_and_the_next_is_refused(self, counters: Counters) -> None:
        over = counters.admit([_window(limit=5, reserve=50)], START_US)
        refused = counters.admit([_window(limit=5, reserve=1)], START_US)
        assert over.admitted
        assert over.states[0].used == 50
        assert over.states[0].remaining == 0
        assert not refused.admitted
        assert refused.refused_by == 0
        assert refused.states[0].used == 50

    def test_a_limit_of_zero_admits_nobody(self, counters: Counters) -> None:
        assert not counters.admit([_window(limit=0)], START_US).admitted

    def test_a_window_ends_exactly_after_its_length(self, counters: Counters) -> None:
        counters.admit([_window(limit=10)], START_US)
        assert not counters.admit([_window(limit=10)], START_US + MINUTE_US - 1).admitted
        again = counters.admit([_window(limit=10)], START_US + MINUTE_US)
        assert again.admitted
        assert again.states[0].start_us == START_US + MINUTE_US
        assert again.states[0].used == 10

    def test_several_windows_reserve_together(self, counters: Counters) -> None:
        admission = counters.admit([_window(b"a"), _window(b"b", reserve=3)], START_US)
        assert [state.used for state in admission.states] == [10, 3]

    @pytest.mark.parametrize("full", [0, 1, 2], ids=["first", "middle", "last"])
    def test_one_full_window_refuses_and_none_of_them_reserves(self, counters: Counters, full: int) -> None:
        keys = [b"a", b"b", b"c"]
        counters.admit([_window(keys[full], limit=1, reserve=1)], START_US)
        asked = [_window(key, limit=1 if n == full else 100) for n, key in enumerate(keys)]
        refused = counters.admit(asked, START_US)
        assert not refused.admitted
        assert refused.refused_by == full
        assert [state.used for state in refused.states] == [1 if n == full else 0 for n in range(3)]
        for n, key in enumerate(keys):
            after = counters.admit([_window(key, reserve=0)], START_US)
            assert after.states[0].used == (1 if n == full else 0)

    def test_no_windows_admit(self, counters: Counters) -> None:
        assert counters.admit([], START_US) == Admission(True, ())  # noqa: FBT003 - admitted
        assert counters.settle([], START_US) == ()

    def test_settling_adds_the_difference(self, counters: Counters) -> None:
        counters.admit([_window(b"a", reserve=10), _window(b"b", reserve=20)], START_US)
        after = counters.settle([(b"a", START_US, -7), (b"b", START_US, 5)], START_US + 1)
        assert after == (3, 25)
        assert counters.admit([_window(b"a", reserve=0)], START_US + 2).states[0].used == 3

    def test_settling_nothing_tells_what_is_used(self, counters: Counters) -> None:
        counters.admit([_window()], START_US)
        assert counters.settle([(b"key", START_US, 0)], START_US) == (10,)

    def test_settling_never_goes_below_zero(self, counters: Counters) -> None:
        counters.admit([_window(reserve=10)], START_US)
        assert counters.settle([(b"key", START_US, -1000)], START_US) == (0,)

    def test_settling_a_window_that_ended_changes_nothing(self, counters: Counters) -> None:
        counters.admit([_window()], START_US)
        assert counters.settle([(b"key", START_US, 30)], START_US + MINUTE_US) == (0,)
        fresh = counters.admit([_window()], START_US + MINUTE_US)
        assert fresh.states[0].used == 10
        assert counters.settle([(b"key", START_US, 30)], START_US + MINUTE_US) == (10,)
        assert counters.settle([(b"never seen", START_US, 30)], START_US) == (0,)

    def test_a_worker_whose_clock_is_a_little_behind_shares_the_window(self, counters: Counters) -> None:
        counters.admit([_window()], START_US)
        behind = counters.admit([_window()], START_US - 1000)
        assert behind.states[0].start_us == START_US
        assert behind.states[0].used == 20

    def test_a_clock_stepped_back_far_starts_a_new_window(self, counters: Counters) -> None:
        counters.admit([_window(limit=10)], START_US)
        assert counters.admit([_window(limit=10)], START_US - MINUTE_US).admitted

    def test_a_raised_limit_counts_at_once(self, counters: Counters) -> None:
        counters.admit([_window(limit=10)], START_US)
        assert counters.admit([_window(limit=11)], START_US).admitted

    @pytest.mark.parametrize(
        "keys",
        [
            pytest.param((b"", b"\0"), id="empty"),
            pytest.param((b"\0\xff", b"\xff\0"), id="any bytes"),
            pytest.param((b"k" * 511, b"k" * 512), id="around LMDB's own limit"),
            pytest.param((b"k" * 5000 + b"a", b"k" * 5000 + b"b"), id="long with one end"),
        ],
    )
    def test_keys_of_any_length_stay_apart(self, counters: Counters, keys: tuple[bytes, bytes]) -> None:
        counters.admit([_window(keys[0], reserve=1), _window(keys[1], reserve=2)], START_US)
        assert counters.settle([(keys[0], START_US, 0), (keys[1], START_US, 0)], START_US) == (1, 2)

    def test_ended_windows_are_swept_away(self, counters: Counters) -> None:
        for n in range(2000):
            counters.admit([_window(b"old %d" % n)], START_US)
        for n in range(2000):
            counters.admit([_window(b"new %d" % n)], START_US + MINUTE_US)
        for n in range(2000):
            assert counters.settle([(b"new %d" % n, START_US + MINUTE_US, 0)], START_US + MINUTE_US) == (10,)
        held = getattr(counters, "__len__", None)
        if held is not None:
            assert held() < 3000

    def test_every_interleaving_counts_exactly(self, counters: Counters) -> None:
        """Never more than the limit and one call in flight, and never a unit lost or made up."""
        limit = 60
        runs = iter(range(1_000_000))

        @settings(
            max_examples=60,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
        )
        @given(steps=_STEPS, aligned=st.booleans())
        def run(steps: list[tuple[str, int, int]], aligned: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
            run_number = next(runs)
            keys = [b"run %d key %d" % (run_number, n) for n in range(3)]
            model: dict[bytes, tuple[int, int]] = {}
            calls: list[tuple[bytes, int]] = []
            now_us = START_US
            for kind, which, units in steps:
                if kind == "wait":
                    now_us += which
                elif kind == "admit":
                    # The other key of the pair makes refusals by either window likely.
                    pair = (keys[which], keys[(which + 1) % 3])
                    asked = [_window(key, limit=limit, reserve=units, aligned=aligned) for key in pair]
                    before = [_running(model, key, now_us, aligned=aligned) for key in pair]
                    admission = counters.admit(asked, now_us)
                    assert admission.admitted == all(used < limit for _, used in before)
                    for key, (start, used), state in zip(pair, before, admission.states, strict=True):
                        assert state.start_us == start
                        assert state.used == used + units * admission.admitted
                        assert state.used < limit + max(units, 1) or not admission.admitted
                        if admission.admitted:
                            model[key] = (start, used + units)
                            calls.append((key, start))
                elif calls:
                    key, start = calls[which % len(calls)]
                    running, used = model[key]
                    live = now_us < running + MINUTE_US
                    if live and running == start:
                        used = max(0, used + units)
                        model[key] = (running, used)
                    assert counters.settle([(key, start, units)], now_us) == (used if live else 0,)

        run()


def _running(model: dict[bytes, tuple[int, int]], key: bytes, now_us: int, *, aligned: bool) -> tuple[int, int]:
    start, used = model.get(key, (now_us - MINUTE_US, 0))
    if start <= now_us < start + MINUTE_US:
        return start, used
    return (now_us - now_us % MINUTE_US if aligned else now_us), 0


class SharedCountersContract:
    """What a store shared by processes must do besides."""

    open_counters: ClassVar[Callable[[str], Counters]]
    """Opens the store kept at a place. Importable by name from another process."""

    PROCESSES: ClassVar[int] = 3

    def test_processes_together_admit_exactly_the_limit(self, tmp_path: Path) -> None:
        limit, reserve = 3001, 2
        workers = self._start(tmp_path, limit, reserve)
        admitted = [_finish(worker) for worker in workers]
        assert sum(admitted) == (limit + reserve - 1) // reserve

    def test_the_others_go_on_when_one_is_killed_in_the_middle(self, tmp_path: Path) -> None:
        limit, reserve = 40_000, 1
        workers = self._start(tmp_path, limit, reserve)
        victim, journal = workers[0]
        while journal.stat().st_size < 50:
            assert victim.is_alive()
            time.sleep(0.001)
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        killed_after = journal.stat().st_size
        admitted = killed_after + sum(_finish(worker) for worker in workers[1:])
        # The victim may have died between being admitted and noting it.
        assert limit - 1 <= admitted <= limit
        assert killed_after < limit

    def test_what_one_process_settles_another_sees(self, tmp_path: Path) -> None:
        here = type(self).open_counters(str(tmp_path / "store"))
        here.admit([_window(b"seen", reserve=10)], START_US)
        spawn = multiprocessing.get_context("spawn")
        mine, theirs = spawn.Pipe()
        other = spawn.Process(target=_settle, args=(type(self).open_counters, str(tmp_path / "store"), theirs))
        other.start()
        assert mine.recv() == (7,)
        other.join()
        assert here.settle([(b"seen", START_US, 0)], START_US) == (7,)

    def _start(self, tmp_path: Path, limit: int, reserve: int) -> list[tuple[SpawnProcess, Path]]:
        spawn = multiprocessing.get_context("spawn")
        workers: list[tuple[SpawnProcess, Path]] = []
        for n in range(self.PROCESSES):
            journal = tmp_path / f"journal-{n}"
            arguments = (type(self).open_counters, str(tmp_path / "store"), str(journal), limit, reserve)
            worker = spawn.Process(target=_take_all, args=arguments)
            worker.start()
            workers.append((worker, journal))
        while not all(journal.exists() for _, journal in workers):
            assert all(worker.is_alive() for worker, _ in workers)
            time.sleep(0.01)
        (tmp_path / "go").touch()
        return workers


def _finish(worker: tuple[SpawnProcess, Path]) -> int:
    process, journal = worker
    process.join()
    assert process.exitcode == 0
    return journal.stat().st_size


def _take_all(
    open_counters: Callable[[str], Counters],
    place: str,
    journal: str,
    limit: int,
    reserve: int,
) -> None:
    """Take until refused, with a byte in the journal for each call admitted."""
    counters = open_counters(place)
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not Path(place).with_name("go").exists():
        time.sleep(0.001)
    window = _window(b"shared", limit=limit, reserve=reserve)
    while counters.admit([window], START_US).admitted:
        os.write(file, b".")


def _settle(open_counters: Callable[[str], Counters], place: str, answer: Connection) -> None:
    answer.send(open_counters(place).settle([(b"seen", START_US, -3)], START_US))
