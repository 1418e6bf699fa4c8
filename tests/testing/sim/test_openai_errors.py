"""Keys, paths and troubles of OpenAI."""

import openai
import pytest

GOOD = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("value", [None, "Bearer", "Basic abc", "abc"])
def test_without_a_bearer_key_nothing_is_answered(http, sim, value):
    headers = {} if value is None else {"authorization": value}
    answer = http.post(f"{sim.url}/openai/v1/chat/completions", json=GOOD, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, None)


def test_a_key_that_begins_with_invalid_is_a_wrong_key_and_is_not_told_back(call):
    answer = call("openai").post("/v1/chat/completions", GOOD, authorization="Bearer invalid-secret-tail")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "secret-tail" not in answer.text


def test_an_unknown_path_is_not_found(call):
    assert call("openai").post("/v1/nothing", {}).status_code == 404
    assert call("openai").get("/v1/chat/completions").status_code == 404


RAISED = {
    "sim-429": openai.RateLimitError,
    "sim-500": openai.InternalServerError,
    "sim-503": openai.InternalServerError,
    "gpt-4o-sim-401": openai.AuthenticationError,
    "sim-404": openai.NotFoundError,
}


@pytest.mark.parametrize(("model", "raised"), RAISED.items(), ids=RAISED)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_trouble_is_raised_by_the_vendors_sdk_as_its_own_error(sim, model, raised, stream):
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(raised):
            client.chat.completions.create(model=model, messages=GOOD["messages"], stream=stream)
        with pytest.raises(raised):
            client.responses.create(model=model, input="hello", stream=stream)


def test_retry_after_is_said_where_a_repeat_may_help_and_nowhere_else(call):
    def waits(model):
        answer = call("openai").post("/v1/chat/completions", GOOD | {"model": model})
        return answer.headers.get("retry-after")

    assert [waits(model) for model in ("sim-429-7", "sim-503", "sim-500")] == ["7", "1", None]


def test_an_error_in_mid_stream_is_raised_after_what_came_before_it(sim):
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="any", max_retries=0) as client:
        stream = client.chat.completions.create(model="sim-error", messages=GOOD["messages"], stream=True)
        assert next(stream).choices[0].delta.role == "assistant"
        with pytest.raises(openai.APIError):
            list(stream)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/openai/v1/chat/completions", {"authorization": "Bearer k"}),
        ("/openai/v1/responses", {"authorization": "Bearer k"}),
        ("/anthropic/v1/messages", {"x-api-key": "k", "anthropic-version": "2023-06-01"}),
        ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", {"x-goog-api-key": "k"}),
    ],
    ids=["chat", "responses", "messages", "gemini"],
)
def test_bytes_that_are_no_text_are_a_bad_request(http, sim, path, headers):
    answer = http.post(
        f"{sim.url}{path}", content=b'{"model":"\xb9"}', headers={**headers, "content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
