"""OpenAI's Embeddings API, and the servers that speak it."""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import Fields, as_count, as_list, as_object, as_text, decode_answer, decode_request
from tollway.dialects.embeddings_carrying import carried_embeddings_specific, drop_set_embeddings_fields
from tollway.dialects.openai_paths import VERSIONS
from tollway.dialects.vectors import floats, packed, read_vector
from tollway.interfaces.dialect import AnswerFacts, EmbeddingsDialect, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider

NAME: Final = "openai-embeddings"


class _Facts(msgspec.Struct):
    """The few members the meter wants; the vectors are skipped, not built."""

    model: str | None = None
    usage: JsonObject | None = None


_FACTS: Final = msgspec.json.Decoder(_Facts)


class OpenAIEmbeddings:
    """The dialect. See `EmbeddingsDialect` for what each method promises."""

    name: str = NAME
    format: InboundFormat = "openai"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="embeddings", dialect=NAME, path="/embeddings", versions=VERSIONS, streams="never"),
    )
    field_names: Mapping[str, str] = {"inputs": "input"}

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> EmbeddingsRequest:  # noqa: ARG002
        """Read a caller's request."""
        fields = Fields(decode_request(body))
        inputs, single = _inputs(fields.take("input"))
        encoding = fields.text("encoding_format")
        if encoding not in {None, "float", "base64"}:
            raise BadRequest(
                f"encoding_format: {encoding!r} is none of float, base64", code="invalid_value", param="encoding_format"
            )
        return EmbeddingsRequest(
            dialect=NAME,
            model=path_model or fields.text("model") or "",
            inputs=inputs,
            single=single,
            dimensions=fields.integer("dimensions"),
            base64=encoding == "base64",
            user=fields.text("user"),
            rest={name: value for name, value in fields.rest().items() if name != "model"},
        )

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer, vectors as floats or as base64, as the caller asked."""
        usage = answer.usage or Usage(source="none")
        form = packed if request.base64 else floats
        body: JsonObject = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": form(vector)}
                for index, vector in enumerate(answer.vectors)
            ],
            "model": answer.model or request.model,
            "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.total_tokens},
        }
        return msgspec.json.encode(body)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider."""
        inputs: Json = request.inputs[0] if request.single else request.inputs
        body: JsonObject = {"model": request.model, "input": inputs}
        # Floats are what every server can give; base64 is left to those who asked for it.
        body["encoding_format"] = "base64" if request.base64 else "float"
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.user is not None:
            body["user"] = request.user
        drop_set_embeddings_fields(request, ("task", "title", "truncate"), losses)
        carried_embeddings_specific(request, NAME, losses)
        for name, value in request.rest.items():
            body.setdefault(name, value)
        for name in [name for name in body if name in provider.unsupported]:
            del body[name]
            losses.drop(name)
        for name in provider.renamed.keys() & body.keys():
            body[provider.renamed[name]] = body.pop(name)
        return msgspec.json.encode(body)

    def parse_answer(self, body: bytes, request: EmbeddingsRequest) -> EmbeddingsAnswer:
        """Read a provider's answer; vectors are put in the order of the inputs."""
        value = decode_answer(body, "answer")
        data = value.get("data")
        if not isinstance(data, list):
            error = openai_errors.error_in_answer(value)
            raise error or UpstreamGarbled("the provider's answer has no `data`")
        entries = [as_object(one) for one in as_list(data)]
        if all(isinstance(one.get("index"), int) for one in entries):
            entries.sort(key=lambda one: cast("int", one["index"]))
        if len(entries) != len(request.inputs):
            raise UpstreamGarbled(f"the provider gave {len(entries)} vectors for {len(request.inputs)} inputs")
        return EmbeddingsAnswer(
            model=as_text(value.get("model")),
            vectors=tuple(read_vector(one.get("embedding")) for one in entries),
            usage=_usage(as_object(value.get("usage"))),
            rest={name: one for name, one in value.items() if name not in {"object", "data", "model", "usage"}},
        )

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return openai_errors.parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model of a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in an answer."""
        try:
            found = _FACTS.decode(body)
        except NOT_JSON:
            return AnswerFacts()
        return AnswerFacts(usage=_usage(found.usage or {}), model=found.model or "")


def _inputs(value: Json) -> tuple[tuple[str | tuple[int, ...], ...], bool]:
    """Read `input`: a text, texts, a list of tokens, or lists of tokens."""
    if isinstance(value, str):
        return (value,), True
    items = as_list(value)
    if items and all(_is_token(one) for one in items):
        return (tuple(items),), True
    if items and all(isinstance(one, str) for one in items):
        return tuple(items), False
    if items and all(as_list(one) and all(_is_token(token) for token in as_list(one)) for one in items):
        return tuple(tuple(one) for one in items), False
    raise BadRequest(
        "input: required; a string, an array of strings, or one or more arrays of tokens; not empty, not mixed",
        code="invalid_type" if value is not None else "missing_required_parameter",
        param="input",
    )


def _is_token(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _usage(value: JsonObject) -> Usage | None:
    if "prompt_tokens" not in value and "total_tokens" not in value:
        return None
    total = as_count(value.get("total_tokens"))
    prompt = as_count(value.get("prompt_tokens")) or total
    return usage_from_totals(prompt, max(total - prompt, 0))


DIALECT: Final[EmbeddingsDialect] = OpenAIEmbeddings()
