"""The neutral embeddings call and its answer.

Rules of this file:
- As with conversations, a field no neutral one stands for rides in `specific` when the caller's
  dialect knows it, in `rest` when it does not.
"""

import msgspec

from tollway.core.conversation import DialectName
from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage


class EmbeddingsRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Texts (or token lists) to embed, in order."""

    dialect: DialectName
    """The dialect it was read from."""
    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    single: bool = False
    """The caller gave one input, not a list of one."""
    dimensions: int | None = None
    base64: bool = False
    """Vectors wanted as base64 of little-endian float32."""
    encodings: tuple[str, ...] = ()
    """Every form the caller wants each vector in, `float` or `base64`, where its API gives several."""
    task: str | None = None
    """What the vectors are for: `query`, `document`, `classification`, `clustering`, `similarity`, or
    a vendor's own word."""
    title: str | None = None
    truncate: bool | None = None
    """Whether an input that is too long is cut; False refuses it, None leaves it to the provider."""
    user: str | None = None
    specific: JsonObject = {}
    """Fields the source dialect knows and no neutral field stands for: for a provider of the same
    dialect alone, reported as dropped for any other."""
    rest: JsonObject = {}
    """Fields that the source dialect does not know: they pass through to any provider."""


class EmbeddingsAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One vector an input, in order: a list of floats, or base64 as the provider sent it."""

    model: str
    id: str = ""
    vectors: tuple[tuple[float, ...] | str, ...]
    usage: Usage | None = None
    rest: JsonObject = {}
