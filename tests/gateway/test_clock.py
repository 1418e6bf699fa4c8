"""The real clock and the maker of ids."""

import re
import subprocess
import sys
import time

from tollway.gateway.clock import SystemClock, new_correlation_id

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_ids_are_ulids_each_once_and_in_order():
    clock = SystemClock()
    ids = [clock.new_id() for _ in range(50_000)]
    assert all(ULID.fullmatch(one) for one in ids)
    assert len(set(ids)) == len(ids)
    assert sorted(ids) == ids


def test_an_id_tells_when_it_was_made():
    before = time.time_ns() // 1_000_000
    made = SystemClock().new_id()
    after = time.time_ns() // 1_000_000
    stamp = 0
    for character in made[:10]:
        stamp = stamp * 32 + ALPHABET.index(character)
    assert before <= stamp <= after


def test_the_clocks_of_two_workers_make_no_id_twice():
    first, second = SystemClock(), SystemClock()
    ids = [clock.new_id() for _ in range(5000) for clock in (first, second)]
    assert len(set(ids)) == len(ids)


MAKE_IDS = """
from tollway.gateway.clock import SystemClock, new_correlation_id
clock = SystemClock()
for _ in range(500):
    print(clock.new_id(), new_correlation_id().decode())
"""


def test_the_clocks_of_two_processes_make_no_id_twice():
    processes = [subprocess.Popen([sys.executable, "-c", MAKE_IDS], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    ids = [one for process in processes for one in process.communicate()[0].split()]
    assert (len(ids), len(set(ids))) == (2000, 2000)


def test_time_goes_on():
    clock = SystemClock()
    start, wall = clock.monotonic(), clock.wall_us()
    assert clock.monotonic() >= start
    assert abs(clock.wall_us() - wall) < 10_000_000
    assert 1_700_000_000_000_000 < wall < 4_000_000_000_000_000


def test_correlation_ids_are_random_uuids_of_version_4():
    ids = {new_correlation_id().decode() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in ids)
