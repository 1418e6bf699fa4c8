"""Embeddings APIs of OpenAI's shape with some words of their own: the same lists of inputs and vectors.

Rules of this file:
- No vendor is named here; each is a table of words in a module of its own.
- No caller speaks these APIs: their providers are called by callers of the other ones, and what those
  write beside the known fields (`input_type`, `late_chunking` …) passes through.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import NOT_JSON, JsonObject
from tollway.core.usage import Usage
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text, decode_answer
from tollway.dialects.embeddings_carrying import (
    carried_embeddings_specific,
    carried_task,
    drop_set_embeddings_fields,
    text_inputs,
)
from tollway.dialects.vectors import read_vector
from tollway.interfaces.dialect import AnswerFacts, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What one of these APIs calls the fields that differ; what it has no word for is empty."""

    whose: str
    """The vendor with its article, for messages: `a Voyage`."""
    dimensions: str
    encoding: str
    floats: str = ""
    """Value of `encoding` for numbers; empty where it must then be left out."""
    base64: str = "base64"
    truncate: str
    task: str
    tasks: Mapping[str, str]
    """Neutral task → the API's."""


class _Facts(msgspec.Struct):
    """The few members the meter wants; the vectors are skipped, not built."""

    model: str | None = None
    usage: JsonObject | None = None


_FACTS: Final = msgspec.json.Decoder(_Facts)


class ListedEmbeddings:
    """The provider's side of one such API."""

    format: InboundFormat = "openai"
    endpoints: tuple[Endpoint, ...] = ()

    def __init__(self, name: str, words: Words) -> None:
        """Speak an API by its words."""
        self.name = name
        self.field_names: Mapping[str, str] = {"inputs": "input", "task": words.task, "dimensions": words.dimensions}
        self._words = words

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> EmbeddingsRequest:
        """Refuse: no endpoint leads here.

        Raises:
            BadRequest: always.
        """
        del body, path_model, path_action
        raise BadRequest("callers do not speak this API here; ask by one of the others")

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer in the shape the API gives it."""
        usage = answer.usage or Usage(source="none")
        return msgspec.json.encode(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": vector}
                    for index, vector in enumerate(answer.vectors)
                ],
                "model": answer.model or request.model,
                "usage": {"total_tokens": usage.total_tokens},
            }
        )

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider.

        Raises:
            BadRequest: an input is a list of tokens.
        """
        words = self._words
        drop_set_embeddings_fields(request, ("title", "user"), losses)
        carried_embeddings_specific(request, self.name, losses)
        body: JsonObject = {"model": request.model, "input": text_inputs(request, words.whose)}
        encoding = words.base64 if request.base64 else words.floats
        if encoding:
            body[words.encoding] = encoding
        task = carried_task(request, words.tasks, self.name, losses)
        if task is not None:
            body[words.task] = task
        if request.dimensions is not None:
            body[words.dimensions] = request.dimensions
        if request.truncate is not None:
            body[words.truncate] = request.truncate
        body |= request.rest
        for name in provider.unsupported & body.keys():
            del body[name]
            losses.drop(name)
        return msgspec.json.encode(body)

    def parse_answer(self, body: bytes, request: EmbeddingsRequest) -> EmbeddingsAnswer:
        """Read a provider's answer; vectors are put in the order of the inputs.

        Raises:
            UpstreamGarbled: it is not what the API promises.
        """
        value = decode_answer(body, "answer")
        data = value.get("data")
        if not isinstance(data, list):
            raise UpstreamGarbled("the provider's answer has no `data`")
        entries = [as_object(one) for one in as_list(data)]
        if all(isinstance(one.get("index"), int) for one in entries):
            entries.sort(key=lambda one: cast("int", one["index"]))
        if len(entries) != len(request.inputs):
            raise UpstreamGarbled(f"the provider gave {len(entries)} vectors for {len(request.inputs)} inputs")
        return EmbeddingsAnswer(
            model=as_text(value.get("model")),
            vectors=tuple(read_vector(one.get("embedding")) for one in entries),
            usage=_usage(as_object(value.get("usage"))),
        )

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return openai_errors.parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model of a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in an answer. Never raises."""
        try:
            found = _FACTS.decode(body)
        except NOT_JSON:
            return AnswerFacts()
        return AnswerFacts(usage=_usage(found.usage or {}), model=found.model or "")


def _usage(value: JsonObject) -> Usage | None:
    """Read the count of all tokens: nothing is written, so all of them are input."""
    if "total_tokens" not in value and "prompt_tokens" not in value:
        return None
    return Usage(input_fresh=as_count(value.get("total_tokens")) or as_count(value.get("prompt_tokens")))
