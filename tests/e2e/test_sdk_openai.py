"""The OpenAI SDK against a running gateway: every provider, whole and streamed."""

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.support.running import Gateway

MODELS = {
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-haiku-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "azureopenai": "azureopenai/gpt-4o-mini",
    "cohere": "cohere/command-a-03-2025",
    "ollama": "ollama/llama3.2",
    "vllm": "vllm/meta-llama/Llama-3.3-70B-Instruct",
}
FRANCE: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
).decode()
CHAT_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
RESPONSES_TOOL: Any = {"type": "function", "strict": False, **CHAT_TOOL["function"]}


class Capital(BaseModel):
    country: str
    city: str
    inhabitants: int


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/open/v1", api_key="unused", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("provider", MODELS)
def test_a_chat_is_answered_with_its_usage(gateway: Gateway, client: openai.OpenAI, provider: str) -> None:
    answer = client.chat.completions.with_raw_response.create(model=MODELS[provider], messages=FRANCE)
    chat = answer.parse()
    assert "Paris" in (chat.choices[0].message.content or "")
    assert chat.choices[0].finish_reason == "stop"
    assert answer.headers["x-llm-proxy-llm-provider"] == provider
    usage = gateway.record(answer.headers["x-correlation-id"]).usage
    assert chat.usage is not None
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens == usage.total_tokens
    assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("wanted", [True, False], ids=["usage asked for", "usage not asked for"])
@pytest.mark.parametrize("provider", MODELS)
def test_a_streamed_chat_says_the_same_and_is_metered(
    gateway: Gateway, client: openai.OpenAI, provider: str, wanted: bool
) -> None:
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if wanted else {}
    with client.chat.completions.create(model=MODELS[provider], messages=FRANCE, stream=True, **more) as stream:
        correlation = stream.response.headers["x-correlation-id"]
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Paris" in text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    reported = [chunk.usage for chunk in chunks if chunk.usage is not None]
    usage = gateway.record(correlation).usage
    assert usage.source == "provider"
    assert usage.output_tokens > 0
    assert [one.total_tokens for one in reported] == ([usage.total_tokens] if wanted else [])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", MODELS)
def test_a_tool_is_called_and_its_result_is_used(client: openai.OpenAI, provider: str, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    question: dict[str, Any] = {"model": MODELS[provider], "messages": asked, "tools": [CHAT_TOOL]}
    if streamed:
        with client.chat.completions.stream(**question) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(**question).choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert "city" in call.function.arguments
    result = {"role": "tool", "tool_call_id": call.id, "content": "17 degrees and drizzle"}
    said = message.model_dump(
        exclude_none=True, exclude={"parsed": True, "tool_calls": {"__all__": {"function": {"parsed_arguments"}}}}
    )
    again = client.chat.completions.create(model=MODELS[provider], messages=[*asked, said, result], tools=[CHAT_TOOL])
    assert "17 degrees" in (again.choices[0].message.content or "")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_structured_output_fits_its_schema(client: openai.OpenAI, provider: str) -> None:
    chat = client.chat.completions.parse(model=MODELS[provider], messages=FRANCE, response_format=Capital)
    assert isinstance(chat.choices[0].message.parsed, Capital)
    response = client.responses.parse(model=MODELS[provider], input="The capital of France?", text_format=Capital)
    assert isinstance(response.output_parsed, Capital)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_an_image_is_seen(client: openai.OpenAI, provider: str) -> None:
    url = f"data:image/png;base64,{PIXEL}"
    content: Any = [{"type": "text", "text": "What do you see?"}, {"type": "image_url", "image_url": {"url": url}}]
    chat = client.chat.completions.create(model=MODELS[provider], messages=[{"role": "user", "content": content}])
    assert "image" in (chat.choices[0].message.content or "")
    asked: Any = [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url}],
        }
    ]
    assert "image" in client.responses.create(model=MODELS[provider], input=asked).output_text


@pytest.mark.parametrize("model", ["openai/gpt-5-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"])
def test_reasoning_is_asked_for_and_counted(gateway: Gateway, client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model=model, messages=FRANCE, reasoning_effort="high", max_completion_tokens=8000
    )
    chat = answer.parse()
    assert "Paris" in (chat.choices[0].message.content or "")
    counted = gateway.record(answer.headers["x-correlation-id"]).usage.reasoning
    assert chat.usage is not None
    assert chat.usage.completion_tokens_details is not None
    assert chat.usage.completion_tokens_details.reasoning_tokens == counted
    if not model.startswith("anthropic"):  # that API counts its thinking as output, and does not tell how much
        assert counted > 0


@pytest.mark.parametrize("provider", MODELS)
def test_a_response_is_answered_with_its_usage(gateway: Gateway, client: openai.OpenAI, provider: str) -> None:
    answer = client.responses.with_raw_response.create(
        model=MODELS[provider], input="What is the capital of France?", instructions="You are a helpful assistant."
    )
    response = answer.parse()
    assert response.status == "completed"
    assert "Paris" in response.output_text
    usage = gateway.record(answer.headers["x-correlation-id"]).usage
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("provider", MODELS)
def test_a_streamed_response_has_its_events_in_order(client: openai.OpenAI, provider: str) -> None:
    with client.responses.create(model=MODELS[provider], input="The capital of France?", stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert kinds.index("response.output_item.added") < kinds.index("response.output_text.delta")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert "Paris" in text
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == text


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama"])
def test_a_response_calls_a_tool(client: openai.OpenAI, provider: str, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    question: dict[str, Any] = {"model": MODELS[provider], "input": asked, "tools": [RESPONSES_TOOL]}
    if streamed:
        with client.responses.stream(**question) as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.create(**question)
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather"
    told = {"type": "function_call_output", "call_id": call.call_id, "output": "17 degrees and drizzle"}
    called = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    again = client.responses.create(model=MODELS[provider], input=[*asked, called, told], tools=[RESPONSES_TOOL])
    assert "17 degrees" in again.output_text


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "gemini/gemini-embedding-001"])
def test_texts_are_embedded(gateway: Gateway, client: openai.OpenAI, model: str) -> None:
    answer = client.embeddings.with_raw_response.create(model=model, input=["toll", "road"], dimensions=256)
    embeddings = answer.parse()
    assert [len(one.embedding) for one in embeddings.data] == [256, 256]
    assert [one.index for one in embeddings.data] == [0, 1]
    record = gateway.record(answer.headers["x-correlation-id"])
    assert (record.operation, record.outcome) == ("embeddings", "ok")


def test_models_are_listed_and_described(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert "openai/gpt-5" in names
    assert "anthropic/claude-haiku-4-5" in names
    assert client.models.retrieve("openai/gpt-5").owned_by == "openai"


@pytest.mark.parametrize("model", ["openai/sim-404", "anthropic/no-such-model", "gemini/no-such-model"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_model_the_provider_does_not_have_is_not_found(client: openai.OpenAI, model: str, streamed: bool) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model=model, messages=FRANCE, stream=streamed)
    assert raised.value.status_code == 404
    assert raised.value.message


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_throttled_provider_is_a_rate_limit(client: openai.OpenAI, provider: str) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        client.responses.create(model=f"{provider}/sim-429-7", input="hi")
    assert raised.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_broken_provider_is_a_server_error(client: openai.OpenAI, provider: str) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        client.chat.completions.create(model=f"{provider}/sim-500", messages=FRANCE)
    assert raised.value.status_code == 500
    assert raised.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_bad_request_is_a_bad_request(client: openai.OpenAI, provider: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=MODELS[provider], messages=[], temperature=9.5)
    assert raised.value.status_code == 400


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_refused_provider_key_is_an_authentication_error_without_its_words(gateway: Gateway, provider: str) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/refused/v1", api_key="unused", max_retries=0) as refused,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        refused.chat.completions.create(model=MODELS[provider], messages=FRANCE)
    assert "invalid-key" not in raised.value.response.text
    assert "operator" in raised.value.message


@pytest.mark.parametrize("key", ["nobody:nothing", f"{CLIENT_ID}:wrong"], ids=["unknown client", "wrong secret"])
def test_wrong_credentials_are_an_authentication_error(gateway: Gateway, key: str) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/guarded/v1", api_key=key, max_retries=0) as guarded,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        guarded.chat.completions.create(model=MODELS["openai"], messages=FRANCE)
    assert raised.value.response.json() == {"error": "Authentication Attempt Failed"}
    assert raised.value.response.headers["www-authenticate"] == "Client-ID-Enforcement"


def test_the_api_key_of_any_sdk_can_carry_id_and_secret(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/guarded", api_key=f"{CLIENT_ID}:{CLIENT_SECRET}") as guarded:
        answer = guarded.chat.completions.with_raw_response.create(model=MODELS["gemini"], messages=FRANCE)
    record = gateway.record(answer.headers["x-correlation-id"])
    assert (record.client_name, record.business_group) == ("Forecasting", "Finance")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("trouble", ["cut-2", "reset-2", "error-2"])
def test_a_stream_that_breaks_is_an_error_and_never_a_clean_end(
    gateway: Gateway, client: openai.OpenAI, provider: str, trouble: str
) -> None:
    with client.chat.completions.create(model=f"{provider}/sim-{trouble}", messages=FRANCE, stream=True) as stream:
        correlation = stream.response.headers["x-correlation-id"]
        with pytest.raises(openai.APIError):
            list(stream)
    assert gateway.record(correlation).outcome in {"cut", "error"}


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_stream_that_breaks_is_an_error_to_callers_of_responses_too(client: openai.OpenAI, provider: str) -> None:
    with (
        client.responses.create(model=f"{provider}/sim-cut-2", input="hi", stream=True) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_garbled_stream_is_an_error(client: openai.OpenAI, provider: str) -> None:
    # Where bytes pass unread, the SDK itself stumbles on what is not JSON.
    with pytest.raises((openai.APIError, ValueError)):
        list(client.chat.completions.create(model=f"{provider}/sim-garble-2", messages=FRANCE, stream=True))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_garbled_answer_is_an_error(client: openai.OpenAI, provider: str) -> None:
    # Where bytes pass unread, the SDK itself stumbles on what is not JSON.
    with pytest.raises((openai.APIError, ValueError)):
        client.responses.create(model=f"{provider}/sim-garble", input="hi")
