"""What tests of sessions share: a caller's WebSocket, scripts of a provider, and the events of its API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from tollway.core.errors import PolicyRefusal
from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import Limits, Listener, Route
from tollway.testing.websocket_upstream import Peer, WebSocketUpstream

from .serving import Served, policy, route

USAGE: dict[str, Any] = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {
        "text_tokens": 5,
        "audio_tokens": 15,
        "cached_tokens": 12,
        "cached_tokens_details": {"text_tokens": 2, "audio_tokens": 10},
    },
    "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
}
USED = Usage(input_fresh=3, input_audio=5, cache_read=2, cache_read_audio=10, output_text=4, output_audio=6)
CREATED = {"type": "session.created", "event_id": "e0", "session": {"type": "realtime", "model": "m"}}
ASK = {"type": "response.create"}


def begun(name: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.created", "event_id": "e1", "response": {"id": name, "status": "in_progress"}}


def delta(text: str = "yes", name: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.output_text.delta", "event_id": "e2", "response_id": name, "delta": text}


def done(name: str = "resp_1", status: str = "completed", usage: object = USAGE) -> dict[str, Any]:
    return {"type": "response.done", "event_id": "e3", "response": {"id": name, "status": status, "usage": usage}}


async def answering(peer: Peer) -> None:
    """Greet, and answer every `response.create` with a response; stop one when told."""
    await peer.send(CREATED)
    count = 0
    while True:
        event = await peer.receive_object()
        if event["type"] == "response.create":
            count += 1
            name = f"resp_{count}"
            for one in (begun(name), delta(name=name), done(name)):
                await peer.send(one)


def then(*steps: object) -> Callable[[Peer], Awaitable[None]]:
    """Greet; then send the objects, await a message at each `...`, and run functions of the peer; then wait."""

    async def script(peer: Peer) -> None:
        await peer.send(CREATED)
        for step in steps:
            if step is ...:
                await peer.receive()
            elif callable(step):
                outcome = step(peer)
                if outcome is not None:
                    await outcome
            else:
                await peer.send(step)
        await peer.until_closed()

    return script


def routed(upstream: WebSocketUpstream, **settings: Any) -> Route:
    """A route to a scripted provider."""
    return route(f"{upstream.url}/v1", **settings)


def limited(**limits: Any) -> Listener:
    """A listener with these limits."""
    return Listener(name="main", host="127.0.0.1", port=8081, limits=Limits(**limits))


class Gatekeeper:
    """Refuses every response after the first `admits`, at once or after a moment."""

    def __init__(self, admits: int, *, waits: bool) -> None:
        self.left = admits + 1  # the handshake is asked about as well
        self.ended: list[str] = []

        def end(exchange: object, record: UsageRecord) -> None:
            del exchange
            self.ended.append(record.outcome)

        self.use = policy(request=self._later if waits else self._now, end=end)

    def _now(self, exchange: object) -> PolicyRefusal | None:
        del exchange
        self.left -= 1
        return PolicyRefusal("over the limit", status=429, code="rate_limit_exceeded") if self.left < 0 else None

    async def _later(self, exchange: object) -> PolicyRefusal | None:
        await asyncio.sleep(0.01)
        return self._now(exchange)


class Caller:
    """A caller's WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, event: object) -> None:
        """Send an object as JSON, or bytes and text as they are."""
        await self.socket.send(event if isinstance(event, str | bytes) else msgspec.json.encode(event).decode())

    async def event(self) -> dict[str, Any]:
        """Wait for the next event."""
        async with asyncio.timeout(5):
            return msgspec.json.decode(await self.socket.recv())

    async def kinds(self, count: int) -> list[str]:
        """Wait for so many events and give their types."""
        return [(await self.event())["type"] for _ in range(count)]

    async def kinds_to_the_end(self) -> list[str]:
        """Give the types of all events until the close."""
        found: list[str] = []
        async with asyncio.timeout(5):
            try:
                while True:
                    found.append(msgspec.json.decode(await self.socket.recv())["type"])
            except websockets.ConnectionClosed:
                return found

    async def closed(self) -> tuple[int, str]:
        """Wait for the close, and say what it was."""
        async with asyncio.timeout(5):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()


async def connect(
    served: Served, path: str = "/v1/realtime?model=m", *, headers: dict[str, str] | None = None, **how: Any
) -> Caller:
    """Open a session."""
    url = f"ws://127.0.0.1:{served.port}{path}"
    how.setdefault("compression", None)
    return Caller(await websockets.connect(url, additional_headers=headers, proxy=None, **how))


async def refused(served: Served, path: str = "/v1/realtime?model=m", **how: Any) -> tuple[int, dict[str, Any]]:
    """Fail to open a session; give status and body."""
    try:
        await connect(served, path, **how)
    except websockets.InvalidStatus as error:
        return error.response.status_code, msgspec.json.decode(error.response.body)
    raise AssertionError("it was accepted")
