"""The simulator as a child: it says where it is, and goes when its parent does."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def simulator() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A simulator, and the end of the pipe that keeps it alive."""
    theirs, ours = os.pipe()
    command = [sys.executable, "-m", "tollway.cli.sim_process", str(theirs)]
    process = subprocess.Popen(command, pass_fds=(theirs,), stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_it_serves_until_its_parent_is_gone_and_no_signal_of_the_terminal_stops_it() -> None:
    with simulator() as (process, ours):
        assert process.stdout is not None
        port = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            assert b"tollway sim" in answer.read()
        assert process.poll() is None
        os.close(ours)
        assert process.wait(10) == 0
