"""Texts, pictures, sound, and what is kept, through OpenAI's own SDK."""

import io

import msgspec
import openai
import pytest

from tollway.testing.sim.openai_operations import HEARD, PIXEL


@pytest.fixture
def client(sim):
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="any", max_retries=0) as made:
        yield made


def test_a_completion_says_the_same_whole_and_streamed(client):
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once"}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


def test_pictures_and_sound_are_files_of_their_kind(client):
    assert len(client.images.generate(prompt="a cat", n=3).data) == 3
    assert client.images.edit(model="gpt-image-1", prompt="a hat", image=("a.png", PIXEL, "image/png")).data
    sound = client.audio.speech.create(model="tts-1", voice="alloy", input="hi").content
    assert sound.startswith(b"RIFF")
    assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound)).text == HEARD


def test_a_batch_is_answered_line_by_line(client):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    uploaded = client.files.create(file=("x.jsonl", io.BytesIO(msgspec.json.encode(line))), purpose="batch")
    assert client.files.content(uploaded.id).read() == msgspec.json.encode(line)
    batch = client.batches.create(input_file_id=uploaded.id, endpoint=line["url"], completion_window="24h")
    (answered,) = client.files.content(batch.output_file_id).read().splitlines()
    result = msgspec.json.decode(answered)
    assert (result["custom_id"], result["response"]["status_code"]) == ("a", 200)
    assert result["response"]["body"]["usage"]["total_tokens"] > 0


def test_what_is_kept_is_listed_and_deleted(client):
    store = client.vector_stores.create(name="papers")
    assert store.id in [one.id for one in client.vector_stores.list()]
    assert client.vector_stores.search(store.id, query="x").data == []
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)
