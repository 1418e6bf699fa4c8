"""The simulated Responses over WebSocket, read by OpenAI's own SDK."""

import msgspec
import openai
import pytest
from websockets.sync.client import connect

from tollway.testing.sim.app import RunningSim


async def test_each_create_gets_the_events_of_a_stream_and_may_go_on_from_the_last(sim: RunningSim) -> None:
    client = openai.AsyncOpenAI(api_key="any", base_url=f"{sim.url}/openai/v1")
    async with client.responses.connect() as connection:
        last: str | None = None
        for question in ("What is the capital of France?", "What is 2 + 2?"):
            await connection.response.create(model="gpt-5.2", input=question, previous_response_id=last, store=False)
            while (event := await connection.recv()).type != "response.completed":
                pass
            last = event.response.id
            assert event.response.usage.total_tokens > 0
        assert "4" in event.response.output_text


@pytest.mark.parametrize("event", [{"type": "none"}, {"type": "response.create", "model": "none", "input": "x"}])
def test_what_is_wrong_is_told_in_its_lane(sim: RunningSim, event: dict[str, str]) -> None:
    url = f"{sim.url.replace('http', 'ws')}/openai/v1/responses"
    with connect(url, additional_headers={"authorization": "Bearer any"}, proxy=None) as client:
        client.send(msgspec.json.encode({**event, "stream_id": "l"}).decode())
        told = msgspec.json.decode(client.recv(timeout=5))
        assert (told["type"], told["status"], told["stream_id"]) == ("error", 400, "l")
