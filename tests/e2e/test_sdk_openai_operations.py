"""The OpenAI SDK's other calls against a running gateway, and the one for Azure."""

import io
from collections.abc import Iterator

import httpx
import msgspec
import openai
import pytest
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.support.running import Gateway, until

from tollway.testing.sim.openai_operations import HEARD, PIXEL


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    key = f"{CLIENT_ID}:{CLIENT_SECRET}"
    with openai.OpenAI(base_url=f"{gateway.url}/guarded/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def stranger(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/open/v1", api_key="unused", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", ["openai/gpt-3.5-turbo-instruct", "anthropic/claude-haiku-4-5"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_completion_by_a_provider_that_has_them_and_by_one_that_has_not(
    gateway: Gateway, client: openai.OpenAI, model: str, streamed: bool
) -> None:
    prompt = "What is the capital of France?"
    if streamed:
        with client.completions.create(model=model, prompt=prompt, stream=True) as stream:
            correlation = stream.response.headers["x-correlation-id"]
            text = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
    else:
        answer = client.completions.with_raw_response.create(model=model, prompt=prompt)
        correlation, text = answer.headers["x-correlation-id"], answer.parse().choices[0].text
    assert text
    record = gateway.record(correlation)
    assert (record.operation, record.usage.source) == ("completion", "provider")
    assert record.usage.output_tokens > 0


def test_pictures_sound_and_moderations(gateway: Gateway, client: openai.OpenAI) -> None:
    assert client.moderations.create(input="hello").results[0].flagged is False
    made = client.images.with_raw_response.generate(model="openai/gpt-image-1", prompt="a cat", n=2)
    assert len(made.parse().data or ()) == 2
    assert gateway.record(made.headers["x-correlation-id"]).usage.output_image == 200
    edited = client.images.edit(model="openai/gpt-image-1", prompt="a hat", image=("a.png", PIXEL, "image/png"))
    assert edited.data
    spoken = client.audio.speech.with_raw_response.create(model="openai/tts-1", voice="alloy", input="Hello")
    assert spoken.content.startswith(b"RIFF")
    assert gateway.record(spoken.headers["x-correlation-id"]).usage.input_characters == 5
    sound = ("a.wav", spoken.content, "audio/wav")
    heard = client.audio.transcriptions.with_raw_response.create(model="openai/whisper-1", file=sound)
    assert heard.parse().text == HEARD
    assert gateway.record(heard.headers["x-correlation-id"]).usage.input_audio_ms == 3000
    text = client.audio.transcriptions.create(model="openai/whisper-1", file=sound, response_format="text")
    assert text.strip() == HEARD


def test_a_batch_from_its_file_to_its_bill(gateway: Gateway, client: openai.OpenAI, stranger: openai.OpenAI) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    lines = [{"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body} for name in ("a", "b")]
    requests = io.BytesIO(b"\n".join(map(msgspec.json.encode, lines)))
    uploaded = client.files.create(file=("requests.jsonl", requests), purpose="batch")
    batch = client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
    batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id is not None
    for _ in range(2):
        results = client.files.content(batch.output_file_id).read().splitlines()
        assert [msgspec.json.decode(line)["custom_id"] for line in results] == ["a", "b"]
    metered = until(lambda: [row for row in gateway.ledger() if row["service_tier"] == "batch"], "the batch's records")
    assert len(metered) == 2
    assert all(row["client_id"] == CLIENT_ID for row in metered)
    for attempt in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        with pytest.raises(openai.NotFoundError):
            attempt(uploaded.id)
    with pytest.raises(openai.NotFoundError):
        stranger.batches.create(input_file_id=uploaded.id, endpoint="/v1/embeddings", completion_window="24h")
    assert uploaded.id in [one.id for one in client.files.list()]
    assert uploaded.id not in [one.id for one in stranger.files.list()]
    assert client.files.delete(uploaded.id).deleted


def test_a_vector_store_is_its_makers_alone(client: openai.OpenAI, stranger: openai.OpenAI) -> None:
    store = client.vector_stores.create(name="papers")
    assert client.vector_stores.retrieve(store.id).name == "papers"
    assert client.vector_stores.search(store.id, query="x").data == []
    with pytest.raises(openai.NotFoundError):
        stranger.vector_stores.retrieve(store.id)
    assert client.vector_stores.delete(store.id).deleted


def test_the_sdk_for_azure_works_with_a_proxys_address(gateway: Gateway) -> None:
    key = f"{CLIENT_ID}:{CLIENT_SECRET}"
    azure = openai.AzureOpenAI(azure_endpoint=f"{gateway.url}/guarded", api_key=key, api_version="2024-10-21")
    with azure as client:
        asked = [{"role": "user", "content": "What is the capital of France?"}]
        chat = client.chat.completions.create(model="openai/gpt-4o-mini", messages=asked)  # pyright: ignore[reportArgumentType]
        assert "Paris" in (chat.choices[0].message.content or "")
        assert client.embeddings.create(model="openai/text-embedding-3-small", input="x").data
        assert "Paris" in client.responses.create(model="openai/gpt-4o-mini", input="Capital of France?").output_text


def test_who_only_looks_is_told_that_somebody_is_here(gateway: Gateway) -> None:
    assert httpx.head(f"{gateway.url}/").status_code == 200
    assert httpx.get(f"{gateway.url}/guarded").status_code == 200
