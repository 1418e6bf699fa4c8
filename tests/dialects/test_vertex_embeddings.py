from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.registry import embeddings_dialect
from tollway.dialects.vertex_embeddings import DIALECT
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())


def _parse(body: object) -> EmbeddingsRequest:
    return DIALECT.parse_request(msgspec.json.encode(body), path_model="text-embedding-005", path_action="predict")


def _sent(request: EmbeddingsRequest, losses: Losses | None = None) -> dict[str, Any]:
    return msgspec.json.decode(DIALECT.render_request(request, _PROVIDER, losses or Losses()))


def _prediction(*values: float, tokens: float = 3) -> dict[str, Any]:
    return {"embeddings": {"statistics": {"truncated": False, "token_count": tokens}, "values": list(values)}}


def test_the_dialect_is_found_by_its_name() -> None:
    assert embeddings_dialect("vertex-embeddings") is DIALECT


def test_instances_are_inputs() -> None:
    request = _parse(
        {
            "instances": [{"content": "a", "task_type": "CLUSTERING"}, {"content": "b", "taskType": "CLUSTERING"}],
            "parameters": {"outputDimensionality": 8, "autoTruncate": False},
            "new": 1,
        }
    )
    assert request == EmbeddingsRequest(
        dialect="vertex-embeddings",
        model="text-embedding-005",
        inputs=("a", "b"),
        task="clustering",
        dimensions=8,
        rest={"new": 1, "parameters": {"autoTruncate": False}},
    )
    assert _sent(request) == {
        "instances": [{"content": "a", "task_type": "CLUSTERING"}, {"content": "b", "task_type": "CLUSTERING"}],
        "parameters": {"outputDimensionality": 8, "autoTruncate": False},
        "new": 1,
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "instances"),
        ({"instances": []}, "instances"),
        ({"instances": [{"title": "t"}]}, "instances[0].content"),
        ({"instances": ["a"]}, "instances[0]"),
        ({"instances": [{"content": "a"}, {"content": "b", "title": "t"}]}, "instances[1]"),
        ({"instances": [{"content": "a", "mimeType": "x"}]}, "instances[0].mimeType"),
        ({"instances": [{"content": "a"}], "parameters": {"outputDimensionality": "8"}},
         "parameters.outputDimensionality"),
    ],
    ids=["nothing", "none", "no text", "no object", "several titles", "unknown", "not a number"],
)  # fmt: skip
def test_what_cannot_be_read_is_named(body: object, param: str) -> None:
    with pytest.raises(BadRequest) as raised:
        _parse(body)
    assert raised.value.param == param


def test_callers_of_other_apis_are_written() -> None:
    losses = Losses()
    request = EmbeddingsRequest(
        dialect="vertex-embeddings", model="m", inputs=("a",), single=True, dimensions=4, user="u"
    )
    assert _sent(request, losses) == {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 4}}
    assert losses.fields == ["user"]


def test_tokens_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(BadRequest) as raised:
        _sent(EmbeddingsRequest(dialect="openai-embeddings", model="m", inputs=((1, 2),)))
    assert raised.value.param == "input[0]"


def test_an_answer_is_read_and_its_tokens_added_up() -> None:
    body = msgspec.json.encode({"predictions": [_prediction(0.5, 1), _prediction(0.25, tokens=4.0)]})
    request = EmbeddingsRequest(dialect="vertex-embeddings", model="m", inputs=("a", "b"))
    answer = DIALECT.parse_answer(body, request)
    assert answer == EmbeddingsAnswer(model="m", vectors=((0.5, 1.0), (0.25,)), usage=Usage(input_fresh=7))
    assert DIALECT.facts(body).usage == Usage(input_fresh=7)
    written = msgspec.json.decode(DIALECT.render_answer(answer, request))
    assert written["predictions"] == [_prediction(0.5, 1, tokens=7), _prediction(0.25, tokens=0)]


@pytest.mark.parametrize(
    "body",
    [{}, {"predictions": []}, {"predictions": [{}]}, {"predictions": [{"embeddings": {"values": ["x"]}}]}, []],
    ids=["nothing", "too few", "no values", "no numbers", "a list"],
)
def test_what_the_api_does_not_promise_is_refused(body: object) -> None:
    with pytest.raises(UpstreamGarbled):
        DIALECT.parse_answer(
            msgspec.json.encode(body), EmbeddingsRequest(dialect="vertex-embeddings", model="m", inputs=("a",))
        )


@given(st.binary(max_size=60) | st.sampled_from([b'{"predictions":[{"embeddings":5}]}', b"[" * 5000]))
def test_facts_never_fail(body: bytes) -> None:
    assert DIALECT.facts(body).usage is None


@given(
    st.lists(st.text(max_size=9), min_size=1, max_size=4),
    st.none() | st.sampled_from(["clustering", "query", "CODE_RETRIEVAL_QUERY"]),
    st.none() | st.integers(1, 3072),
)
def test_what_is_written_is_read_again(inputs: list[str], task: str | None, dimensions: int | None) -> None:
    request = EmbeddingsRequest(
        dialect="vertex-embeddings",
        model="text-embedding-005",
        inputs=tuple(inputs),
        task=task,
        dimensions=dimensions,
        rest={"new": [1]},
    )
    assert _parse(_sent(request)) == request
