"""Finds a dialect by its name: `openai-chat` lives in `tollway.dialects.openai_chat`.

There is no list to keep: a dialect exists because its module exists and has a `DIALECT`.
"""

import functools
import importlib
import pkgutil
from typing import cast

import tollway.dialects
from tollway.interfaces.dialect import ConversationDialect, EmbeddingsDialect, Endpoint, RerankDialect
from tollway.interfaces.passed import PassedDialect
from tollway.interfaces.realtime import RealtimeDialect

AnyDialect = ConversationDialect | EmbeddingsDialect | RerankDialect | PassedDialect | RealtimeDialect


def conversation_dialect(name: str) -> ConversationDialect:
    """Give the conversation dialect called `name`.

    Raises:
        KeyError: there is none.
    """
    found = _load(name)
    if found is None or not hasattr(found, "stream_parser"):
        raise KeyError(name)
    return cast("ConversationDialect", found)


def embeddings_dialect(name: str) -> EmbeddingsDialect:
    """Give the embeddings dialect called `name`.

    Raises:
        KeyError: there is none.
    """
    found = _load(name)
    if found is None or operation_of(found) != "embeddings":
        raise KeyError(name)
    return cast("EmbeddingsDialect", found)


def realtime_dialect(name: str) -> RealtimeDialect:
    """Give the realtime dialect called `name`.

    Raises:
        KeyError: there is none.
    """
    found = _load(name)
    if found is None or operation_of(found) != "realtime":
        raise KeyError(name)
    return cast("RealtimeDialect", found)


def passed_dialects() -> tuple[PassedDialect, ...]:
    """Every dialect without a hub, by name."""
    return tuple(cast("PassedDialect", one) for one in all_dialects() if hasattr(one, "passed_facts"))


def all_dialects() -> tuple[AnyDialect, ...]:
    """Every dialect there is, by name."""
    names = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(tollway.dialects.__path__))
    loaded = (_load(name) for name in names)
    return tuple(cast("AnyDialect", one) for one in loaded if one is not None)


def operation_of(dialect: object) -> str:
    """Tell what a dialect is for: its endpoints say it, or it does itself where no caller speaks it."""
    endpoints: tuple[Endpoint, ...] = getattr(dialect, "endpoints", ())
    return endpoints[0].operation if endpoints else getattr(dialect, "operation", "")


@functools.cache
def _load(name: str) -> object | None:
    module_name = f"{tollway.dialects.__name__}.{name.replace('-', '_')}"
    if not name.replace("-", "").isalnum() or "_" in name:
        return None
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        return None
    return getattr(module, "DIALECT", None)
