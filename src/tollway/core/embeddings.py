"""The neutral embeddings call and its answer."""

import msgspec

from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage


class EmbeddingsRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Texts (or token lists) to embed, in order."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    single: bool = False
    """The caller gave one input, not a list of one."""
    dimensions: int | None = None
    base64: bool = False
    """Vectors wanted as base64 of little-endian float32."""
    task: str | None = None
    title: str | None = None
    user: str | None = None
    rest: JsonObject = {}


class EmbeddingsAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One vector an input, in order: a list of floats, or base64 as the provider sent it."""

    model: str
    vectors: tuple[tuple[float, ...] | str, ...]
    usage: Usage | None = None
    rest: JsonObject = {}
