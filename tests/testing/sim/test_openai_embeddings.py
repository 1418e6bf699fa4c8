"""Embeddings, through OpenAI's own SDK and on the wire."""

import math

import openai
import pytest

from tollway.testing.sim.openai_embeddings import packed, vector


@pytest.fixture
def client(sim):
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="any", max_retries=0) as made:
        yield made


def cosine(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_the_sdks_base64_and_plain_floats_say_the_same(client):
    # Without a format the SDK asks for base64 and decodes it itself.
    asked = {"model": "text-embedding-3-small", "input": ["hello world"]}
    decoded = client.embeddings.create(**asked).data[0].embedding
    floats = client.embeddings.create(**asked, encoding_format="float").data[0].embedding
    assert len(floats) == 1536
    assert decoded == pytest.approx(floats)


@pytest.mark.parametrize("given", ["one text", ["one", "two"], [5, 6, 7], [[5, 6], [7]]], ids=repr)
def test_texts_and_tokens_are_embedded_and_counted(call, judge, given):
    body = {"model": "text-embedding-3-large", "input": given, "dimensions": 4}
    answer = call("openai").post("/v1/embeddings", body).json()
    wanted = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    assert [len(entry["embedding"]) for entry in answer["data"]] == [4] * wanted
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0
    assert judge("openai.embeddings", answer) == []


def test_vectors_have_length_one_and_texts_that_share_words_are_near():
    cat, kitten, tax = (vector(text, 256) for text in ("the cat sleeps", "the cat purrs", "quarterly tax report"))
    assert math.isclose(cosine(cat, cat), 1.0, rel_tol=1e-6)
    assert cosine(cat, kitten) > cosine(cat, tax)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_even_the_smallest_vector_has_a_direction(size):
    assert math.isclose(cosine(vector("", size), vector("", size)), 1.0, rel_tol=1e-6)


def test_packing_is_little_endian_floats():
    assert packed([1.0, -2.0]) == "AACAPwAAAMA="


REFUSED = {
    "no model": ({"input": "x"}, 400),
    "no input": ({"model": "text-embedding-3-small"}, 400),
    "empty input": ({"model": "text-embedding-3-small", "input": []}, 400),
    "odd input": ({"model": "text-embedding-3-small", "input": {"a": 1}}, 400),
    "unknown model": ({"model": "text-embedding-4-ultra", "input": "x"}, 404),
    "negative": ({"model": "text-embedding-3-small", "input": "x", "dimensions": -1}, 400),
    "too many": ({"model": "text-embedding-3-small", "input": "x", "dimensions": 9999}, 400),
    "fixed size": ({"model": "text-embedding-ada-002", "input": "x", "dimensions": 8}, 400),
    "odd format": ({"model": "text-embedding-3-small", "input": "x", "encoding_format": "hex"}, 400),
}


@pytest.mark.parametrize(("body", "status"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_is_refused(call, body, status):
    answer = call("openai").post("/v1/embeddings", body)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("provider", ["ollama", "vllm"])
def test_the_open_servers_embed_with_open_models_only(call, provider):
    good = call(provider).post("/v1/embeddings", {"model": "nomic-embed-text", "input": "x"})
    bad = call(provider).post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "x"})
    assert (good.status_code, len(good.json()["data"][0]["embedding"]), bad.status_code) == (200, 768, 404)
