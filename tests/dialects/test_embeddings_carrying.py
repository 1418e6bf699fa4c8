import pytest

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsRequest
from tollway.core.errors import BadRequest
from tollway.dialects.embeddings_carrying import (
    carried_embeddings_specific,
    carried_task,
    drop_set_embeddings_fields,
    embeddings_field_name,
    neutral_task,
    text_inputs,
)

_WORDS = {"query": "Q", "document": "D"}


def _request(dialect: str = "gemini-embeddings", **more: object) -> EmbeddingsRequest:
    return EmbeddingsRequest(dialect=dialect, model="m", inputs=("a",), **more)  # type: ignore[arg-type]


def test_fields_bear_the_callers_own_names() -> None:
    assert embeddings_field_name("gemini-embeddings", "task") == "taskType"
    assert embeddings_field_name("cohere-embeddings", "task") == "input_type"
    assert embeddings_field_name("openai-embeddings", "user") == "user"


def test_only_what_was_set_is_reported() -> None:
    losses = Losses()
    drop_set_embeddings_fields(_request(task="query", truncate=False), ("task", "title", "truncate"), losses)
    assert losses.fields == ["taskType", "truncate"]


@pytest.mark.parametrize(("own", "given", "lost"), [("gemini-embeddings", {"x": 1}, []), ("other", {}, ["x"])])
def test_a_dialects_own_fields_are_for_itself(own: str, given: dict[str, int], lost: list[str]) -> None:
    losses = Losses()
    assert carried_embeddings_specific(_request(specific={"x": 1}), own, losses) == given
    assert losses.fields == lost


@pytest.mark.parametrize(
    ("task", "own", "word", "lost"),
    [
        (None, "other", None, []),
        ("query", "other", "Q", []),
        ("FACT_VERIFICATION", "other", None, ["taskType"]),
        ("FACT_VERIFICATION", "gemini-embeddings", "FACT_VERIFICATION", []),
    ],
)
def test_a_task_is_said_in_the_vendors_word(task: str | None, own: str, word: str | None, lost: list[str]) -> None:
    losses = Losses()
    assert carried_task(_request(task=task), _WORDS, own, losses) == word
    assert losses.fields == lost


def test_a_vendors_word_becomes_the_neutral_one_or_stays() -> None:
    assert [neutral_task(word, _WORDS) for word in ("Q", "OWN", None)] == ["query", "OWN", None]


def test_tokens_are_refused_where_they_stand() -> None:
    request = EmbeddingsRequest(dialect="openai-embeddings", model="m", inputs=("a", (1, 2)))
    with pytest.raises(BadRequest) as refused:
        text_inputs(request, "a Cohere")
    assert refused.value.param == "input[1]"
    assert text_inputs(_request(), "a Cohere") == ("a",)
