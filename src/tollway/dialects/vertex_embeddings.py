"""Vertex AI's text embeddings by `predict`.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api

Rules of this file:
- Task and title stand beside each text, size and truncation once for all: a batch whose texts differ
  in them is refused for other APIs, which have one place for each.
- The API counts the tokens of each text; they are added up.
"""

from collections.abc import Mapping
from typing import Final

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
from tollway.dialects.gemini_embeddings import TASKS, vector_of
from tollway.dialects.vectors import floats
from tollway.interfaces.dialect import AnswerFacts, EmbeddingsDialect, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider

_NAME: Final = "vertex-embeddings"
_PLACES: Final = (
    "/publishers/google/models/{model}:predict",
    "/projects/{scope}/publishers/google/models/{model}:predict",
)


class _Statistics(msgspec.Struct, frozen=True):
    token_count: float = 0


class _Embeddings(msgspec.Struct, frozen=True):
    statistics: _Statistics = _Statistics()


class _Prediction(msgspec.Struct, frozen=True):
    embeddings: _Embeddings = _Embeddings()


class _Answer(msgspec.Struct, frozen=True):
    predictions: list[_Prediction] = []


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class VertexEmbeddings:
    """Both sides of the API."""

    name: str = _NAME
    format: InboundFormat = "gemini"
    endpoints: tuple[Endpoint, ...] = tuple(
        Endpoint(operation="embeddings", dialect=_NAME, path=place, versions=("/v1beta1", "/v1", ""), streams="never")
        for place in _PLACES
    )
    field_names: Mapping[str, str] = {
        "inputs": "instances",
        "dimensions": "parameters.outputDimensionality",
        "task": "instances.task_type",
        "title": "instances.title",
    }

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> EmbeddingsRequest:
        """Read a caller's request.

        Raises:
            BadRequest: with `param` naming the field.
        """
        del path_action
        fields = Fields(decode_request(body))
        items = fields.list("instances")
        if not items:
            raise BadRequest("instances: required", code="missing_required_parameter", param="instances")
        parameters = Fields(fields.object("parameters") or {}, "parameters")
        asked = [_instance(item, f"instances[{position}]") for position, item in enumerate(items)]
        first = asked[0]
        for position, one in enumerate(asked):
            if (one.task, one.title) != (first.task, first.title):
                param = f"instances[{position}]"
                raise BadRequest(f"{param}: task_type and title must be the same in every instance", param=param)
        request = msgspec.structs.replace(
            first,
            model=path_model,
            inputs=tuple(text for one in asked for text in one.inputs),
            dimensions=parameters.integer("outputDimensionality"),
        )
        kept = parameters.rest()
        return msgspec.structs.replace(request, rest=fields.rest() | ({"parameters": kept} if kept else {}))

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer; the tokens of all texts are told with the first, for other APIs count them together."""
        del request
        counts = [0] * len(answer.vectors)
        if answer.usage is not None and counts:
            counts[0] = answer.usage.input_tokens
        return msgspec.json.encode(
            {
                "predictions": [
                    {
                        "embeddings": {
                            "statistics": {"truncated": False, "token_count": count},
                            "values": floats(vector),
                        }
                    }
                    for vector, count in zip(answer.vectors, counts, strict=True)
                ]
            }
        )

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    # the provider's side

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request; the model is in the path.

        Raises:
            BadRequest: an input is a list of tokens, which only the model's own vocabulary can read.
        """
        del provider
        drop_set_embeddings_fields(request, ("user", "truncate"), losses)
        carried_embeddings_specific(request, _NAME, losses)
        said: JsonObject = {"task_type": carried_task(request, TASKS, _NAME, losses), "title": request.title}
        shared: JsonObject = {name: value for name, value in said.items() if value is not None}
        body: JsonObject = dict(request.rest)
        body["instances"] = [{"content": text} | shared for text in text_inputs(request, "a Gemini")]
        if request.dimensions is not None:
            body["parameters"] = as_object(body.get("parameters")) | {"outputDimensionality": request.dimensions}
        return msgspec.json.encode(body)

    def parse_answer(self, body: bytes, request: EmbeddingsRequest) -> EmbeddingsAnswer:
        """Read a provider's answer.

        Raises:
            UpstreamGarbled: it is not what the API promises.
        """
        value = decode_answer(body, "answer")
        found = [as_object(as_object(item).get("embeddings")) for item in as_list(value.get("predictions"))]
        if len(found) != len(request.inputs):
            raise UpstreamGarbled(f"the provider gave {len(found)} embeddings for {len(request.inputs)} inputs")
        tokens = sum(as_count(as_object(one.get("statistics")).get("token_count")) for one in found)
        return EmbeddingsAnswer(
            model=request.model,
            vectors=tuple(vector_of(one.get("values")) for one in found),
            usage=Usage(input_fresh=tokens) if tokens else None,
        )

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Nothing to set: the model is in the path."""

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage in an answer. Never raises."""
        try:
            predictions = _ANSWER.decode(body).predictions
        except NOT_JSON:
            return AnswerFacts()
        tokens = sum(as_count(one.embeddings.statistics.token_count) for one in predictions)
        return AnswerFacts(usage=Usage(input_fresh=tokens) if tokens else None)


def _instance(item: Json, path: str) -> EmbeddingsRequest:
    fields = Fields(item, path)
    text = fields.required_text("content")
    # The API and its SDKs write both.
    task = fields.text("task_type") or fields.text("taskType")
    title = fields.text("title")
    unknown = next(iter(fields.rest()), None)
    if unknown is not None:
        param = f"{path}.{unknown}"
        raise BadRequest(f"{param}: no other provider has it, and this one is asked in another way", param=param)
    return EmbeddingsRequest(dialect=_NAME, model="", inputs=(text,), task=neutral_task(task, TASKS), title=title)


DIALECT: Final[EmbeddingsDialect] = VertexEmbeddings()
