"""What the chunks of a stream cost: `python -m benchmarks.micro_stream`.

A passed-through chat stream, in one process and without sockets, with the same policies as
`micro_exchange.py`. A chunk that comes alone costs one read and one write, and the gateway's work
between them, which is the first figure; of chunks that come together, each costs the second.
"""

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.in_process import Bench, chat, request

ROUNDS = 300
CHUNKS = 256
TOGETHER = 64
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-5-2025-08-07",'
    b'"service_tier":"default","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"content":" word"},'
    b'"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcdef"}\n\n'
)
_END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-5-2025-08-07",'
    b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}\n\n'
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-5-2025-08-07",'
    b'"choices":[],"usage":{"prompt_tokens":500,"completion_tokens":256,"total_tokens":756}}\n\n'
    b"data: [DONE]\n\n"
)


def chunk(data: bytes) -> bytes:
    """Frame one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def run(directory: Path) -> None:
    bench = Bench(directory)
    await bench.start()
    data = request(chat(2_000, stream=True))
    end = chunk(_END) + b"0\r\n\r\n"
    alone, together, joined = chunk(_EVENT), chunk(_EVENT) * TOGETHER, chunk(_EVENT * TOGETHER)
    figures = {
        "chunks that come alone": (alone, 1),
        f"{TOGETHER} chunks in one read": (together, TOGETHER),
        f"{TOGETHER} events in one chunk": (joined, TOGETHER),
    }
    for name, (read, events) in figures.items():
        shortest = float("inf")
        for _ in range(ROUNDS):
            bench.upstream_answer = _HEAD + chunk(_EVENT)
            bench.call(data)
            began = time.process_time()
            for _ in range(CHUNKS // events or 1):
                bench.upstream.data_received(read)
                bench.outbox.flush()
            shortest = min(shortest, time.process_time() - began)
            bench.upstream.data_received(end)
            bench.outbox.flush()
            if not bench.caller.last.endswith(b"0\r\n\r\n"):
                sys.exit(f"a stream did not end: {bench.caller.last[-200:]!r}")
        print(f"{name:30} {shortest / max(CHUNKS, events) * 1e6:6.2f} µs an event")


def main() -> None:
    with TemporaryDirectory() as directory:
        uvloop.run(asyncio.wait_for(run(Path(directory)), 600))


if __name__ == "__main__":
    main()
