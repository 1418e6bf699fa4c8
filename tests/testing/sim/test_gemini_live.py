"""The simulated Live API, read by Google's own SDK."""

import asyncio

import pytest
import websockets
from google import genai
from google.genai import types
from websockets.sync.client import connect

from tollway.testing.sim.app import RunningSim
from tollway.testing.sim.gemini_live import METHOD, PATH


async def test_a_turn_is_answered_and_metered(sim: RunningSim) -> None:
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=sim.url))
    # The SDK insists on TLS for sessions, which the simulator does not speak.
    client._api_client._websocket_base_url = lambda _=None: sim.url.replace("http", "ws")
    client._api_client._websocket_ssl_ctx = {}
    config = {"response_modalities": ["TEXT"], "system_instruction": "Answer in uppercase."}
    async with client.aio.live.connect(model="gemini-live-2.5-flash-preview", config=config) as session:
        for ask in ("What is the capital of France?", "What is 2 + 2?"):
            content = types.Content(role="user", parts=[types.Part(text=ask)])
            await session.send_client_content(turns=content, turn_complete=True)
            async with asyncio.timeout(5):
                messages = [message async for message in session.receive()]
            usage = messages[-1].usage_metadata
            assert usage is not None
            assert usage.total_token_count == (usage.prompt_token_count or 0) + (usage.response_token_count or 0)
        await session.send_realtime_input(text="What is 3 + 3?")
        async with asyncio.timeout(5):
            assert "6" in "".join([message.text or "" async for message in session.receive()])


@pytest.mark.parametrize(
    ("first", "code"),
    [("{", 1007), ('{"clientContent":{}}', 1007), ('{"setup":{"model":"models/none"}}', 1008)],
)
def test_what_is_wrong_is_told_by_closing(sim: RunningSim, first: str, code: int) -> None:
    url = f"{sim.url.replace('http', 'ws')}{PATH}v1beta{METHOD}"
    with connect(url, additional_headers={"x-goog-api-key": "any"}, proxy=None) as client:
        client.send(first)
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            client.recv(timeout=5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code
