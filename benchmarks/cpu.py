"""CPU time and memory of a process tree, read from the kernel.

CPU is the figure that survives a noisy machine, so it is read as exactly as Linux allows:
the nanosecond CPU clock of every live process (all its threads, ended ones included)
plus what ended children have left with their parents.
"""

import os
import time
from pathlib import Path

import msgspec

PROC = Path("/proc")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

_CPUCLOCK_SCHED = 2


class ProcessStat(msgspec.Struct, frozen=True):
    """The fields of `/proc/PID/stat` that are used here."""

    pid: int
    parent: int
    reaped_children_ns: int


class TreeReading(msgspec.Struct, frozen=True):
    """CPU time of a process tree at one moment."""

    live_ns: dict[int, int]
    reaped_ns: int

    @property
    def total_ns(self) -> int:
        """CPU time of every process that is or was in the tree."""
        return sum(self.live_ns.values()) + self.reaped_ns


class Memory(msgspec.Struct, frozen=True):
    """Resident memory of a process tree."""

    total_bytes: int
    largest_bytes: int
    processes: int


def parse_stat(text: str) -> ProcessStat:
    """Read one `/proc/PID/stat` line; the command name may hold spaces and brackets."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(")")[2].split()
    # proc(5) counts from 1 with pid and comm first: ppid is field 4, cutime 16, cstime 17.
    reaped_ticks = int(fields[13]) + int(fields[14])
    return ProcessStat(pid=int(pid), parent=int(fields[1]), reaped_children_ns=reaped_ticks * TICK_NS)


def descendants(root: int, stats: dict[int, ProcessStat]) -> list[int]:
    """`root` and every process below it, parents before children."""
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    tree = [root] if root in stats else []
    for pid in tree:  # grows while it is walked
        tree.extend(children.get(pid, ()))
    return tree


def read_stats() -> dict[int, ProcessStat]:
    """Every process of the machine, by id."""
    stats: dict[int, ProcessStat] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while the list was read
            stats[stat.pid] = stat
    return stats


def process_tree(root: int) -> list[int]:
    """The live processes of the tree under `root`."""
    return descendants(root, read_stats())


def process_cpu_ns(pid: int) -> int:
    """CPU time of one live process, all threads, user and system."""
    # clock_getcpuclockid(3): the clock id of a process is the complement of its id, shifted.
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def read_tree(root: int) -> TreeReading:
    """CPU time of the tree under `root` now."""
    stats = read_stats()
    live: dict[int, int] = {}
    reaped = 0
    for pid in descendants(root, stats):
        try:
            live[pid] = process_cpu_ns(pid)
        except OSError:
            continue  # ended since: its time is in its parent's reaped figure next time
        reaped += stats[pid].reaped_children_ns
    return TreeReading(live_ns=live, reaped_ns=reaped)


def read_memory(root: int) -> Memory:
    """Resident memory of the tree under `root` now."""
    sizes: list[int] = []
    for pid in process_tree(root):
        try:
            resident_pages = int((PROC / str(pid) / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes.append(resident_pages * PAGE_BYTES)
    return Memory(total_bytes=sum(sizes), largest_bytes=max(sizes, default=0), processes=len(sizes))
