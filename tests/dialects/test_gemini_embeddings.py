import base64
import struct
from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.gemini_embeddings import DIALECT
from tollway.dialects.registry import embeddings_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())


def _content(*words: str) -> dict[str, Any]:
    return {"parts": [{"text": word} for word in words]}


def _parse(body: object, action: str = "batchEmbedContents") -> EmbeddingsRequest:
    return DIALECT.parse_request(msgspec.json.encode(body), path_model="gemini-embedding-001", path_action=action)


def _sent(request: EmbeddingsRequest) -> dict[str, Any]:
    return msgspec.json.decode(DIALECT.render_request(request, _PROVIDER, Losses()))


def test_the_dialect_is_found_by_its_name() -> None:
    assert embeddings_dialect("gemini-embeddings") is DIALECT


def test_one_content_is_one_input() -> None:
    request = _parse(
        {"content": _content("a ", "b"), "task_type": "RETRIEVAL_QUERY", "outputDimensionality": 8, "x": 1},
        "embedContent",
    )
    assert request == EmbeddingsRequest(
        dialect="gemini-embeddings",
        model="gemini-embedding-001",
        inputs=("a b",),
        single=True,
        task="query",
        dimensions=8,
        rest={"x": 1},
    )


def test_a_batch_is_many_inputs() -> None:
    request = _parse(
        {
            "requests": [
                {"model": "models/m", "content": _content("a"), "title": "t"},
                {"content": _content("b"), "title": "t"},
            ]
        }
    )
    assert (request.inputs, request.single, request.title) == (("a", "b"), False, "t")


def test_settings_may_lie_in_a_config() -> None:
    assert (
        _parse({"content": _content("a"), "embedContentConfig": {"taskType": "CLUSTERING"}}, "embedContent").task
        == "clustering"
    )


@pytest.mark.parametrize(
    ("body", "action", "param"),
    [
        ({}, "embedContent", "content"),
        ({"content": {"parts": [{"inlineData": {}}]}}, "embedContent", "content.parts[0].text"),
        ({}, "batchEmbedContents", "requests"),
        ({"requests": [{"content": {"parts": ["a"]}}]}, "batchEmbedContents", "requests[0].content.parts[0]"),
        (
            {
                "requests": [
                    {"content": {"parts": [{"text": "a"}]}},
                    {"content": {"parts": [{"text": "b"}]}, "taskType": "X"},
                ]
            },
            "batchEmbedContents",
            "requests[1]",
        ),
    ],
)
def test_a_callers_mistake_is_named(body: object, action: str, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _parse(body, action)
    assert refused.value.param == param


@pytest.mark.parametrize("single", [True, False])
def test_a_provider_always_gets_a_batch(single: bool) -> None:
    request = EmbeddingsRequest(
        dialect="gemini-embeddings",
        model="m",
        inputs=("a",),
        single=single,
        dimensions=3,
        task="T",
        title="t",
        rest={"x": 1},
    )
    assert _sent(request) == {
        "x": 1,
        "requests": [
            {
                "model": "models/m",
                "taskType": "T",
                "title": "t",
                "outputDimensionality": 3,
                "content": {"parts": [{"text": "a"}]},
            }
        ],
    }
    again = DIALECT.parse_request(msgspec.json.encode(_sent(request)), path_model="m", path_action="batchEmbedContents")
    assert again == msgspec.structs.replace(request, single=False)


def test_tokens_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        _sent(EmbeddingsRequest(dialect="openai-embeddings", model="m", inputs=("a", (1, 2))))
    assert refused.value.param == "input[1]"


def test_the_user_is_dropped_and_reported() -> None:
    losses = Losses()
    DIALECT.render_request(
        EmbeddingsRequest(dialect="openai-embeddings", model="m", inputs=("a",), user="u"), _PROVIDER, losses
    )
    assert losses.fields == ["user"]


@pytest.mark.parametrize(
    ("body", "count"),
    [({"embeddings": [{"values": [1, 2.5]}, {"values": [3, 4]}]}, 2), ({"embedding": {"values": [1, 2.5]}}, 1)],
)
def test_an_answer_has_a_vector_an_input(body: object, count: int) -> None:
    request = EmbeddingsRequest(dialect="gemini-embeddings", model="m", inputs=("a",) * count)
    answer = DIALECT.parse_answer(msgspec.json.encode(body), request)
    assert (answer.vectors[0], len(answer.vectors), answer.usage) == ((1.0, 2.5), count, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"embeddings":[]}',
        b'{"embeddings":[{"values":"x"}]}',
        b'{"embeddings":[{"values":[1]},{"values":[1]}]}',
    ],
)
def test_anything_else_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        DIALECT.parse_answer(body, EmbeddingsRequest(dialect="gemini-embeddings", model="m", inputs=("a",)))


def test_usage_is_read_and_written() -> None:
    body = b'{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}'
    request = EmbeddingsRequest(dialect="gemini-embeddings", model="m", inputs=("a",))
    answer = DIALECT.parse_answer(body, request)
    assert answer.usage == Usage(input_fresh=7)
    assert DIALECT.facts(body).usage == Usage(input_fresh=7)
    assert msgspec.json.decode(DIALECT.render_answer(answer, request))["usageMetadata"] == {
        "promptTokenCount": 7,
        "totalTokenCount": 7,
    }


@pytest.mark.parametrize("body", [b"", b"[]", b'{"usageMetadata":1}'])
def test_glancing_never_raises(body: bytes) -> None:
    assert DIALECT.facts(body).usage is None


@pytest.mark.parametrize(
    ("single", "expected"),
    [(True, {"embedding": {"values": [1.0, -0.5]}}), (False, {"embeddings": [{"values": [1.0, -0.5]}]})],
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_caller_gets_numbers_in_the_shape_it_asked_for(single: bool, packed: bool, expected: object) -> None:
    vector = base64.b64encode(struct.pack("<2f", 1.0, -0.5)).decode() if packed else (1.0, -0.5)
    answer = EmbeddingsAnswer(model="m", vectors=(vector,))
    request = EmbeddingsRequest(dialect="gemini-embeddings", model="m", inputs=("a",), single=single)
    assert msgspec.json.decode(DIALECT.render_answer(answer, request)) == expected


def test_base64_that_is_none_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        DIALECT.render_answer(
            EmbeddingsAnswer(model="m", vectors=("%%",)),
            EmbeddingsRequest(dialect="gemini-embeddings", model="m", inputs=("a",)),
        )


def test_the_model_is_set_wherever_the_body_repeats_it() -> None:
    members = {
        "model": msgspec.Raw(b'"models/a"'),
        "requests": msgspec.Raw(b'[{"model":"models/a","content":{"parts":[]}},{"content":{}}]'),
    }
    DIALECT.rewrite_model(members, "b")
    assert msgspec.json.decode(msgspec.json.encode(members)) == {
        "model": "models/b",
        "requests": [{"model": "models/b", "content": {"parts": []}}, {"model": "models/b", "content": {}}],
    }
    alone: dict[str, msgspec.Raw] = {"content": msgspec.Raw(b"{}")}
    DIALECT.rewrite_model(alone, "b")
    assert alone == {"content": msgspec.Raw(b"{}")}
    strange = {"requests": msgspec.Raw(b"7")}
    DIALECT.rewrite_model(strange, "b")
    assert strange == {"requests": msgspec.Raw(b"7")}


def test_errors_are_googles() -> None:
    error = DIALECT.parse_error(400, b'{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}', {})
    assert msgspec.json.decode(DIALECT.render_error(error))["error"] == {
        "code": 400,
        "message": "no",
        "status": "INVALID_ARGUMENT",
    }
