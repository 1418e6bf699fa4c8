import base64
import struct
from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.cohere_embeddings import DIALECT
from tollway.dialects.registry import embeddings_dialect
from tollway.providers.cohere import PROVIDER

_ASKED = {"model": "m", "texts": ["a", "b"], "input_type": "search_query"}
_PACKED = base64.b64encode(struct.pack("<2f", 1.0, -0.5)).decode()


def _parse(**more: Any) -> EmbeddingsRequest:
    return DIALECT.parse_request(msgspec.json.encode({**_ASKED, **more}), path_model="", path_action="")


def _sent(request: EmbeddingsRequest) -> dict[str, Any]:
    return msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses()))


def test_it_is_found_by_its_name() -> None:
    assert embeddings_dialect("cohere-embeddings") is DIALECT


def test_a_request_is_read() -> None:
    request = _parse(truncate="NONE", output_dimension=8, max_tokens=4, x=1)
    assert request == EmbeddingsRequest(
        dialect="cohere-embeddings", model="m", inputs=("a", "b"), task="query", truncate=False, dimensions=8,
        encodings=("float",), specific={"max_tokens": 4}, rest={"x": 1},
    )  # fmt: skip


def test_a_request_comes_back_as_it_went() -> None:
    whole = {**_ASKED, "truncate": "START", "embedding_types": ["float"], "priority": 1, "x": 1}
    assert _sent(_parse(**{name: whole[name] for name in ("truncate", "embedding_types", "priority", "x")})) == whole


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**_ASKED, "model": None}, "model"),
        ({"model": "m", "texts": ["a"]}, "input_type"),
        ({**_ASKED, "texts": None}, "texts"),
        ({**_ASKED, "texts": []}, "texts"),
        ({**_ASKED, "texts": [1]}, "texts[0]"),
        ({**_ASKED, "images": ["data:"]}, "images"),
        ({**_ASKED, "inputs": []}, "inputs"),
        ({**_ASKED, "texts": None, "inputs": [{"content": [{"type": "image_url"}]}]}, "inputs[0].content[0].type"),
        ({**_ASKED, "embedding_types": ["float", "int8"]}, "embedding_types[1]"),
    ],
)
def test_what_is_wrong_or_no_other_provider_has_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        DIALECT.parse_request(msgspec.json.encode(body), path_model="", path_action="")
    assert refused.value.param == param


def test_texts_among_mixed_inputs_are_texts() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert _parse(texts=None, inputs=[{"content": content}]).inputs == ("a\nb",)


def test_every_form_wanted_is_written() -> None:
    answer = EmbeddingsAnswer(
        model="x", id="1", vectors=((1.0, -0.5), _PACKED), usage=Usage(input_fresh=3, billed_input=2)
    )
    found = msgspec.json.decode(DIALECT.render_answer(answer, _parse(embedding_types=["base64", "float"])))
    assert found["embeddings"] == {"base64": [_PACKED, _PACKED], "float": [[1.0, -0.5], [1.0, -0.5]]}
    assert (found["id"], found["texts"], found["response_type"]) == ("1", ["a", "b"], "embeddings_by_type")
    assert found["meta"]["billed_units"]["input_tokens"] == 2


@pytest.mark.parametrize("form", ["float", "base64"])
def test_an_answer_is_read_in_either_form(form: str) -> None:
    vector = _PACKED if form == "base64" else [1.0, -0.5]
    body = {"id": "1", "embeddings": {form: [vector, vector]}, "meta": {"billed_units": {"input_tokens": 2}}}
    answer = DIALECT.parse_answer(msgspec.json.encode(body), _parse())
    assert len(answer.vectors) == 2
    assert answer.usage == DIALECT.facts(msgspec.json.encode(body)).usage == Usage(input_fresh=2)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"embeddings":{"int8":[[1],[2]]}}', b'{"embeddings":{"float":[[1.0]]}}'], ids=repr
)
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        DIALECT.parse_answer(body, _parse())


def test_a_caller_who_does_not_say_what_for_gets_documents() -> None:
    request = EmbeddingsRequest(dialect="openai-embeddings", model="m", inputs=("a",), base64=True)
    assert _sent(request) == {
        "model": "m",
        "texts": ["a"],
        "input_type": "search_document",
        "embedding_types": ["base64"],
    }


def test_errors_the_model_and_a_strange_body() -> None:
    assert DIALECT.render_error(BadRequest("x")) == b'{"message":"x"}'
    assert DIALECT.parse_error(400, b'{"message":"x"}', {}).message == "x"
    members = {"model": msgspec.Raw(b'"a"')}
    DIALECT.rewrite_model(members, "b")
    assert bytes(members["model"]) == b'"b"'
    assert DIALECT.facts(b"nope").usage is None
