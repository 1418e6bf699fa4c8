"""The Anthropic SDK against a running gateway: every provider, whole and streamed."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.e2e.test_sdk_openai import CHAT_TOOL, MODELS, PIXEL
from tests.support.running import Gateway

FRANCE: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
TOOL: Any = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": CHAT_TOOL["function"]["parameters"],
}
ALL = ["anthropic", "openai", "gemini", "ollama"]
BIG_THREE = ["anthropic", "openai", "gemini"]


class Capital(BaseModel):
    country: str
    city: str


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"{gateway.url}/open", api_key="unused", max_retries=0) as made:
        yield made


def _text(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("provider", ALL)
def test_a_message_is_answered_with_its_usage(gateway: Gateway, client: anthropic.Anthropic, provider: str) -> None:
    answer = client.messages.with_raw_response.create(
        model=MODELS[provider], max_tokens=500, system="You are a helpful assistant.", messages=FRANCE
    )
    message = answer.parse()
    assert "Paris" in _text(message)
    assert message.stop_reason == "end_turn"
    usage = gateway.record(answer.headers["x-correlation-id"]).usage
    seen = message.usage
    assert seen.input_tokens + (seen.cache_read_input_tokens or 0) + (seen.cache_creation_input_tokens or 0) == (
        usage.input_tokens
    )
    assert seen.output_tokens == usage.output_tokens


@pytest.mark.parametrize("provider", ALL)
def test_a_streamed_message_says_the_same_and_is_metered(
    gateway: Gateway, client: anthropic.Anthropic, provider: str
) -> None:
    with client.messages.stream(model=MODELS[provider], max_tokens=500, messages=FRANCE) as stream:
        correlation = stream.response.headers["x-correlation-id"]
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert "Paris" in text
    assert _text(message) == text
    assert message.stop_reason == "end_turn"
    usage = gateway.record(correlation).usage
    assert usage.source == "provider"
    assert message.usage.output_tokens == usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ALL)
def test_a_tool_is_called_and_its_result_is_used(client: anthropic.Anthropic, provider: str, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    question: dict[str, Any] = {"model": MODELS[provider], "max_tokens": 500, "messages": asked, "tools": [TOOL]}
    if streamed:
        with client.messages.stream(**question) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**question)
    assert message.stop_reason == "tool_use"
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert call.name == "get_weather"
    assert "city" in call.input
    said = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "17 degrees and drizzle"}
    told = {"role": "user", "content": [result]}
    again = client.messages.create(model=MODELS[provider], max_tokens=500, messages=[*asked, said, told], tools=[TOOL])
    assert "17 degrees" in _text(again)


@pytest.mark.parametrize("provider", BIG_THREE)
def test_structured_output_fits_its_schema(client: anthropic.Anthropic, provider: str) -> None:
    message = client.messages.parse(model=MODELS[provider], max_tokens=500, messages=FRANCE, output_format=Capital)
    assert isinstance(message.parsed_output, Capital)


@pytest.mark.parametrize("provider", BIG_THREE)
def test_an_image_is_seen(client: anthropic.Anthropic, provider: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What do you see?"}]
    message = client.messages.create(
        model=MODELS[provider], max_tokens=500, messages=[{"role": "user", "content": content}]
    )
    assert "image" in _text(message)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"])
def test_thinking_is_asked_for_and_shown(client: anthropic.Anthropic, model: str, streamed: bool) -> None:
    question: dict[str, Any] = {
        "model": model,
        "max_tokens": 4000,
        "messages": FRANCE,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    if streamed:
        with client.messages.stream(**question) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**question)
    assert any(block.type == "thinking" and block.thinking for block in message.content)
    assert "Paris" in _text(message)


def test_models_are_listed_in_the_callers_way(client: anthropic.Anthropic) -> None:
    assert "anthropic/claude-haiku-4-5" in [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("trouble", "raises"),
    [
        ("sim-429-7", anthropic.RateLimitError),
        ("sim-404", anthropic.NotFoundError),
        ("sim-500", anthropic.InternalServerError),
        ("sim-400", anthropic.BadRequestError),
    ],
)
@pytest.mark.parametrize("provider", BIG_THREE)
def test_a_providers_error_keeps_its_meaning(
    client: anthropic.Anthropic, provider: str, trouble: str, raises: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(raises) as raised:
        client.messages.create(model=f"{provider}/{trouble}", max_tokens=9, messages=FRANCE)
    body = raised.value.response.json()
    assert body["type"] == "error"
    assert body["error"]["message"]


@pytest.mark.parametrize("provider", BIG_THREE)
def test_a_refused_provider_key_is_an_authentication_error_without_its_words(gateway: Gateway, provider: str) -> None:
    with (
        anthropic.Anthropic(base_url=f"{gateway.url}/refused", api_key="unused", max_retries=0) as refused,
        pytest.raises(anthropic.AuthenticationError) as raised,
    ):
        refused.messages.create(model=MODELS[provider], max_tokens=9, messages=FRANCE)
    assert "invalid-key" not in raised.value.response.text


def test_id_and_secret_can_stand_in_the_token(gateway: Gateway) -> None:
    token = f"{CLIENT_ID}:{CLIENT_SECRET}"
    with anthropic.Anthropic(base_url=f"{gateway.url}/guarded", auth_token=token, api_key=None) as guarded:
        answer = guarded.messages.with_raw_response.create(model=MODELS["openai"], max_tokens=100, messages=FRANCE)
    assert gateway.record(answer.headers["x-correlation-id"]).client_name == "Forecasting"


def test_a_caller_whose_key_is_neither_id_nor_secret_is_told_so(gateway: Gateway) -> None:
    with (
        anthropic.Anthropic(base_url=f"{gateway.url}/guarded", api_key="nothing", max_retries=0) as guarded,
        pytest.raises(anthropic.AuthenticationError),
    ):
        guarded.messages.create(model=MODELS["openai"], max_tokens=9, messages=FRANCE)


@pytest.mark.parametrize("provider", BIG_THREE)
@pytest.mark.parametrize("trouble", ["cut-2", "reset-2", "error-2"])
def test_a_stream_that_breaks_is_an_error_and_never_a_clean_end(
    client: anthropic.Anthropic, provider: str, trouble: str
) -> None:
    with (
        client.messages.stream(model=f"{provider}/sim-{trouble}", max_tokens=500, messages=FRANCE) as stream,
        pytest.raises(anthropic.APIError),
    ):
        stream.get_final_message()
