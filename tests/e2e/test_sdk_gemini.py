"""The google-genai SDK against a running gateway: every provider, whole and streamed."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.e2e.test_sdk_openai import MODELS, PIXEL
from tests.support.running import Gateway

FRANCE = "What is the capital of France?"
ALL = ["gemini", "openai", "anthropic", "ollama"]
BIG_THREE = ["gemini", "openai", "anthropic"]
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather in a city.",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={"city": types.Schema(type=types.Type.STRING)},
                required=["city"],
            ),
        )
    ]
)


class Capital(BaseModel):
    country: str
    city: str


def _client(url: str, key: str = "unused") -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url, retry_options=None))


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[genai.Client]:
    with _client(f"{gateway.url}/open") as made:
        yield made


def _model(provider: str) -> str:
    return f"models/{MODELS[provider]}"


@pytest.mark.parametrize("provider", ALL)
def test_content_is_generated_with_its_usage(gateway: Gateway, client: genai.Client, provider: str) -> None:
    answer = client.models.generate_content(
        model=_model(provider),
        contents=FRANCE,
        config=types.GenerateContentConfig(system_instruction="You are a helpful assistant.", max_output_tokens=500),
    )
    assert "Paris" in (answer.text or "")
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.sdk_http_response is not None
    assert answer.sdk_http_response.headers is not None
    usage = gateway.record(answer.sdk_http_response.headers["x-correlation-id"]).usage
    seen = answer.usage_metadata
    assert seen is not None
    assert seen.prompt_token_count == usage.input_tokens
    assert (seen.candidates_token_count or 0) + (seen.thoughts_token_count or 0) == usage.output_tokens
    assert seen.total_token_count == usage.total_tokens


@pytest.mark.parametrize("provider", ALL)
def test_streamed_content_says_the_same_and_is_metered(gateway: Gateway, client: genai.Client, provider: str) -> None:
    chunks = list(client.models.generate_content_stream(model=_model(provider), contents=FRANCE))
    assert "Paris" in "".join(chunk.text or "" for chunk in chunks)
    last = chunks[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.sdk_http_response is not None
    assert last.sdk_http_response.headers is not None
    usage = gateway.record(last.sdk_http_response.headers["x-correlation-id"]).usage
    assert usage.source == "provider"
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == usage.total_tokens


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ALL)
def test_a_function_is_called_and_its_result_is_used(client: genai.Client, provider: str, streamed: bool) -> None:
    asked = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
    off = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(tools=[WEATHER], automatic_function_calling=off)
    if streamed:
        found = client.models.generate_content_stream(model=_model(provider), contents=[asked], config=config)
        parts = [part for chunk in found for part in (chunk.parts or [])]
    else:
        parts = client.models.generate_content(model=_model(provider), contents=[asked], config=config).parts or []
    (call,) = [part.function_call for part in parts if part.function_call is not None]
    assert call.name == "get_weather"
    assert "city" in (call.args or {})
    said = types.Content(role="model", parts=[part for part in parts if part.function_call is not None])
    result = types.FunctionResponse(id=call.id, name=call.name, response={"result": "17 degrees and drizzle"})
    told = types.Content(role="user", parts=[types.Part(function_response=result)])
    again = client.models.generate_content(model=_model(provider), contents=[asked, said, told], config=config)
    assert "17 degrees" in (again.text or "")


@pytest.mark.parametrize("provider", BIG_THREE)
def test_structured_output_fits_its_schema(client: genai.Client, provider: str) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Capital)
    answer = client.models.generate_content(model=_model(provider), contents=FRANCE, config=config)
    assert isinstance(answer.parsed, Capital)


@pytest.mark.parametrize("provider", BIG_THREE)
def test_an_image_is_seen(client: genai.Client, provider: str) -> None:
    image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    answer = client.models.generate_content(model=_model(provider), contents=["What do you see?", image])
    assert "image" in (answer.text or "")


@pytest.mark.parametrize("model", ["gemini/gemini-2.5-pro", "anthropic/claude-sonnet-4-5"])
def test_thoughts_are_asked_for_and_shown(client: genai.Client, model: str) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
    config = types.GenerateContentConfig(thinking_config=thinking, max_output_tokens=4000)
    answer = client.models.generate_content(model=f"models/{model}", contents=FRANCE, config=config)
    assert any(part.thought and part.text for part in answer.parts or [])
    assert "Paris" in (answer.text or "")


def test_texts_are_embedded(client: genai.Client) -> None:
    found = client.models.embed_content(model="models/gemini/gemini-embedding-001", contents=["toll", "road"])
    assert [len(one.values or []) for one in found.embeddings or []] == [3072, 3072]


def test_models_are_listed_in_the_callers_way(client: genai.Client) -> None:
    assert "models/gemini/gemini-2.5-flash" in [model.name for model in client.models.list()]


@pytest.mark.parametrize(
    ("trouble", "raises", "status"),
    [
        ("sim-429-7", errors.ClientError, 429),
        ("sim-404", errors.ClientError, 404),
        ("sim-400", errors.ClientError, 400),
        ("sim-500", errors.ServerError, 500),
    ],
)
@pytest.mark.parametrize("provider", BIG_THREE)
def test_a_providers_error_keeps_its_meaning(
    client: genai.Client, provider: str, trouble: str, raises: type[errors.APIError], status: int
) -> None:
    with pytest.raises(raises) as raised:
        client.models.generate_content(model=f"models/{provider}/{trouble}", contents=FRANCE)
    assert raised.value.code == status
    assert raised.value.status
    assert raised.value.message


@pytest.mark.parametrize("provider", BIG_THREE)
def test_a_refused_provider_key_is_told_without_its_words(gateway: Gateway, provider: str) -> None:
    with _client(f"{gateway.url}/refused") as refused, pytest.raises(errors.ClientError) as raised:
        refused.models.generate_content(model=_model(provider), contents=FRANCE)
    assert (raised.value.code, raised.value.status) == (401, "UNAUTHENTICATED")
    assert "invalid-key" not in str(raised.value)


def test_id_and_secret_can_stand_in_the_key(gateway: Gateway) -> None:
    with _client(f"{gateway.url}/guarded", f"{CLIENT_ID}:{CLIENT_SECRET}") as guarded:
        answer = guarded.models.generate_content(model=_model("openai"), contents=FRANCE)
    assert "Paris" in (answer.text or "")


def test_wrong_credentials_are_told(gateway: Gateway) -> None:
    with _client(f"{gateway.url}/guarded", "who:knows") as guarded, pytest.raises(errors.ClientError) as raised:
        guarded.models.generate_content(model=_model("openai"), contents=FRANCE)
    assert raised.value.code == 401


@pytest.mark.parametrize("provider", BIG_THREE)
@pytest.mark.parametrize("trouble", ["cut-2", "error-2"])
def test_a_stream_that_breaks_is_an_error_and_never_a_clean_end(
    client: genai.Client, provider: str, trouble: str
) -> None:
    stream: Any = client.models.generate_content_stream(model=f"models/{provider}/sim-{trouble}", contents=FRANCE)
    with pytest.raises(errors.APIError):
        list(stream)


@pytest.mark.parametrize("provider", BIG_THREE)
def test_a_stream_without_server_sent_events_is_one_json_array(gateway: Gateway, provider: str) -> None:
    url = f"{gateway.url}/open/v1beta/models/{MODELS[provider]}:streamGenerateContent"
    answer = httpx.post(url, json={"contents": [{"role": "user", "parts": [{"text": FRANCE}]}]}, timeout=20)
    assert answer.headers["content-type"].startswith("application/json")
    chunks = [types.GenerateContentResponse.model_validate(one) for one in answer.json()]
    assert chunks
    assert "Paris" in "".join(chunk.text or "" for chunk in chunks)
    last = chunks[-1].usage_metadata
    assert last is not None
    assert last.total_token_count == gateway.record(answer.headers["x-correlation-id"]).usage.total_tokens
