"""Ollama's Embed, documented at https://docs.ollama.com/api/embed.

The older `/api/embeddings` takes one prompt and gives one vector, and is superseded; it is not served.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import Fields, as_count, as_list, as_text, decode_answer, decode_request
from tollway.dialects.embeddings_carrying import (
    carried_embeddings_specific,
    drop_set_embeddings_fields,
    text_inputs,
)
from tollway.dialects.ollama_chat.errors import parse_error, render_error
from tollway.dialects.vectors import floats, read_vector
from tollway.interfaces.dialect import AnswerFacts, EmbeddingsDialect, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider

_NAME: Final = "ollama-embeddings"
_SPECIFIC: Final = frozenset({"keep_alive", "options"})


class _Facts(msgspec.Struct):
    """The few members the meter wants; the vectors are skipped, not built."""

    model: str | None = None
    prompt_eval_count: int | None = None


_FACTS: Final = msgspec.json.Decoder(_Facts)


class OllamaEmbeddings:
    """Both sides of Ollama's embeddings API."""

    name: str = _NAME
    format: InboundFormat = "ollama"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="embeddings", dialect=_NAME, path="/api/embed", versions=("",), streams="never"),
    )
    field_names: Mapping[str, str] = {"inputs": "input"}

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> EmbeddingsRequest:
        """Read a caller's request.

        Raises:
            BadRequest: with `param` naming the field.
        """
        del path_action
        fields = Fields(decode_request(body))
        specific = fields.take_present(_SPECIFIC)
        model = path_model or fields.required_text("model")
        inputs, single = _inputs(fields.take("input"))
        return EmbeddingsRequest(
            dialect=_NAME,
            model=model,
            inputs=inputs,
            single=single,
            dimensions=fields.integer("dimensions"),
            truncate=fields.flag("truncate"),
            specific=specific,
            rest=fields.rest(),
        )

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer: always numbers, always a list of vectors."""
        found: JsonObject = {
            "model": answer.model or request.model,
            "embeddings": [floats(vector) for vector in answer.vectors],
        }
        if answer.usage is not None:
            found["prompt_eval_count"] = answer.usage.input_tokens
        return msgspec.json.encode(found)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    # the provider's side

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider.

        Raises:
            BadRequest: an input is a list of tokens.
        """
        drop_set_embeddings_fields(request, ("task", "title", "user"), losses)
        texts = text_inputs(request, "an Ollama")
        body: JsonObject = {"model": request.model, "input": texts[0] if request.single else texts}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.truncate is not None:
            body["truncate"] = request.truncate
        body |= carried_embeddings_specific(request, _NAME, losses)
        body |= request.rest
        for name in provider.unsupported & body.keys():
            del body[name]
            losses.drop(name)
        return msgspec.json.encode(body)

    def parse_answer(self, body: bytes, request: EmbeddingsRequest) -> EmbeddingsAnswer:
        """Read a provider's answer.

        Raises:
            UpstreamGarbled: it is not what the API promises.
        """
        value = decode_answer(body, "answer")
        found = value.get("embeddings")
        if not isinstance(found, list):
            raise UpstreamGarbled("the provider's answer has no `embeddings`")
        vectors = tuple(map(read_vector, as_list(found)))
        if len(vectors) != len(request.inputs):
            raise UpstreamGarbled(f"the provider gave {len(vectors)} vectors for {len(request.inputs)} inputs")
        return EmbeddingsAnswer(
            model=as_text(value.get("model")), vectors=vectors, usage=_usage(value.get("prompt_eval_count"))
        )

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model of a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in an answer."""
        try:
            found = _FACTS.decode(body)
        except NOT_JSON:
            return AnswerFacts()
        return AnswerFacts(usage=_usage(found.prompt_eval_count), model=found.model or "")


def _inputs(value: Json) -> tuple[tuple[str, ...], bool]:
    if isinstance(value, str):
        return (value,), True
    items = as_list(value)
    if items and all(isinstance(one, str) for one in items):
        return tuple(items), False
    raise BadRequest(
        "input: required; a string or an array of strings, not empty",
        code="missing_required_parameter" if value is None else "invalid_type",
        param="input",
    )


def _usage(count: Json) -> Usage | None:
    return None if count is None else Usage(input_fresh=as_count(count))


DIALECT: Final[EmbeddingsDialect] = OllamaEmbeddings()
