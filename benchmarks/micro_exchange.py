"""What one whole call costs, stage by stage: `python -m benchmarks.micro_exchange [body bytes]`.

A passed-through chat call with client identification, a token limit of two windows, model routing,
metering and spool, in one process and without sockets. Two figures:

- *bytecodes* the interpreter executes a call, by stage: the same at every run on every machine, so
  that two commits can be compared to the last one;
- *µs* of CPU a call, the shortest of many short rounds: what is left when nothing else runs.
"""

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

import uvloop

from benchmarks.in_process import Bench, chat, request
from benchmarks.loads import completion_answer

SOURCES = Path(__file__).resolve().parent.parent / "src" / "tollway"
CALLS = 100
ROUNDS = 150  # many and short: the shortest is then free of what else the machine does
COUNTED = 50

STAGES = {
    "caller's connection: HTTP/1.1, its limits, the answer": (
        "gateway/http1.py",
        "gateway/http1_head.py",
        "gateway/known_heads.py",
        "gateway/request.py",
        "gateway/statuses.py",
    ),
    "the spine: order of the call, ids, clock, answer headers": (
        "gateway/exchange.py",
        "gateway/call.py",
        "gateway/chain.py",
        "gateway/clock.py",
        "gateway/worker.py",
        "gateway/answer_headers.py",
    ),
    "identify": ("policies/client_id_enforcement.py", "gateway/identify.py"),
    "token limit: reserve, settle, tell": ("policies/llm_token_rate_limit.py",),
    "counters shared by the workers": ("stores/counters_lmdb.py",),
    "read the body, find the endpoint, choose the route": (
        "gateway/json_body.py",
        "gateway/compiled.py",
        "gateway/route.py",
        "routing/plan.py",
        "routing/models.py",
        "routing/health.py",
    ),
    "write the provider's request": (
        "gateway/translate.py",
        "gateway/target.py",
        "dialects/openai_chat/__init__.py",
    ),
    "upstream's connection: send, read the answer": ("gateway/upstream.py", "gateway/attempt.py"),
    "find the usage": ("dialects/openai_chat/watch.py", "dialects/openai_chat/usage.py", "core/usage.py"),
    "usage record and spool": ("gateway/meter.py", "gateway/spool.py", "wire/spool_format.py"),
    "metrics": ("gateway/metrics.py",),
    "send it all off at the end of the turn": ("gateway/outbox.py",),
}
_STAGE_OF = {file: stage for stage, files in STAGES.items() for file in files}


class BytecodeCounter:
    """Counts the bytecodes executed in each file of Tollway."""

    def __init__(self) -> None:
        self.by_file: Counter[str] = Counter()
        self._files: dict[CodeType, str | None] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Trace a frame that begins, if it is one of ours."""
        del argument
        file = self._file(frame.f_code)
        if event != "call" or file is None:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False

        def count(_frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "opcode":
                self.by_file[file] += 1
            return count

        return count

    def _file(self, code: CodeType) -> str | None:
        if code not in self._files:
            path = Path(code.co_filename)
            self._files[code] = str(path.relative_to(SOURCES)) if path.is_relative_to(SOURCES) else None
        return self._files[code]


def microseconds(bench: Bench, data: bytes) -> float:
    """CPU of one call, in µs."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            bench.call(data)
        shortest = min(shortest, time.process_time() - began)
    return shortest / CALLS * 1e6


def bytecodes(bench: Bench, data: bytes) -> dict[str, float]:
    """Bytecodes of one call, by stage."""
    counter = BytecodeCounter()
    sys.settrace(counter)
    for _ in range(COUNTED):
        bench.call(data)
    sys.settrace(None)
    stages: Counter[str] = Counter()
    for file, number in counter.by_file.items():
        stages[_STAGE_OF.get(file, f"other: {file}")] += number
    return {stage: number / COUNTED for stage, number in stages.most_common()}


async def run(size: int, directory: Path) -> None:
    bench = Bench(directory)
    await bench.start()
    answer = completion_answer().encode()
    bench.upstream_answer = (
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        b"Connection: keep-alive\r\n\r\n%b" % (len(answer), answer)
    )
    data = request(chat(size))
    us = microseconds(bench, data)
    stages = bytecodes(bench, data)
    if bench.caller.writes != ROUNDS * CALLS + COUNTED or not bench.caller.last.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"not every call was answered with 200: {bench.caller.last[:200]!r}")
    print(f"a chat call of {size} bytes: {us:.1f} µs, {sum(stages.values()):.0f} bytecodes\n")
    print(f"{'stage':60} {'bytecodes':>9}")
    for stage, number in stages.items():
        print(f"{stage:60} {number:9.0f}")


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with TemporaryDirectory() as directory:
        uvloop.run(asyncio.wait_for(run(size, Path(directory)), 600))


if __name__ == "__main__":
    main()
