"""Model listings of OpenAI and of the servers that imitate it."""

import pytest


def test_the_listing_satisfies_the_vendors_schema_and_names_what_can_be_called(call, judge):
    listing = call("openai").get("/v1/models").json()
    names = [model["id"] for model in listing["data"]]
    assert judge("openai.models", listing) == []
    assert {"gpt-5.2", "gpt-4o-mini", "text-embedding-3-small"} <= set(names)


def test_one_model_can_be_looked_up_and_an_unknown_one_not(call):
    assert call("openai").get("/v1/models/gpt-4o").json()["id"] == "gpt-4o"
    missing = call("openai").get("/v1/models/gpt-0")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("provider", ["ollama", "vllm"])
def test_every_model_that_an_open_server_lists_answers(call, provider):
    for model in call(provider).get("/v1/models").json()["data"]:
        body = {"model": model["id"], "messages": [{"role": "user", "content": "hello"}]}
        assert call(provider).post("/v1/chat/completions", body).status_code == 200
