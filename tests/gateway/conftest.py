"""Which event loop tests run on: asyncio's own, or as their module says.

`EVERY_LOOP = True`: on asyncio's own and on the one production uses. `PRODUCTION_LOOP = True`: on that one alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from .calling import Pools


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    own: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    module = item.module if isinstance(item, pytest.Function) else None
    if getattr(module, "EVERY_LOOP", False):
        return {"asyncio": own, "uvloop": uvloop.new_event_loop}
    if getattr(module, "PRODUCTION_LOOP", False):
        return {"uvloop": uvloop.new_event_loop}
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
