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

from tollway.interfaces.counters import NO_LIMIT, Admission, Counters, Window

MINUTE_US = 60_000_000
START_US = 1_767_225_600_000_000 + 12_345_678
"""Not at the start of a minute, so that aligned windows differ from the others."""


def _window(key: bytes = b"key", *, limit: int = 100, aligned: bool = False) -> Window:
    return Window(key, MINUTE_US, (limit, NO_LIMIT, NO_LIMIT), aligned)


def _admit(counters: Counters, window: Window, now_us: int = START_US, *, reserve: int = 10) -> Admission:
    return counters.admit([window], (reserve, 0, 0), now_us)


def _used(counters: Counters, key: bytes = b"key", now_us: int = START_US) -> int:
    return counters.settle([_window(key)], [0], (0, 0, 0), now_us)[0][0]


def _settle(counters: Counters, units: int, now_us: int = START_US, *, key: bytes = b"key") -> int:
    return counters.settle([_window(key)], [START_US], (units, 0, 0), now_us)[0][0]


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
        first = _admit(counters, _window(), START_US)
        later = _admit(counters, _window(), START_US + 5_000_000)
        assert first.starts == (START_US,)
        assert later.starts == (START_US,)
        assert later.used == ((20, 0, 0),)

    def test_an_aligned_window_starts_at_a_multiple_of_its_length(self, counters: Counters) -> None:
        start_us = _admit(counters, _window(aligned=True)).starts[0]
        assert start_us % MINUTE_US == 0
        assert START_US - MINUTE_US < start_us <= START_US

    def test_a_call_may_pass_the_limit_by_its_own_size_and_the_next_is_refused(self, counters: Counters) -> None:
        over = _admit(counters, _window(limit=5), reserve=50)
        refused = _admit(counters, _window(limit=5), reserve=1)
        assert over.admitted
        assert over.used == ((50, 0, 0),)
        assert not refused.admitted
        assert (refused.refused_by, refused.refused_amount) == (0, 0)
        assert refused.starts == (START_US,)
        assert refused.used == ((50, 0, 0),)

    def test_a_limit_of_zero_admits_nobody(self, counters: Counters) -> None:
        assert not _admit(counters, _window(limit=0)).admitted

    def test_a_window_ends_exactly_after_its_length(self, counters: Counters) -> None:
        _admit(counters, _window(limit=10))
        assert not _admit(counters, _window(limit=10), START_US + MINUTE_US - 1).admitted
        again = _admit(counters, _window(limit=10), START_US + MINUTE_US)
        assert again.admitted
        assert again.starts == (START_US + MINUTE_US,)
        assert again.used == ((10, 0, 0),)

    def test_several_windows_reserve_together(self, counters: Counters) -> None:
        admission = counters.admit([_window(b"a"), _window(b"b")], (10, 7, 3), START_US)
        assert admission.used == ((10, 7, 3), (10, 7, 3))

    @pytest.mark.parametrize("full", [0, 1, 2], ids=["first", "middle", "last"])
    def test_one_full_window_refuses_and_none_of_them_reserves(self, counters: Counters, full: int) -> None:
        keys = [b"a", b"b", b"c"]
        _admit(counters, _window(keys[full], limit=1), reserve=1)
        asked = [_window(key, limit=1 if n == full else 100) for n, key in enumerate(keys)]
        refused = counters.admit(asked, (10, 0, 0), START_US)
        assert not refused.admitted
        assert (refused.refused_by, refused.refused_amount) == (full, 0)
        assert refused.used == tuple((1 if n == full else 0, 0, 0) for n in range(3))
        assert len(refused.starts) == 3
        for n, key in enumerate(keys):
            assert _used(counters, key) == (1 if n == full else 0)

    @pytest.mark.parametrize("full", [0, 1, 2])
    def test_each_amount_has_a_limit_of_its_own(self, counters: Counters, full: int) -> None:
        limits = tuple(5 if n == full else NO_LIMIT for n in range(3))
        window = Window(b"key", MINUTE_US, (limits[0], limits[1], limits[2]))
        assert counters.admit([window], (5, 5, 5), START_US).admitted
        refused = counters.admit([window], (5, 5, 5), START_US)
        assert not refused.admitted
        assert (refused.refused_by, refused.refused_amount) == (0, full)
        assert refused.used == ((5, 5, 5),)

    def test_no_windows_admit(self, counters: Counters) -> None:
        assert counters.admit([], (1, 1, 1), START_US) == Admission(True, (), ())  # noqa: FBT003 - admitted
        assert counters.settle([], [], (1, 1, 1), START_US) == ()

    def test_settling_adds_the_difference(self, counters: Counters) -> None:
        windows = [_window(b"a"), _window(b"b")]
        admission = counters.admit(windows, (10, 20, 30), START_US)
        after = counters.settle(windows, admission.starts, (-7, 5, 0), START_US + 1)
        assert after == ((3, 25, 30), (3, 25, 30))
        assert counters.admit(windows, (0, 0, 0), START_US + 2).used == after

    def test_settling_nothing_tells_what_is_used(self, counters: Counters) -> None:
        _admit(counters, _window())
        assert _settle(counters, 0) == 10

    def test_settling_never_goes_below_zero(self, counters: Counters) -> None:
        counters.admit([_window()], (10, 20, 30), START_US)
        assert counters.settle([_window()], [START_US], (-1000, -1, -31), START_US) == ((0, 19, 0),)

    def test_settling_a_window_that_ended_changes_nothing(self, counters: Counters) -> None:
        _admit(counters, _window())
        assert _settle(counters, 30, START_US + MINUTE_US) == 0
        fresh = _admit(counters, _window(), START_US + MINUTE_US)
        assert fresh.used == ((10, 0, 0),)
        assert _settle(counters, 30, START_US + MINUTE_US) == 10
        assert _settle(counters, 30, key=b"never seen") == 0

    def test_a_worker_whose_clock_is_a_little_behind_shares_the_window(self, counters: Counters) -> None:
        _admit(counters, _window())
        behind = _admit(counters, _window(), START_US - 1000)
        assert behind.starts == (START_US,)
        assert behind.used == ((20, 0, 0),)

    def test_a_clock_stepped_back_far_starts_a_new_window(self, counters: Counters) -> None:
        _admit(counters, _window(limit=10))
        assert _admit(counters, _window(limit=10), START_US - MINUTE_US).admitted

    def test_a_raised_limit_counts_at_once(self, counters: Counters) -> None:
        _admit(counters, _window(limit=10))
        assert _admit(counters, _window(limit=11)).admitted

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
        _admit(counters, _window(keys[0]), reserve=1)
        _admit(counters, _window(keys[1]), reserve=2)
        assert [_used(counters, key) for key in keys] == [1, 2]

    def test_ended_windows_are_swept_away(self, counters: Counters) -> None:
        for n in range(2000):
            _admit(counters, _window(b"old %d" % n))
        for n in range(2000):
            _admit(counters, _window(b"new %d" % n), START_US + MINUTE_US)
        for n in range(2000):
            assert _used(counters, b"new %d" % n, START_US + MINUTE_US) == 10
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
                    asked = [_window(key, limit=limit, aligned=aligned) for key in pair]
                    before = [_running(model, key, now_us, aligned=aligned) for key in pair]
                    admission = counters.admit(asked, (units, 0, 0), now_us)
                    assert admission.admitted == all(used < limit for _, used in before)
                    after = zip(pair, before, admission.starts, admission.used, strict=True)
                    for key, (start, used), started, (now_used, _, _) in after:
                        assert started == start
                        assert now_used == used + units * admission.admitted
                        assert now_used < limit + max(units, 1) or not admission.admitted
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
                    settled = counters.settle([_window(key)], [start], (units, 0, 0), now_us)
                    assert settled == ((used if live else 0, 0, 0),)

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
        _admit(here, _window(b"seen"))
        spawn = multiprocessing.get_context("spawn")
        mine, theirs = spawn.Pipe()
        other = spawn.Process(target=_settle_there, args=(type(self).open_counters, str(tmp_path / "store"), theirs))
        other.start()
        assert mine.recv() == 7
        other.join()
        assert _used(here, b"seen") == 7

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
    window = _window(b"shared", limit=limit)
    while _admit(counters, window, reserve=reserve).admitted:
        os.write(file, b".")


def _settle_there(open_counters: Callable[[str], Counters], place: str, answer: Connection) -> None:
    answer.send(_settle(open_counters(place), -3, key=b"seen"))
