"""A sampling profiler that any Python process picks up when this folder is on PYTHONPATH.

It needs nothing from the program that is looked at and nothing that is not in Python itself:
the kernel's profiling timer (ITIMER_PROF: CPU time, not waiting) interrupts the process, and the
handler counts the stack it finds. On its way out, and every now and then, the process writes its
counts into the folder `TOLLWAY_BENCH_SAMPLES` names, as one JSON file for each process.

Where a sample belongs: the interpreter calls the handler only between two instructions, so a call
into C is seen at its call, which is right; but time spent in C before any Python frame was entered
(the event loop waiting for and reading sockets) is seen at the first instruction of the next
callback. An innermost frame that has just been entered is therefore left out.
"""

import atexit
import dis
import json  # noqa: TID251 - loaded into every process, so with nothing but the standard library
import os
import signal
from pathlib import Path
from types import CodeType, FrameType

INTERVAL_SECONDS = 0.001
DEPTH = 40
SAMPLES_A_FILE = 2000
RESUME = dis.opmap.get("RESUME", -1)


class Sampler:
    """Counts stacks; a stack is code objects from the inside out."""

    def __init__(self, folder: Path) -> None:
        """Prepare for this process."""
        self._path = folder / f"{os.getpid()}.json"
        self._counts: dict[tuple[CodeType, ...], int] = {}
        self._entries: dict[CodeType, frozenset[int]] = {}
        self._samples = 0
        self._writing = False

    def start(self) -> None:
        """Begin to count."""
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
        atexit.register(self._end)

    def write(self) -> None:
        """Write what was counted so far, whole or not at all."""
        stacks = [
            {"stack": [f"{code.co_filename}:{code.co_qualname}" for code in stack], "count": count}
            for stack, count in self._counts.copy().items()  # the handler may add to it meanwhile
        ]
        self._writing = True
        unfinished = self._path.with_suffix(".part")
        unfinished.write_text(json.dumps(stacks))
        unfinished.replace(self._path)
        self._writing = False

    def _end(self) -> None:
        # The interpreter gives up its handlers before it is gone; a signal would then kill it.
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.write()

    def _take(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None and self._has_just_begun(frame):
            frame = frame.f_back
        stack: list[CodeType] = []
        while frame is not None and len(stack) < DEPTH:
            stack.append(frame.f_code)
            frame = frame.f_back
        key = tuple(stack)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._samples += 1
        if self._samples % SAMPLES_A_FILE == 0 and not self._writing:
            self.write()

    def _has_just_begun(self, frame: FrameType) -> bool:
        code = frame.f_code
        entries = self._entries.get(code)
        if entries is None:
            # The first RESUME is a function's entry; later ones follow each await.
            first = [step.offset for step in dis.get_instructions(code) if step.opcode == RESUME][:1]
            entries = self._entries[code] = frozenset(first)
        return frame.f_lasti in entries


def _begin() -> None:
    named = os.environ.get("TOLLWAY_BENCH_SAMPLES")
    if named:
        Sampler(Path(named)).start()


_begin()
