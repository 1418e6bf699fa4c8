from typing import Any

import msgspec
import pytest
from tests.support.recordings import Recording, recordings

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsRequest
from tollway.core.errors import BadRequest
from tollway.dialects.registry import embeddings_dialect
from tollway.dialects.vertex_content_embeddings import DIALECT
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_MODEL = "gemini-embedding-2"


def _parse(body: object, action: str) -> EmbeddingsRequest:
    return DIALECT.parse_request(msgspec.json.encode(body), path_model=_MODEL, path_action=action)


def _sent(request: EmbeddingsRequest, losses: Losses | None = None) -> dict[str, Any]:
    return msgspec.json.decode(DIALECT.render_request(request, _PROVIDER, losses or Losses()))


def _content(text: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}}


def test_the_dialect_is_found_by_its_name() -> None:
    assert embeddings_dialect("vertex-content-embeddings") is DIALECT


def test_settings_stand_with_each_text_and_no_model_does() -> None:
    losses = Losses()
    request = EmbeddingsRequest(
        dialect="vertex-content-embeddings", model=_MODEL, inputs=("a", "b"), dimensions=8, task="clustering", user="u"
    )
    config = {"embedContentConfig": {"taskType": "CLUSTERING", "outputDimensionality": 8}}
    assert _sent(request, losses) == {"requests": [_content("a") | config, _content("b") | config]}
    assert losses.fields == ["user"]
    assert _parse(_sent(request), "batchEmbedContents") == msgspec.structs.replace(request, user=None)


def test_without_settings_there_is_no_place_for_them() -> None:
    assert _sent(EmbeddingsRequest(dialect="vertex-content-embeddings", model=_MODEL, inputs=("a",))) == {
        "requests": [_content("a")]
    }


def test_one_content_is_asked_for_as_a_batch_and_answered_as_one() -> None:
    request = _parse(_content("a") | {"embedContentConfig": {"outputDimensionality": 2}}, "embedContent")
    assert (request.single, request.dimensions) == (True, 2)
    assert _sent(request)["requests"] == [_content("a") | {"embedContentConfig": {"outputDimensionality": 2}}]
    body = msgspec.json.encode({"embeddings": [{"values": [1.0, 2.0]}]})
    answer = DIALECT.parse_answer(body, request)
    assert msgspec.json.decode(DIALECT.render_answer(answer, request)) == {"embedding": {"values": [1.0, 2.0]}}
    single = [shape.passes for shape in DIALECT.endpoints if shape.path.endswith(":embedContent")]
    assert single == [False, False]


def test_tokens_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(BadRequest):
        _sent(EmbeddingsRequest(dialect="vertex-content-embeddings", model=_MODEL, inputs=((1,),)))


def test_bytes_that_pass_are_not_touched() -> None:
    members: dict[str, msgspec.Raw] = {"requests": msgspec.Raw(b"[]")}
    DIALECT.rewrite_model(members, _MODEL)
    assert members == {"requests": msgspec.Raw(b"[]")}


@pytest.mark.parametrize("recording", recordings("vertex", "embeddings"), ids=lambda one: one.id)
def test_what_was_recorded_is_read(recording: Recording) -> None:
    request = _parse(recording.request_body, "embedContent")
    answer = DIALECT.parse_answer(recording.body, request)
    assert len(answer.vectors) == 1
    assert len(answer.vectors[0]) > 100
