"""What the rerank APIs have in common. They agree but for names, and for what they count.

Rules of this file:
- Documents are repeated in an answer from the request, so that every pair of APIs can.
- Fields of one API that another has no word for are dropped and reported.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import Json, JsonObject
from tollway.core.rerank import Ranked, RerankAnswer, RerankRequest
from tollway.core.usage import Usage
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, decode_answer, decode_request
from tollway.interfaces.dialect import AnswerFacts, Endpoint, InboundFormat
from tollway.interfaces.provider import Provider

_MOST_DOCUMENTS: Final = 10_000


class RankingWords(msgspec.Struct, frozen=True, kw_only=True):
    """What one API calls things."""

    top_n: str = "top_n"
    results: str = "results"
    returns_documents: bool = True
    """Whether it has `return_documents`; the version of an API without it never repeats them."""
    plain_documents: bool = False
    """Whether a repeated document is its text alone, in place of an object with a `text`."""
    objects: bool = False
    """Whether documents may be objects."""


class Ranking:
    """One rerank API, both sides of it. See `RerankDialect` for what each method promises."""

    def __init__(
        self,
        name: str,
        inbound: InboundFormat,
        endpoints: Sequence[Endpoint],
        words: RankingWords,
        *,
        usage: Callable[[JsonObject], Usage | None],
        meta: Callable[[RerankAnswer], JsonObject],
    ) -> None:
        """Describe it.

        Args:
            name: of the dialect.
            inbound: whose callers use it.
            endpoints: where.
            words: what it calls things.
            usage: reads what an answer counts.
            meta: writes what an answer says beside its results.
        """
        self.name: str = name
        self.format: InboundFormat = inbound
        self.endpoints: tuple[Endpoint, ...] = tuple(endpoints)
        self._words = words
        self._usage = usage
        self._meta = meta

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> RerankRequest:  # noqa: ARG002
        """Read a caller's request."""
        fields = Fields(decode_request(body))
        words = self._words
        return RerankRequest(
            model=path_model or fields.text("model") or "",
            query=fields.required_text("query"),
            documents=_documents(fields.take("documents")),
            top_n=fields.integer(words.top_n),
            return_documents=fields.flag("return_documents") if words.returns_documents else None,
            rest={name: value for name, value in fields.rest().items() if name != "model"},
            dialect=self.name,
        )

    def render_answer(self, answer: RerankAnswer, request: RerankRequest) -> bytes:
        """Write an answer; documents are repeated where the caller asked for them."""
        results: list[Json] = []
        for one in answer.results:
            result: JsonObject = {"index": one.index, "relevance_score": one.score}
            if request.return_documents:
                result["document"] = self._document(request.documents[one.index])
            results.append(result)
        return msgspec.json.encode({self._words.results: results, **self._meta(answer)})

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        if self.format == "cohere":
            return msgspec.json.encode({"message": error.message})
        return openai_errors.render_error(error)

    def render_request(self, request: RerankRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider. Documents are never asked back: they are at hand."""
        words = self._words
        documents: list[Json] = []
        for one in request.documents:
            if isinstance(one, str) or words.objects:
                documents.append(one)
            else:
                documents.append(_text_of(one))
                if len(one) > 1:
                    losses.drop("documents")
        body: JsonObject = {"model": request.model, "query": request.query, "documents": documents}
        if request.top_n is not None:
            body[words.top_n] = request.top_n
        if request.return_documents is not None and words.returns_documents:
            body["return_documents"] = False
        for name, value in request.rest.items():
            if request.dialect == self.name and name not in provider.unsupported:
                body.setdefault(name, value)
            else:
                losses.drop(name)
        return msgspec.json.encode(body)

    def parse_answer(self, body: bytes, request: RerankRequest) -> RerankAnswer:
        """Read a provider's answer."""
        value = decode_answer(body, "answer")
        results = value.get(self._words.results)
        if not isinstance(results, list):
            error = openai_errors.error_in_answer(value)
            raise error or UpstreamGarbled(f"the provider's answer has no `{self._words.results}`")
        ranked = sorted((_ranked(as_object(one), len(request.documents)) for one in as_list(results)), key=_by_score)
        return RerankAnswer(
            results=tuple(ranked),
            model=as_text(value.get("model")) or request.model,
            id=as_text(value.get("id")),
            usage=self._usage(value),
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
            value = as_object(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return AnswerFacts()
        return AnswerFacts(usage=self._usage(value), model=as_text(value.get("model")), id=as_text(value.get("id")))

    def _document(self, document: str | JsonObject) -> Json:
        if self._words.plain_documents:
            return document if isinstance(document, str) else _text_of(document)
        return {"text": document} if isinstance(document, str) else document


def _documents(value: Json) -> tuple[str | JsonObject, ...]:
    items = as_list(value)
    if not items or not all(isinstance(one, str | dict) for one in items):
        raise BadRequest(
            "documents: required; a list of texts, or of objects with a text",
            code="invalid_type" if value is not None else "missing_required_parameter",
            param="documents",
        )
    if len(items) > _MOST_DOCUMENTS:
        raise BadRequest(f"documents: more than {_MOST_DOCUMENTS}", code="too_many", param="documents")
    return tuple(one if isinstance(one, str) else as_object(one) for one in items)


def _text_of(document: JsonObject) -> str:
    text = document.get("text")
    if not isinstance(text, str):
        raise BadRequest(
            "documents: this model's provider ranks texts, and one document has no 'text'", param="documents"
        )
    return text


def _ranked(value: JsonObject, documents: int) -> Ranked:
    index, score = value.get("index"), value.get("relevance_score", value.get("score"))
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < documents:
        raise UpstreamGarbled("the provider ranked a document that was not sent")
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise UpstreamGarbled("the provider ranked a document without a score")
    return Ranked(index, float(score))


def _by_score(one: Ranked) -> tuple[float, int]:
    return -one.score, one.index
