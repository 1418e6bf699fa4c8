"""OpenAI's Embeddings: unit vectors made from the words of the input, as floats or base64."""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from collections.abc import Callable
from typing import Final

import msgspec

from tollway.testing.sim import models, openai_errors
from tollway.testing.sim.answers import tokens
from tollway.testing.sim.exchange import Answer, Exchange
from tollway.testing.sim.openai_errors import RequestError

WORD: Final = re.compile(r"\w+")
SIM_DIMENSIONS: Final = 768
SPREAD: Final = 24
"""How many places of the vector one word touches."""


class EmbeddingRequest(msgspec.Struct):
    """The members of an embedding request that change the answer.

    `input` is kept as it came: a JSON array may hold texts, tokens or lists of tokens.
    """

    model: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    dimensions: int | None = None
    encoding_format: str | None = None


DECODER: Final = msgspec.json.Decoder(EmbeddingRequest)
INPUT_TYPES: Final = (str, list[str], list[int], list[list[int]])


def embed(exchange: Exchange, *, size_of: Callable[[str], int | None] | None = None) -> Answer:
    """Answer `POST /v1/embeddings`; `size_of` gives a known model's dimensions."""
    try:
        asked = openai_errors.read(DECODER, exchange.request.body)
        body = embeddings(exchange, asked, size_of=size_of or models.OPENAI_EMBEDDINGS.get)
    except RequestError as error:
        return openai_errors.refuse(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return openai_errors.troubled(exchange, status)
    return exchange.plain(body, openai_errors.headers(exchange))


def open_size(model: str) -> int | None:
    """The dimensions of an open embedding model."""
    return SIM_DIMENSIONS if models.open_served(model) else None


def any_size(model: str) -> int | None:
    """The dimensions of whatever model."""
    return SIM_DIMENSIONS if models.any_served(model) else None


def embeddings(exchange: Exchange, asked: EmbeddingRequest, *, size_of: Callable[[str], int | None]) -> object:
    """The body that answers an embedding request.

    Raises:
        RequestError: something required is missing, out of range, or not known.
    """
    if not asked.model:
        message = "you must provide a model parameter"
        raise RequestError(message)
    texts, count = _inputs(asked.input)
    model = exchange.settle(asked.model)
    size = _dimensions(model, asked, SIM_DIMENSIONS if model == models.SIM_MODEL else size_of(model))
    if asked.encoding_format not in {None, "float", "base64"}:
        message = f"Invalid 'encoding_format': {asked.encoding_format!r}; use float or base64."
        raise RequestError(message, param="encoding_format")
    as_base64 = asked.encoding_format == "base64"
    vectors = [vector(text, size) for text in texts]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": packed(v) if as_base64 else v}
            for i, v in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def _inputs(raw: msgspec.Raw) -> tuple[list[str], int]:
    """The texts to embed and their tokens; token lists are embedded as their numbers."""
    data = bytes(raw)
    if not data or data in {b"null", b"[]", b'""'}:
        message = "Invalid 'input': expected a text, or an array of texts or tokens, not empty."
        raise RequestError(message, param="input")
    for kind in INPUT_TYPES:
        try:
            value = msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError:
            continue
        return _texts(value)
    message = "Invalid type for 'input': expected a text, or an array of texts or tokens."
    raise RequestError(message, code="invalid_type", param="input")


def _texts(value: str | list[str] | list[int] | list[list[int]]) -> tuple[list[str], int]:
    if isinstance(value, str):
        return [value], tokens(value)
    texts: list[str] = []
    count = 0
    numbers: list[int] = []
    for item in value:
        if isinstance(item, str):
            texts.append(item)
            count += tokens(item)
        elif isinstance(item, int):
            numbers.append(item)
        else:
            texts.append(" ".join(map(str, item)))
            count += len(item)
    if numbers:
        texts.append(" ".join(map(str, numbers)))
        count += len(numbers)
    return texts, count


def _dimensions(model: str, asked: EmbeddingRequest, largest: int | None) -> int:
    if largest is None:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise RequestError(message, status=404, code="model_not_found")
    if asked.dimensions is None:
        return largest
    if asked.dimensions < 1:
        message = f"{asked.dimensions} is less than the minimum of 1 - 'dimensions'"
        raise RequestError(message)
    if model == "text-embedding-ada-002":
        message = "This model does not support specifying dimensions."
        raise RequestError(message, param="dimensions")
    if asked.dimensions > largest:
        message = f"Invalid 'dimensions': {model} has at most {largest}."
        raise RequestError(message, param="dimensions")
    return asked.dimensions


def vector(text: str, size: int) -> list[float]:
    """A unit vector; texts that share words lie close to each other."""
    places = [0.0] * size
    for word in WORD.findall(text.lower()) or [text]:
        seed = zlib.crc32(word.encode("utf-8", "replace"))
        for _ in range(SPREAD):
            # The constants of Knuth's MMIX generator: the same numbers on every machine.
            seed = (seed * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
            places[(seed >> 33) % size] += 1.0 if seed >> 63 else -1.0
    length = math.sqrt(sum(value * value for value in places)) or 1.0
    if not any(places):
        places[0] = 1.0
    return [_single(value / length) for value in places]


def packed(values: list[float]) -> str:
    """Little-endian 32-bit floats in base64, as the vendor's SDKs ask for by default."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _single(value: float) -> float:
    """Rounded to what a 32-bit float holds, so that both encodings say the same."""
    return struct.unpack("<f", struct.pack("<f", value))[0] if value else 0.0
