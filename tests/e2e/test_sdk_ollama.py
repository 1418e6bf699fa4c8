"""The Ollama SDK against a running gateway: every provider, whole and as lines."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.e2e.test_sdk_openai import CHAT_TOOL, MODELS, PIXEL
from tests.support.running import Gateway

FRANCE: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
ALL = ["ollama", "anthropic", "openai", "gemini", "cohere"]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
EMBEDDING_MODELS = {
    "ollama": "ollama/nomic-embed-text",
    "cohere": "cohere/embed-v4.0",
    "openai": "openai/text-embedding-3-small",
    "gemini": "gemini/gemini-embedding-001",
}


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[ollama.Client]:
    with ollama.Client(host=f"{gateway.url}/open") as made:
        yield made


def _marked(gateway: Gateway, **headers: str) -> tuple[str, ollama.Client]:
    """Make a client whose only call has an id to find its record by."""
    correlation = uuid.uuid4().hex
    path = "guarded" if headers else "open"
    return correlation, ollama.Client(f"{gateway.url}/{path}", headers={"x-correlation-id": correlation, **headers})


@pytest.mark.parametrize("provider", ALL)
def test_a_chat_is_answered_with_its_usage(gateway: Gateway, provider: str) -> None:
    correlation, client = _marked(gateway)
    with client:
        answer = client.chat(model=MODELS[provider], messages=FRANCE, options={"num_predict": 100})
        assert "Paris" in str(answer.message.content)
        assert (answer.done, answer.done_reason) == (True, "stop")
        usage = gateway.record(correlation).usage
        assert (answer.prompt_eval_count, answer.eval_count) == (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("provider", ALL)
def test_a_streamed_chat_says_the_same_and_is_metered(gateway: Gateway, provider: str) -> None:
    correlation, client = _marked(gateway)
    with client:
        lines = list(client.chat(model=MODELS[provider], messages=FRANCE, stream=True))
        assert "Paris" in "".join(line.message.content or "" for line in lines)
        assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
        usage = gateway.record(correlation).usage
        assert usage.source == "provider"
        assert lines[-1].eval_count == usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ALL)
def test_a_prompt_is_answered(gateway: Gateway, provider: str, streamed: bool) -> None:
    correlation, client = _marked(gateway)
    with client:
        question: dict[str, Any] = {"model": MODELS[provider], "prompt": FRANCE[0]["content"], "system": "Be helpful."}
        if streamed:
            text = "".join(line.response or "" for line in client.generate(**question, stream=True))
        else:
            text = client.generate(**question).response or ""
        assert "Paris" in text
        assert gateway.record(correlation).usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ALL)
def test_a_tool_is_called_and_its_result_is_used(client: ollama.Client, provider: str, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    if streamed:
        lines = list(client.chat(model=MODELS[provider], messages=asked, tools=[CHAT_TOOL], stream=True))
        calls = [call for line in lines for call in line.message.tool_calls or ()]
    else:
        calls = list(client.chat(model=MODELS[provider], messages=asked, tools=[CHAT_TOOL]).message.tool_calls or ())
    (call,) = calls
    assert call.function.name == "get_weather"
    assert "city" in call.function.arguments
    said = {"role": "assistant", "content": "", "tool_calls": [call.model_dump()]}
    told = {"role": "tool", "tool_name": "get_weather", "content": "17 degrees and drizzle"}
    again = client.chat(model=MODELS[provider], messages=[*asked, said, told], tools=[CHAT_TOOL])
    assert "17 degrees" in str(again.message.content)


@pytest.mark.parametrize("provider", ALL)
def test_structured_output_fits_its_schema(client: ollama.Client, provider: str) -> None:
    answer = client.chat(model=MODELS[provider], messages=FRANCE, format=CITY)
    assert '"city"' in str(answer.message.content)


@pytest.mark.parametrize("provider", ALL)
def test_an_image_is_seen(client: ollama.Client, provider: str) -> None:
    asked: list[Any] = [{"role": "user", "content": "What do you see?", "images": [PIXEL]}]
    assert "image" in str(client.chat(model=MODELS[provider], messages=asked).message.content)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "model", ["ollama/qwen3:0.6b", "anthropic/claude-sonnet-4-5", "cohere/command-a-reasoning-08-2025"]
)
def test_thinking_is_asked_for_and_shown(client: ollama.Client, model: str, streamed: bool) -> None:
    if streamed:
        lines = list(client.chat(model=model, messages=FRANCE, think="low", stream=True))
        assert "".join(line.message.thinking or "" for line in lines)
    else:
        assert client.chat(model=model, messages=FRANCE, think="low").message.thinking


def test_what_only_one_server_knows_is_named_where_it_is_lost(gateway: Gateway) -> None:
    body = {"model": MODELS["openai"], "messages": FRANCE, "options": {"num_ctx": 4096}, "keep_alive": "5m"}
    answer = httpx.post(f"{gateway.url}/open/api/chat", json={**body, "stream": False})
    assert answer.headers["x-tollway-dropped-fields"] == "keep_alive, options.num_ctx"


@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
def test_texts_are_embedded(gateway: Gateway, provider: str) -> None:
    correlation, client = _marked(gateway)
    with client:
        answer = client.embed(model=EMBEDDING_MODELS[provider], input=["a road", "a gate"])
        assert len(answer.embeddings) == 2
        assert answer.prompt_eval_count == gateway.record(correlation).usage.input_tokens


def test_models_are_listed_and_described(client: ollama.Client) -> None:
    name = "cohere/command-a-03-2025"
    assert name in [model.model for model in client.list().models]
    assert client.show(name).capabilities == ["completion", "tools"]


@pytest.mark.parametrize(
    ("trouble", "status"), [("sim-429-7", 429), ("sim-404", 404), ("sim-500", 500), ("sim-400", 400), ("nothing", 404)]
)
@pytest.mark.parametrize("provider", ALL)
def test_a_providers_error_keeps_its_meaning(client: ollama.Client, provider: str, trouble: str, status: int) -> None:
    with pytest.raises(ollama.ResponseError) as raised:
        client.chat(model=f"{provider}/{trouble}", messages=FRANCE)
    assert raised.value.status_code == status
    assert raised.value.error


def test_id_and_secret_can_stand_in_the_token(gateway: Gateway) -> None:
    correlation, guarded = _marked(gateway, authorization=f"Bearer {CLIENT_ID}:{CLIENT_SECRET}")
    with guarded:
        guarded.chat(model=MODELS["openai"], messages=FRANCE)
    assert gateway.record(correlation).client_name == "Forecasting"


def test_a_caller_without_credentials_is_told_so(gateway: Gateway) -> None:
    with ollama.Client(host=f"{gateway.url}/guarded") as guarded, pytest.raises(ollama.ResponseError) as raised:
        guarded.chat(model=MODELS["openai"], messages=FRANCE)
    assert raised.value.status_code == 401


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize("trouble", ["cut-2", "reset-2", "error-2"])
def test_a_stream_that_breaks_is_an_error_and_never_a_clean_end(
    client: ollama.Client, provider: str, trouble: str
) -> None:
    with pytest.raises(ollama.ResponseError):
        list(client.chat(model=f"{provider}/sim-{trouble}", messages=FRANCE, stream=True))
