import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.validators import complaints

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, UpstreamAnswered, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.openai_embeddings import DIALECT
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())


def _parse(**fields: Any) -> EmbeddingsRequest:
    return DIALECT.parse_request(msgspec.json.encode({"model": "m", **fields}), path_model="", path_action="")


@pytest.mark.parametrize(
    ("given_input", "inputs", "single"),
    [
        ("a", ("a",), True),
        (["a", "b"], ("a", "b"), False),
        (["a"], ("a",), False),
        ([1, 2], ((1, 2),), True),
        ([[1, 2], [3]], ((1, 2), (3,)), False),
    ],
    ids=["text", "texts", "one-text", "tokens", "token-lists"],
)
def test_input_is_read_and_written_back_as_it_came(given_input: Any, inputs: Any, single: bool) -> None:
    request = _parse(input=given_input)
    assert (request.inputs, request.single) == (inputs, single)
    sent = msgspec.json.decode(DIALECT.render_request(request, _PROVIDER, Losses()))
    assert sent == {"model": "m", "input": given_input, "encoding_format": "float"}


@pytest.mark.parametrize("given_input", [None, [], [[]], 7, {"a": 1}, ["a", 1], [1, "a"], [[1], "a"], [True], [[1.5]]])
def test_input_of_any_other_form_is_refused(given_input: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        _parse(input=given_input)
    assert caught.value.param == "input"


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        _parse(input="a", encoding_format="int8")
    assert caught.value.param == "encoding_format"


def test_every_field_reaches_the_provider_and_unknown_ones_pass() -> None:
    request = _parse(input="a", dimensions=256, encoding_format="base64", user="u", truncate=True)
    sent = msgspec.json.decode(DIALECT.render_request(request, _PROVIDER, Losses()))
    assert sent == {
        "model": "m",
        "input": "a",
        "dimensions": 256,
        "encoding_format": "base64",
        "user": "u",
        "truncate": True,
    }


def test_what_the_provider_refuses_and_what_this_api_has_no_word_for_is_reported() -> None:
    losses = Losses()
    request = EmbeddingsRequest(
        dialect="gemini-embeddings", model="m", inputs=("a",), single=True, task="SEARCH", user="u"
    )
    provider = msgspec.structs.replace(_PROVIDER, unsupported=frozenset({"user"}))
    assert "user" not in msgspec.json.decode(DIALECT.render_request(request, provider, losses))
    assert losses.fields == ["taskType", "user"]


def _answer(*vectors: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(vectors)]
    return msgspec.json.encode({"object": "list", "data": data, "model": "served", **more})


def test_vectors_are_put_in_the_order_of_the_inputs() -> None:
    body = msgspec.json.decode(_answer([1.0], [2.0]))
    body["data"].reverse()
    answer = DIALECT.parse_answer(msgspec.json.encode(body), _parse(input=["a", "b"]))
    assert answer.vectors == ((1.0,), (2.0,))


@pytest.mark.parametrize("vector", [[], ["x"], [True], None, "not base64!", "AAA=", [1e300]], ids=repr)
def test_a_vector_that_is_none_is_the_providers_error(vector: Any) -> None:
    with pytest.raises(UpstreamGarbled):
        DIALECT.parse_answer(_answer(vector), _parse(input="a"))


def test_a_wrong_number_of_vectors_is_the_providers_error() -> None:
    with pytest.raises(UpstreamGarbled, match="1 vectors for 2 inputs"):
        DIALECT.parse_answer(_answer([1.0]), _parse(input=["a", "b"]))


def test_an_error_sent_as_a_success_is_still_an_error() -> None:
    with pytest.raises(UpstreamAnswered, match="no such model"):
        DIALECT.parse_answer(b'{"error":{"message":"no such model","code":404}}', _parse(input="a"))
    with pytest.raises(UpstreamGarbled):
        DIALECT.parse_answer(b"{}", _parse(input="a"))


@given(
    st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False, max_value=2.0**100, min_value=-(2.0**100)),
        min_size=1,
    )
)
def test_floats_and_base64_say_the_same(numbers: list[float]) -> None:
    wants_base64 = _parse(input="a", encoding_format="base64")
    wants_floats = _parse(input="a")
    packed = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    from_floats = EmbeddingsAnswer(model="m", vectors=(tuple(numbers),))
    from_base64 = EmbeddingsAnswer(model="m", vectors=(packed,))
    for answer in (from_floats, from_base64):
        assert msgspec.json.decode(DIALECT.render_answer(answer, wants_base64))["data"][0]["embedding"] == packed
        assert msgspec.json.decode(DIALECT.render_answer(answer, wants_floats))["data"][0]["embedding"] == numbers


def test_an_answer_is_what_the_sdk_and_the_schema_want_even_without_usage() -> None:
    request = _parse(input="a")
    for usage in (None, Usage(input_fresh=3)):
        answer = EmbeddingsAnswer(model="", vectors=((0.5,),), usage=usage)
        body = msgspec.json.decode(DIALECT.render_answer(answer, request))
        assert complaints("openai.embeddings", body) == []
        assert body["model"] == "m"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"prompt_tokens": 4, "total_tokens": 4}, 4), ({"total_tokens": 4}, 4), ({"prompt_tokens": 4}, 4)],
)
def test_usage_is_found_with_and_without_reading_the_vectors(usage: dict[str, int], tokens: int) -> None:
    body = _answer([1.0], usage=usage)
    facts = DIALECT.facts(body)
    answer = DIALECT.parse_answer(body, _parse(input="a"))
    assert facts.model == "served"
    assert facts.usage == answer.usage
    assert facts.usage is not None
    assert facts.usage.input_tokens == tokens


@pytest.mark.parametrize("body", [b"", b"[]", b'{"usage":3}', b"{"])
def test_glancing_never_fails(body: bytes) -> None:
    assert DIALECT.facts(body).usage is None


def test_the_model_of_a_raw_request_is_set() -> None:
    members = {"model": msgspec.Raw(b'"a"'), "input": msgspec.Raw(b'"x"')}
    DIALECT.rewrite_model(members, 'b"')
    assert msgspec.json.encode(members) == b'{"model":"b\\"","input":"x"}'


def test_errors_are_those_of_the_family() -> None:
    error = DIALECT.parse_error(404, b'{"error":{"message":"no","type":"invalid_request_error"}}', {})
    assert msgspec.json.decode(DIALECT.render_error(error))["error"]["message"] == "no"
