"""Servers in threads."""

import threading

import pytest

from tollway.testing.serving import InThread


def test_a_server_is_started_and_stopped_on_one_thread_that_then_ends():
    seen = []

    async def note():
        seen.append(threading.current_thread().name)

    thread = InThread("served", note, note)
    thread.start()
    assert seen == ["served"]
    thread.stop()
    assert seen == ["served", "served"]
    assert "served" not in [running.name for running in threading.enumerate()]


def test_a_server_that_cannot_listen_raises_in_the_caller():
    async def fail():
        raise OSError(98, "taken")

    async def stop():
        pytest.fail("what never started is not stopped")

    thread = InThread("failing", fail, stop)
    with pytest.raises(OSError, match="taken"):
        thread.start()
    thread.stop()
