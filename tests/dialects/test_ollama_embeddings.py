from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.ollama_embeddings import DIALECT
from tollway.dialects.registry import embeddings_dialect
from tollway.providers.ollama import PROVIDER


def _parse(**more: Any) -> EmbeddingsRequest:
    body = {"model": "m", "input": ["a", "b"], **more}
    return DIALECT.parse_request(msgspec.json.encode(body), path_model="", path_action="")


def test_it_is_found_by_its_name() -> None:
    assert embeddings_dialect("ollama-embeddings") is DIALECT


def test_a_request_is_read_and_comes_back() -> None:
    own = {"options": {"num_ctx": 1}, "keep_alive": 0}
    whole = {"model": "m", "input": "a", "truncate": False, "dimensions": 8, **own, "x": 1}
    request = DIALECT.parse_request(msgspec.json.encode(whole), path_model="", path_action="")
    assert (request.inputs, request.single, request.truncate) == (("a",), True, False)
    losses = Losses()
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, losses)) == whole
    assert losses.fields == []


@pytest.mark.parametrize("value", [None, [], [1], ["a", 1], {}, 7], ids=repr)
def test_what_is_no_input_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        _parse(input=value)
    assert refused.value.param == "input"


def test_an_answer_is_written_as_numbers() -> None:
    answer = EmbeddingsAnswer(model="", vectors=("AACAPw==", (0.5,)), usage=Usage(input_fresh=3))
    assert msgspec.json.decode(DIALECT.render_answer(answer, _parse())) == {
        "model": "m",
        "embeddings": [[1.0], [0.5]],
        "prompt_eval_count": 3,
    }


def test_an_answer_is_read() -> None:
    body = b'{"model":"served","embeddings":[[1.0],[0.5]],"prompt_eval_count":3}'
    answer, facts = DIALECT.parse_answer(body, _parse()), DIALECT.facts(body)
    assert (answer.vectors, answer.model, answer.usage) == (((1.0,), (0.5,)), "served", Usage(input_fresh=3))
    assert (facts.model, facts.usage) == (answer.model, answer.usage)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings":[[1.0]]}', b'{"embeddings":[[],[]]}'], ids=repr)
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        DIALECT.parse_answer(body, _parse())


def test_errors_the_model_and_a_strange_body() -> None:
    assert DIALECT.render_error(BadRequest("x")) == b'{"error":"x"}'
    assert DIALECT.parse_error(400, b'{"error":"x"}', {}).message == "x"
    members = {"model": msgspec.Raw(b'"a"')}
    DIALECT.rewrite_model(members, "b")
    assert bytes(members["model"]) == b'"b"'
    assert DIALECT.facts(b"nope").usage is None
