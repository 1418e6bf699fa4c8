"""Cohere's Embed, version 2, documented at https://docs.cohere.com/reference/embed.

Rules of this file:
- A provider is asked for `float`, or `base64` where the caller wants nothing else; another quantity
  (`int8`, `binary` …) can only come from the provider itself, so a caller that wants one of another
  provider is refused.
- Models from version 3 on demand an `input_type`; where the caller does not say what the vectors are
  for, they are `search_document`.
- Pictures are for providers that speak this API themselves: no other embeds them.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, decode_answer, decode_request
from tollway.dialects.cohere_chat.errors import parse_error, render_error
from tollway.dialects.cohere_chat.usage import read_usage, render_usage
from tollway.dialects.embeddings_carrying import (
    carried_embeddings_specific,
    carried_task,
    drop_set_embeddings_fields,
    neutral_task,
    text_inputs,
)
from tollway.dialects.vectors import floats, packed, read_vector
from tollway.interfaces.dialect import AnswerFacts, EmbeddingsDialect, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider

_NAME: Final = "cohere-embeddings"
_SPECIFIC: Final = frozenset({"max_tokens", "priority"})
_TASKS: Final[Mapping[str, str]] = {
    "query": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
}
_DEFAULT_TASK: Final = "search_document"
_TRUNCATE: Final = {True: "END", False: "NONE"}
_FORMS: Final = ("float", "base64")
"""The quantities another provider's vectors can be written in."""


class _Facts(msgspec.Struct):
    """The few members the meter wants; the vectors are skipped, not built."""

    id: str | None = None
    meta: JsonObject | None = None


_FACTS: Final = msgspec.json.Decoder(_Facts)


class CohereEmbeddings:
    """Both sides of Cohere's embeddings API."""

    name: str = _NAME
    format: InboundFormat = "cohere"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="embeddings", dialect=_NAME, path="/embed", versions=("/v2", ""), streams="never"),
    )
    field_names: Mapping[str, str] = {"inputs": "texts", "dimensions": "output_dimension", "task": "input_type"}

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
        task = fields.required_text("input_type")
        return EmbeddingsRequest(
            dialect=_NAME,
            model=model,
            inputs=_texts(fields),
            dimensions=fields.integer("output_dimension"),
            encodings=_encodings(fields),
            task=neutral_task(task, _TASKS),
            truncate=_truncate(fields, specific),
            specific=specific,
            rest=fields.rest(),
        )

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer in each form the caller wants."""
        forms: JsonObject = {}
        for form in request.encodings or ("float",):
            write = packed if form == "base64" else floats
            forms[form] = [write(vector) for vector in answer.vectors]
        meta: JsonObject = {"api_version": {"version": "2"}}
        if answer.usage is not None:
            meta |= render_usage(answer.usage)
        return msgspec.json.encode(
            {
                "id": answer.id,
                "texts": request.inputs,
                "embeddings": forms,
                "meta": meta,
                "response_type": "embeddings_by_type",
            }
        )

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    # the provider's side

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider.

        Raises:
            BadRequest: an input is a list of tokens.
        """
        drop_set_embeddings_fields(request, ("title", "user"), losses)
        body: JsonObject = {"model": request.model, "texts": text_inputs(request, "a Cohere")}
        body["input_type"] = carried_task(request, _TASKS, _NAME, losses) or _DEFAULT_TASK
        body["embedding_types"] = request.encodings or ("base64" if request.base64 else "float",)
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        if request.truncate is not None:
            body["truncate"] = _TRUNCATE[request.truncate]
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
        forms = as_object(value.get("embeddings"))
        found = forms.get("float") or forms.get("base64")
        if not isinstance(found, list):
            raise UpstreamGarbled("the provider's answer has no embeddings of type float or base64")
        vectors = tuple(map(read_vector, as_list(found)))
        if len(vectors) != len(request.inputs):
            raise UpstreamGarbled(f"the provider gave {len(vectors)} vectors for {len(request.inputs)} inputs")
        usage = read_usage(as_object(value.get("meta")))
        return EmbeddingsAnswer(model="", id=as_text(value.get("id")), vectors=vectors, usage=usage)

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model of a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage in an answer; the API does not say which model served."""
        try:
            found = _FACTS.decode(body)
        except NOT_JSON:
            return AnswerFacts()
        return AnswerFacts(usage=read_usage(found.meta or {}), id=found.id or "")


def _texts(fields: Fields) -> tuple[str, ...]:
    """Read `texts`, or `inputs` that hold nothing but text."""
    if fields.take("images") is not None:
        raise _picture("images")
    mixed, texts = fields.list("inputs"), fields.list("texts")
    if mixed is not None and texts is not None:
        raise BadRequest("inputs: stands beside `texts`; send one of the two", param="inputs")
    found: list[str] = []
    if mixed is not None:
        found = [_mixed(item, f"inputs[{position}]") for position, item in enumerate(mixed)]
    for position, text in enumerate(texts or ()):
        if not isinstance(text, str):
            param = f"texts[{position}]"
            raise BadRequest(f"{param}: expected a string", code="invalid_type", param=param)
        found.append(text)
    if not found:
        raise BadRequest("texts: required, an array of strings", code="missing_required_parameter", param="texts")
    return tuple(found)


def _mixed(item: Json, path: str) -> str:
    content = Fields(item, path).list("content") or []
    words: list[str] = []
    for position, block in enumerate(content):
        one = Fields(block, f"{path}.content[{position}]")
        if one.required_text("type") != "text":
            raise _picture(one.param("type"))
        words.append(one.required_text("text"))
    return "\n".join(words)


def _picture(param: str) -> BadRequest:
    return BadRequest(
        f"{param}: only a provider that speaks this API itself embeds pictures; send texts, or choose another model",
        code="unsupported_parameter",
        param=param,
    )


def _encodings(fields: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for position, form in enumerate(fields.list("embedding_types") or ("float",)):
        if form not in _FORMS:
            param = f"embedding_types[{position}]"
            raise BadRequest(
                f"{param}: the provider of this model gives float and base64 alone; leave {form!r} out",
                code="unsupported_parameter",
                param=param,
            )
        found.append(form)
    return tuple(found)


def _truncate(fields: Fields, specific: JsonObject) -> bool | None:
    word = fields.text("truncate")
    if word is None:
        return None
    found = next((cut for cut, own in _TRUNCATE.items() if own == word.upper()), None)
    if found is None:
        specific["truncate"] = word  # START: no other API cuts at the beginning
    return found


DIALECT: Final[EmbeddingsDialect] = CohereEmbeddings()
