"""The simulated Realtime API, read by OpenAI's own SDK."""

import httpx
import openai
import pytest
import websockets
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tollway.testing.sim.app import RunningSim

FRANCE = "What is the capital of France?"


def client(sim: RunningSim, key: str = "any") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=key, base_url=f"{sim.url}/openai/v1")


async def say(session: AsyncRealtimeConnection, text: str) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await session.conversation.item.create(item=item)  # pyright: ignore[reportArgumentType]


async def until(session: AsyncRealtimeConnection, kind: str) -> object:
    while True:
        event = await session.recv()
        if event.type == kind:
            return event


async def test_a_conversation_is_answered_and_its_usage_grows_with_it(sim: RunningSim) -> None:
    async with client(sim).realtime.connect(model="gpt-realtime") as session:
        used: list[int] = []
        for _ in range(2):
            await say(session, FRANCE)
            await session.response.create()
            done = await until(session, "response.done")
            assert "Paris" in done.response.output[0].content[0].text
            usage = done.response.usage
            assert usage.total_tokens == usage.input_tokens + usage.output_tokens
            used.append(usage.input_tokens)
        assert used[1] > used[0]


async def test_audio_counts_and_instructions_are_obeyed(sim: RunningSim) -> None:
    async with client(sim).realtime.connect(model="sim") as session:
        await session.session.update(session={"type": "realtime", "instructions": "Answer in uppercase."})
        assert (await until(session, "session.updated")).session.instructions == "Answer in uppercase."
        await session.input_audio_buffer.append(audio="A" * 64_000)
        await session.input_audio_buffer.commit()
        await say(session, FRANCE)
        await session.response.create(response={"max_output_tokens": 3})
        done = await until(session, "response.done")
        assert (done.response.status, done.response.usage.input_token_details.audio_tokens) == ("incomplete", 10)


@pytest.mark.parametrize("event", ["{", '{"type":"nothing"}', '{"type":"response.cancel"}'])
async def test_a_wrong_event_is_an_error_and_no_end(sim: RunningSim, event: str) -> None:
    async with client(sim).realtime.connect(model="sim") as session:
        await session.recv()
        await session.send_raw(event)
        assert (await session.recv()).type == "error"
        await session.response.create()
        await until(session, "response.done")


async def test_the_handshake_is_refused_as_openai_refuses_it(sim: RunningSim) -> None:
    for model, key, status in (("none", "any", 404), ("sim", "invalid", 401)):
        with pytest.raises(websockets.InvalidStatus) as caught:
            await client(sim, key).realtime.connect(model=model).enter()
        assert caught.value.response.status_code == status


def test_a_request_that_is_no_websocket_is_told_so(sim: RunningSim) -> None:
    plain = httpx.get(f"{sim.url}/openai/v1/realtime?model=sim", headers={"authorization": "Bearer any"})
    assert plain.status_code == 400
