"""The neutral rerank call and its answer: documents in the order of how well they answer a query."""

import msgspec

from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage


class RerankRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Documents to rank, texts or objects with a text in them."""

    model: str
    query: str
    documents: tuple[str | JsonObject, ...]
    top_n: int | None = None
    """How many of the best are wanted; None for all."""
    return_documents: bool | None = None
    """Whether the answer repeats the documents; None leaves it to the API."""
    rest: JsonObject = {}
    """Fields that no neutral field stands for."""
    dialect: str = ""
    """Whose names `rest` uses."""


class Ranked(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document in its place."""

    index: int
    """Which document of the request it is, from 0."""
    score: float
    """How well it answers; comparable within one answer only."""


class RerankAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The documents wanted, best first."""

    results: tuple[Ranked, ...]
    model: str = ""
    id: str = ""
    usage: Usage | None = None
