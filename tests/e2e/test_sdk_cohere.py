"""The Cohere SDK against a running gateway: every provider, whole and streamed."""

import uuid
from collections.abc import Iterator
from typing import Any

import cohere
import pytest
from cohere.core.api_error import ApiError
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.e2e.test_sdk_openai import CHAT_TOOL, MODELS, PIXEL
from tests.support.running import Gateway

FRANCE: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
ALL = ["cohere", "anthropic", "openai", "gemini", "ollama"]
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
AS_JSON: Any = {"type": "json_object", "json_schema": CITY}
EMBEDDING_MODELS = {
    "cohere": "cohere/embed-v4.0",
    "openai": "openai/text-embedding-3-small",
    "gemini": "gemini/gemini-embedding-001",
    "ollama": "ollama/nomic-embed-text",
}


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(api_key="unused", base_url=f"{gateway.url}/open") as made:
        yield made


def _marked() -> tuple[str, Any]:
    """Give a call an id to find its record by."""
    correlation = uuid.uuid4().hex
    return correlation, {"additional_headers": {"x-correlation-id": correlation}}


def _words(answer: Any) -> str:
    return "".join(block.text for block in answer.message.content or () if block.type == "text")


@pytest.mark.parametrize("provider", ALL)
def test_a_chat_is_answered_with_its_usage(gateway: Gateway, client: cohere.ClientV2, provider: str) -> None:
    correlation, options = _marked()
    asked: list[Any] = [{"role": "system", "content": "Be helpful."}, *FRANCE]
    answer = client.chat(model=MODELS[provider], messages=asked, request_options=options)
    assert "Paris" in _words(answer)
    assert answer.finish_reason == "COMPLETE"
    assert answer.id
    usage = gateway.record(correlation).usage
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert (answer.usage.tokens.input_tokens, answer.usage.tokens.output_tokens) == (
        usage.input_tokens,
        usage.output_tokens,
    )


def test_what_is_billed_is_kept_beside_what_was_seen(gateway: Gateway, client: cohere.ClientV2) -> None:
    correlation, options = _marked()
    answer = client.chat(model=MODELS["cohere"], messages=FRANCE, request_options=options)
    assert answer.usage is not None
    assert answer.usage.billed_units is not None
    usage = gateway.record(correlation).usage
    assert usage.billed_input == answer.usage.billed_units.input_tokens
    assert usage.billed_input is not None
    assert usage.billed_input < usage.input_tokens
    assert usage.billed_output is None


@pytest.mark.parametrize("provider", ALL)
def test_a_streamed_chat_says_the_same_and_is_metered(gateway: Gateway, client: cohere.ClientV2, provider: str) -> None:
    correlation, options = _marked()
    events: list[Any] = list(client.chat_stream(model=MODELS[provider], messages=FRANCE, request_options=options))
    assert (events[0].type, events[-1].type) == ("message-start", "message-end")
    text = "".join(one.delta.message.content.text or "" for one in events if one.type == "content-delta")
    assert "Paris" in text
    assert events[-1].delta.finish_reason == "COMPLETE"
    usage = gateway.record(correlation).usage
    assert usage.source == "provider"
    assert events[-1].delta.usage.tokens.output_tokens == usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ALL)
def test_a_tool_is_called_and_its_result_is_used(client: cohere.ClientV2, provider: str, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    question: dict[str, Any] = {"model": MODELS[provider], "messages": asked, "tools": [CHAT_TOOL]}
    if streamed:
        events: list[Any] = list(client.chat_stream(**question))
        assert events[-1].delta.finish_reason == "TOOL_CALL"
        (begun,) = [one.delta.message.tool_calls for one in events if one.type == "tool-call-start"]
        arguments = "".join(
            one.delta.message.tool_calls.function.arguments for one in events if one.type == "tool-call-delta"
        )
        identity, name = begun.id, begun.function.name
    else:
        answer = client.chat(**question)
        assert answer.finish_reason == "TOOL_CALL"
        (call,) = answer.message.tool_calls or []
        assert call.function is not None
        identity, name, arguments = call.id, call.function.name, call.function.arguments
    assert name == "get_weather"
    assert "city" in str(arguments)
    call_object = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
    said = {"role": "assistant", "tool_plan": "I will look it up.", "tool_calls": [call_object]}
    document = {"type": "document", "document": {"data": {"weather": "17 degrees and drizzle"}}}
    told = {"role": "tool", "tool_call_id": identity, "content": [document]}
    again = client.chat(model=MODELS[provider], messages=[*asked, said, told], tools=[CHAT_TOOL])
    assert "17 degrees" in _words(again)


@pytest.mark.parametrize("provider", ALL)
def test_structured_output_fits_its_schema(client: cohere.ClientV2, provider: str) -> None:
    answer = client.chat(model=MODELS[provider], messages=FRANCE, response_format=AS_JSON)
    assert '"city"' in _words(answer)


@pytest.mark.parametrize("provider", ALL)
def test_an_image_is_seen(client: cohere.ClientV2, provider: str) -> None:
    content: Any = [
        {"type": "text", "text": "What do you see?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = client.chat(model=MODELS[provider], messages=[{"role": "user", "content": content}])
    assert "image" in _words(answer)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "model", ["cohere/command-a-reasoning-08-2025", "anthropic/claude-sonnet-4-5", "ollama/qwen3:0.6b"]
)
def test_thinking_is_asked_for_and_shown(client: cohere.ClientV2, model: str, streamed: bool) -> None:
    thinking: Any = {"type": "enabled", "token_budget": 2000}
    if streamed:
        events: list[Any] = list(client.chat_stream(model=model, messages=FRANCE, thinking=thinking, max_tokens=4000))
        said = [one.delta.message.content for one in events if one.type == "content-delta"]
        assert any(one.thinking for one in said)
        return
    answer = client.chat(model=model, messages=FRANCE, thinking=thinking, max_tokens=4000)
    assert any(block.type == "thinking" and block.thinking for block in answer.message.content or ())


@pytest.mark.parametrize("provider", ALL)
def test_documents_are_read(client: cohere.ClientV2, provider: str) -> None:
    documents: Any = [{"data": {"title": "France", "text": "Paris is its capital."}}]
    answer = client.chat(model=MODELS[provider], messages=FRANCE, documents=documents)
    assert "Paris" in _words(answer)


@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
def test_texts_are_embedded(gateway: Gateway, client: cohere.ClientV2, provider: str) -> None:
    correlation, options = _marked()
    answer = client.embed(
        request_options=options,
        model=EMBEDDING_MODELS[provider],
        texts=["a road", "a gate"],
        input_type="search_query",
        embedding_types=["float", "base64"],
    )
    assert [len(one) for one in answer.embeddings.float_ or ()] == [len((answer.embeddings.float_ or [[]])[0])] * 2
    assert len(answer.embeddings.base64 or ()) == 2
    assert gateway.record(correlation).usage.input_tokens > 0


def test_models_are_listed_in_the_callers_way(client: cohere.ClientV2) -> None:
    assert "cohere/command-a-03-2025" in [model.name for model in client.models.list().models]
    assert client.models.get("cohere/command-a-03-2025").endpoints == ["chat"]


@pytest.mark.parametrize(
    ("trouble", "status"), [("sim-429-7", 429), ("sim-404", 404), ("sim-500", 500), ("sim-400", 400), ("nothing", 404)]
)
@pytest.mark.parametrize("provider", ALL)
def test_a_providers_error_keeps_its_meaning(gateway: Gateway, provider: str, trouble: str, status: int) -> None:
    with (
        cohere.ClientV2(api_key="unused", base_url=f"{gateway.url}/open", max_retries=0) as once,
        pytest.raises(ApiError) as raised,
    ):
        once.chat(model=f"{provider}/{trouble}", messages=FRANCE)
    assert raised.value.status_code == status
    assert raised.value.body["message"]


def test_id_and_secret_can_stand_in_the_token(gateway: Gateway) -> None:
    with cohere.ClientV2(api_key=f"{CLIENT_ID}:{CLIENT_SECRET}", base_url=f"{gateway.url}/guarded") as guarded:
        correlation, options = _marked()
        guarded.chat(model=MODELS["openai"], messages=FRANCE, request_options=options)
    assert gateway.record(correlation).client_name == "Forecasting"


def test_a_caller_whose_key_is_neither_id_nor_secret_is_told_so(gateway: Gateway) -> None:
    with (
        cohere.ClientV2(api_key="nothing", base_url=f"{gateway.url}/guarded", max_retries=0) as guarded,
        pytest.raises(cohere.UnauthorizedError),
    ):
        guarded.chat(model=MODELS["openai"], messages=FRANCE)


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize("trouble", ["cut-2", "reset-2", "error-2"])
def test_a_stream_that_breaks_is_an_error_and_never_a_clean_end(
    client: cohere.ClientV2, provider: str, trouble: str
) -> None:
    events: list[Any] = list(client.chat_stream(model=f"{provider}/sim-{trouble}", messages=FRANCE))
    assert (events[-1].type, events[-1].delta.finish_reason) == ("message-end", "ERROR")
    assert events[-1].delta.error
