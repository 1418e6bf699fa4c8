"""Rankings through every pair of APIs; what an answer counts; what strangers send."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.rerank import Ranked, RerankAnswer, RerankRequest
from tollway.core.usage import Usage
from tollway.dialects.cohere_rerank import DIALECT as COHERE
from tollway.dialects.jina_rerank import DIALECT as JINA
from tollway.dialects.voyage_rerank import DIALECT as VOYAGE
from tollway.interfaces.dialect import RerankDialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
DIALECTS = [COHERE, JINA, VOYAGE]
EACH = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
PAIRS = pytest.mark.parametrize(
    ("inbound", "outbound"),
    list(itertools.product(DIALECTS, DIALECTS)),
    ids=lambda one: one.name,
)
TOP = {"cohere-rerank": "top_n", "jina-rerank": "top_n", "voyage-rerank": "top_k"}
RESULTS = {"cohere-rerank": "results", "jina-rerank": "results", "voyage-rerank": "data"}
USED = {
    "cohere-rerank": ({"meta": {"billed_units": {"search_units": 2}}}, Usage(search_units=2)),
    "jina-rerank": ({"usage": {"total_tokens": 30, "prompt_tokens": 30}}, Usage(input_fresh=30)),
    "voyage-rerank": ({"usage": {"total_tokens": 30}}, Usage(input_fresh=30)),
}


def read(dialect: RerankDialect, **fields: Any) -> RerankRequest:
    body = {"model": "m", "query": "q", "documents": ["a", "b", "c"], **fields}
    return dialect.parse_request(msgspec.json.encode(body), path_model="", path_action="")


def answered(dialect: RerankDialect, results: Any, request: RerankRequest, **more: Any) -> RerankAnswer:
    return dialect.parse_answer(msgspec.json.encode({RESULTS[dialect.name]: results, **more}), request)


@PAIRS
def test_a_request_says_the_same_in_every_api(inbound: RerankDialect, outbound: RerankDialect) -> None:
    losses = Losses()
    request = read(inbound, **{TOP[inbound.name]: 2}, return_documents=True)
    sent = msgspec.json.decode(outbound.render_request(request, PROVIDER, losses))
    assert sent == {
        "model": "m",
        "query": "q",
        "documents": ["a", "b", "c"],
        TOP[outbound.name]: 2,
        "return_documents": False,
    }
    assert losses.fields == []


@PAIRS
def test_an_answer_comes_back_in_the_callers_own_api(inbound: RerankDialect, outbound: RerankDialect) -> None:
    request = read(inbound, return_documents=True)
    reported, usage = USED[outbound.name]
    results = [{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.9}]
    answer = answered(outbound, results, request, **reported)
    assert answer.results == (Ranked(2, 0.9), Ranked(0, 0.1))
    assert answer.usage == usage
    body = msgspec.json.decode(inbound.render_answer(answer, request))
    shown = body[RESULTS[inbound.name]]
    assert [(one["index"], one["relevance_score"]) for one in shown] == [(2, 0.9), (0, 0.1)]
    assert [one["document"] for one in shown] == (["c", "a"] if inbound is VOYAGE else [{"text": "c"}, {"text": "a"}])
    if inbound is outbound:
        assert {name: body[name] for name in reported} == reported or inbound is COHERE


@PAIRS
def test_documents_are_not_repeated_unless_asked_for(inbound: RerankDialect, outbound: RerankDialect) -> None:
    request = read(inbound)
    answer = answered(outbound, [{"index": 1, "relevance_score": 0.5}], request)
    (shown,) = msgspec.json.decode(inbound.render_answer(answer, request))[RESULTS[inbound.name]]
    assert shown == {"index": 1, "relevance_score": 0.5}


def test_fields_of_one_api_stay_within_it_and_are_reported_elsewhere() -> None:
    request = read(COHERE, max_tokens_per_doc=99)
    losses = Losses()
    assert msgspec.json.decode(COHERE.render_request(request, PROVIDER, losses))["max_tokens_per_doc"] == 99
    assert losses.fields == []
    assert "max_tokens_per_doc" not in msgspec.json.decode(JINA.render_request(request, PROVIDER, losses))
    assert losses.fields == ["max_tokens_per_doc"]


def test_documents_that_are_objects_become_texts_where_only_texts_are_taken() -> None:
    request = read(COHERE, documents=[{"text": "a", "title": "T"}, "b"])
    losses = Losses()
    assert msgspec.json.decode(VOYAGE.render_request(request, PROVIDER, losses))["documents"] == ["a", "b"]
    assert losses.fields == ["documents"]
    with pytest.raises(BadRequest, match="has no 'text'"):
        VOYAGE.render_request(read(COHERE, documents=[{"title": "T"}]), PROVIDER, Losses())


@EACH
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("query", None),
        ("query", 3),
        ("documents", None),
        ("documents", []),
        ("documents", ["a", 3]),
        ("documents", "a"),
        ("documents", ["a"] * 10_001),
        ("model", 3),
    ],
)
def test_what_is_wrong_is_named(dialect: RerankDialect, field: str, value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read(dialect, **{field: value})
    assert caught.value.param == field


@EACH
@pytest.mark.parametrize(
    "results",
    [
        None,
        {},
        [{}],
        [{"index": 3, "relevance_score": 1}],
        [{"index": -1, "relevance_score": 1}],
        [{"index": True}],
        [{"index": 0}],
        [{"index": 0, "relevance_score": "x"}],
    ],
    ids=str,
)
def test_an_answer_that_is_none_is_garbled(dialect: RerankDialect, results: Any) -> None:
    with pytest.raises(UpstreamGarbled):
        answered(dialect, results, read(dialect))


@EACH
def test_facts_are_found_without_the_request(dialect: RerankDialect) -> None:
    reported, usage = USED[dialect.name]
    body = msgspec.json.encode({RESULTS[dialect.name]: [], "model": "served", "id": "i", **reported})
    facts = dialect.facts(body)
    assert (facts.usage, facts.model, facts.id) == (usage, "served", "i")
    assert dialect.facts(b"{}").usage is None
    assert dialect.facts(b"[").usage is None


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    for dialect in DIALECTS:
        dialect.facts(body)
        dialect.parse_error(500, body, {})
        with pytest.raises(BadRequest):
            dialect.parse_request(body, path_model="", path_action="")


@EACH
def test_an_error_is_written_in_the_apis_own_way(dialect: RerankDialect) -> None:
    body = msgspec.json.decode(dialect.render_error(BadRequest("no")))
    assert body == {"message": "no"} if dialect is COHERE else body["error"]["message"] == "no"


@EACH
def test_another_model_is_set_in_a_raw_request(dialect: RerankDialect) -> None:
    members = {"model": msgspec.Raw(b'"a"')}
    dialect.rewrite_model(members, "b")
    assert bytes(members["model"]) == b'"b"'
