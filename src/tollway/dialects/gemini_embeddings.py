"""Google's embedContent and batchEmbedContents, documented at https://ai.google.dev/api/embeddings.

Rules of this file:
- A provider is always asked with `batchEmbedContents`, one input or many.
- The requests of one batch must agree in task, title and size: other APIs ask for them once.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import Fields, as_count, as_list, as_object, decode_answer, decode_request
from tollway.dialects.embeddings_carrying import (
    carried_embeddings_specific,
    carried_task,
    drop_set_embeddings_fields,
    neutral_task,
    text_inputs,
)
from tollway.dialects.gemini.errors import parse_error, render_error
from tollway.dialects.json_forms import camel_members
from tollway.dialects.vectors import floats
from tollway.interfaces.dialect import AnswerFacts, EmbeddingsDialect, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider

_NAME: Final = "gemini-embeddings"
_VERSIONS: Final = ("/v1beta", "/v1", "")
TASKS: Final[Mapping[str, str]] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "similarity": "SEMANTIC_SIMILARITY",
}
"""Neutral task → Google's word."""


class _Answer(msgspec.Struct, rename="camel"):
    usage_metadata: JsonObject | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class GeminiEmbeddings:
    """Both sides of Google's embeddings API."""

    name: str = _NAME
    format: InboundFormat = "gemini"
    endpoints: tuple[Endpoint, ...] = tuple(
        Endpoint(
            operation="embeddings",
            dialect=_NAME,
            path=f"/models/{{model}}:{action}",
            versions=_VERSIONS,
            streams="never",
            passes=action == "batchEmbedContents",
        )
        for action in ("embedContent", "batchEmbedContents")
    )

    field_names: Mapping[str, str] = {
        "inputs": "requests",
        "dimensions": "outputDimensionality",
        "task": "taskType",
    }

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> EmbeddingsRequest:
        """Read a caller's request.

        Raises:
            BadRequest: with `param` naming the field.
        """
        fields = Fields(camel_members(decode_request(body)))
        fields.take("model")
        if path_action == "embedContent":
            one = _request(fields, "")
            return msgspec.structs.replace(one, dialect=self.name, model=path_model, single=True, rest=fields.rest())
        items = fields.list("requests")
        if not items:
            raise BadRequest("requests: required", code="missing_required_parameter", param="requests")
        asked = [
            _request(Fields(camel_members(item), f"requests[{i}]"), f"requests[{i}]") for i, item in enumerate(items)
        ]
        first = asked[0]
        for position, one in enumerate(asked):
            if (one.task, one.title, one.dimensions) != (first.task, first.title, first.dimensions):
                param = f"requests[{position}]"
                raise BadRequest(
                    f"{param}: taskType, title and outputDimensionality must be the same in every request of a batch",
                    param=param,
                )
        inputs = tuple(text for one in asked for text in one.inputs)
        return msgspec.structs.replace(first, dialect=self.name, model=path_model, inputs=inputs, rest=fields.rest())

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer: one embedding, or a list for a batch."""
        vectors: list[JsonObject] = [{"values": floats(vector)} for vector in answer.vectors]
        found: JsonObject = {"embedding": vectors[0]} if request.single and vectors else {"embeddings": vectors}
        if answer.usage is not None:
            found["usageMetadata"] = {
                "promptTokenCount": answer.usage.input_tokens,
                "totalTokenCount": answer.usage.total_tokens,
            }
        return msgspec.json.encode(found)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    # the provider's side

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a batch.

        Raises:
            BadRequest: an input is a list of tokens, which only the model's own vocabulary can read.
        """
        del provider
        drop_set_embeddings_fields(request, ("user", "truncate"), losses)
        carried_embeddings_specific(request, self.name, losses)
        shared: JsonObject = {"model": f"models/{request.model}"}
        options: JsonObject = {
            "taskType": carried_task(request, TASKS, self.name, losses),
            "title": request.title,
            "outputDimensionality": request.dimensions,
        }
        shared |= {name: value for name, value in options.items() if value is not None}
        found: list[JsonObject] = [
            shared | {"content": {"parts": [{"text": text}]}} for text in text_inputs(request, "a Gemini")
        ]
        return msgspec.json.encode(request.rest | {"requests": found})

    def parse_answer(self, body: bytes, request: EmbeddingsRequest) -> EmbeddingsAnswer:
        """Read a provider's answer.

        Raises:
            UpstreamGarbled: it is not what the API promises.
        """
        value = decode_answer(body, "answer")
        items = as_list(value.get("embeddings")) or ([value["embedding"]] if "embedding" in value else [])
        vectors = tuple(vector_of(as_object(item).get("values")) for item in items)
        if len(vectors) != len(request.inputs):
            raise UpstreamGarbled(f"the provider gave {len(vectors)} embeddings for {len(request.inputs)} inputs")
        usage = as_object(value.get("usageMetadata"))
        return EmbeddingsAnswer(model=request.model, vectors=vectors, usage=_usage(usage) if usage else None)

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model wherever the body repeats it: Google refuses one that is not the path's."""
        name = msgspec.Raw(msgspec.json.encode(f"models/{model}"))
        if "model" in members:
            members["model"] = name
        if "requests" not in members:
            return
        try:
            requests = msgspec.json.decode(members["requests"], type=list[dict[str, msgspec.Raw]])
        except NOT_JSON:
            return  # not a batch; the provider says what is wrong with it
        for one in requests:
            one["model"] = name
        members["requests"] = msgspec.Raw(msgspec.json.encode(requests))

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage in an answer. Never raises."""
        try:
            usage = _ANSWER.decode(body).usage_metadata
        except NOT_JSON:
            return AnswerFacts()
        return AnswerFacts(usage=_usage(usage) if usage else None)


def _request(fields: Fields, path: str) -> EmbeddingsRequest:
    fields.take("model")
    config = Fields(camel_members(fields.object("embedContentConfig") or {}), fields.param("embedContentConfig"))
    content = Fields(camel_members(fields.take("content")), f"{path}.content" if path else "content")
    content.take("role")
    parts = content.take("parts")
    items = cast("list[Json]", parts) if isinstance(parts, list) else [parts]
    words: list[str] = []
    for position, item in enumerate(items):
        part = Fields(item, f"{content.param('parts')}[{position}]")
        words.append(part.required_text("text"))
    return EmbeddingsRequest(
        dialect=_NAME,
        model="",
        inputs=("".join(words),),
        task=neutral_task(fields.text("taskType") or config.text("taskType"), TASKS),
        title=fields.text("title") or config.text("title"),
        dimensions=fields.integer("outputDimensionality") or config.integer("outputDimensionality"),
    )


def _usage(usage: Mapping[str, Json]) -> Usage:
    return Usage(input_fresh=as_count(usage.get("promptTokenCount")))


def vector_of(value: Json) -> tuple[float, ...]:
    """Read a vector of numbers.

    Raises:
        UpstreamGarbled: it is none.
    """
    try:
        return msgspec.convert(value, tuple[float, ...])
    except msgspec.ValidationError as error:
        raise UpstreamGarbled("the provider's answer holds an embedding that is not a list of numbers") from error


DIALECT: Final[EmbeddingsDialect] = GeminiEmbeddings()
