"""Tests that say `EVERY_LOOP = True` run on asyncio's own event loop and on the one production uses."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from .calling import Pools


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    own: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if isinstance(item, pytest.Function) and getattr(item.module, "EVERY_LOOP", False):
        return {"asyncio": own, "uvloop": uvloop.new_event_loop}
    return {"asyncio": own}


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    for pool in made.made:
        pool.close()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert [pool.open_connections for pool in made.made] == [0] * len(made.made)
