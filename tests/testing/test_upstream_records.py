"""Waiting for what happens."""

import asyncio
import threading

from tollway.testing.upstream_records import Signal


def test_a_signal_is_set_once_and_keeps_its_time():
    signal = Signal()
    assert (signal.is_set(), signal.at, signal.wait(0.001)) == (False, None, False)
    signal.set()
    first = signal.at
    signal.set()
    assert (signal.is_set(), signal.at, signal.wait(0)) == (True, first, True)


def test_a_thread_can_wait_for_another():
    signal = Signal()
    threading.Timer(0.02, signal.set).start()
    assert signal.wait(5)


async def test_an_event_loop_can_wait_for_a_thread():
    signal = Signal()
    threading.Timer(0.02, signal.set).start()
    assert await signal.reached(5)


async def test_giving_up_the_wait_does_not_use_the_signal_up():
    signal = Signal()
    assert not await signal.reached(0.01)
    signal.set()
    assert await signal.reached(1)


async def test_several_can_wait():
    signal = Signal()
    waits = [asyncio.ensure_future(signal.reached(5)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.set()
    assert await asyncio.gather(*waits) == [True] * 3
