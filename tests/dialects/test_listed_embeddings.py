from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.listed_embeddings import ListedEmbeddings, Words
from tollway.dialects.registry import embeddings_dialect
from tollway.providers.jina import PROVIDER

_DIALECT = ListedEmbeddings(
    "some-embeddings",
    Words(whose="a", dimensions="size", encoding="form", truncate="cut", task="kind", tasks={"query": "q"}),
)
_REQUEST = EmbeddingsRequest(dialect="openai-embeddings", model="m", inputs=("a", "b"))


def _sent(**more: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = msgspec.structs.replace(_REQUEST, **more)
    return msgspec.json.decode(_DIALECT.render_request(request, PROVIDER, losses)), losses.fields


@pytest.mark.parametrize("name", ["voyage-embeddings", "jina-embeddings"])
def test_each_is_found_by_its_name_and_no_caller_speaks_it(name: str) -> None:
    dialect = embeddings_dialect(name)
    assert (dialect.name, dialect.endpoints) == (name, ())
    with pytest.raises(BadRequest):
        dialect.parse_request(b"{}", path_model="", path_action="")


def test_fields_are_said_in_the_apis_words() -> None:
    body, lost = _sent(dimensions=8, base64=True, truncate=True, task="query", rest={"x": 1})
    assert body == {"model": "m", "input": ["a", "b"], "size": 8, "form": "base64", "cut": True, "kind": "q", "x": 1}
    assert lost == []


def test_a_form_without_a_word_is_not_said() -> None:
    assert "form" not in _sent()[0]


def test_what_has_no_word_is_named() -> None:
    body, lost = _sent(task="clustering", title="t", user="u", specific={"own": 1})
    assert (body, lost) == ({"model": "m", "input": ["a", "b"]}, ["title", "user", "own", "task"])


def test_what_the_provider_refuses_is_left_out() -> None:
    losses = Losses()
    provider = msgspec.structs.replace(PROVIDER, unsupported=frozenset({"x"}))
    _DIALECT.render_request(msgspec.structs.replace(_REQUEST, rest={"x": 1}), provider, losses)
    assert losses.fields == ["x"]


def _answer(*vectors: Any, **more: Any) -> bytes:
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return msgspec.json.encode({"object": "list", "data": data[::-1], "model": "served", **more})


def test_vectors_are_put_in_the_order_of_the_inputs() -> None:
    body = _answer([1.0], [2.0], usage={"total_tokens": 5})
    answer, facts = _DIALECT.parse_answer(body, _REQUEST), _DIALECT.facts(body)
    assert (answer.vectors, answer.model, answer.usage) == (((1.0,), (2.0,)), "served", Usage(input_fresh=5))
    assert (facts.model, facts.usage) == (answer.model, answer.usage)
    again = msgspec.json.decode(_DIALECT.render_answer(answer, _REQUEST))
    assert ([one["embedding"] for one in again["data"]], again["usage"]) == ([[1.0], [2.0]], {"total_tokens": 5})


@pytest.mark.parametrize("body", [b"", b"{}", _answer([1.0]), _answer([], [])], ids=["none", "no data", "one", "empty"])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        _DIALECT.parse_answer(body, _REQUEST)


def test_an_answer_that_counts_nothing_has_no_usage() -> None:
    assert _DIALECT.facts(_answer([1.0])).usage is None
    assert _DIALECT.facts(b"nope").usage is None
    written = _DIALECT.render_answer(EmbeddingsAnswer(model="", vectors=()), _REQUEST)
    assert msgspec.json.decode(written)["model"] == "m"


def test_errors_and_the_model() -> None:
    assert _DIALECT.parse_error(400, b'{"detail":"x"}', {}).message == "x"
    assert b'"x"' in _DIALECT.render_error(BadRequest("x"))
    members = {"model": msgspec.Raw(b'"a"')}
    _DIALECT.rewrite_model(members, "b")
    assert bytes(members["model"]) == b'"b"'
