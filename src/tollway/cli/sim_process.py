"""The simulator as a child of `tollway up`: it goes when its parent does.

Run as `python -m tollway.cli.sim_process PIPE_FD`; it writes its port to the pipe's other end by
`print`, and exits when the pipe closes.
"""

import asyncio
import os
import signal
import sys

import uvloop

from tollway.testing.sim.app import serve


async def _main(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _ignore)
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    server = asyncio.ensure_future(serve("127.0.0.1", 0, pace_ms=10.0, ready=_tell))
    await gone.wait()
    server.cancel()
    await asyncio.wait([server])


def _tell(port: int) -> None:
    print(port, flush=True)


def _ignore() -> None:
    """The parent decides."""


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
    os._exit(0)
