"""What tests of kept turns share: a proxy that keeps them, callers with names, and stores that fail or wait."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Authentication
from tollway.interfaces.response_state import Kept, StateUnavailable
from tollway.snapshot.document import LlmProxy, PolicyUse, ResponseState, Route
from tollway.stores.response_state_memory import MemoryResponseStore

from .listener import Answer
from .serving import EVENTS, Served, chunk, policy, proxy

PATH = "/v1/responses"
KEEPS = ResponseState()
TOOL: dict[str, Any] = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}


def keeping(*routes: Route, state: ResponseState = KEEPS, **settings: Any) -> LlmProxy:
    """A proxy that keeps turns, and takes the header `x-name` for the caller's."""
    return proxy(*routes, **{"response_state": state, "policies": (by_name(),), **settings})


def by_name() -> PolicyUse:
    """A policy that believes what callers say they are."""

    def request(exchange: Any) -> None:
        name = exchange.header("x-name")
        if name:
            client = ClientApplication(client_id=name, name=name)
            exchange.identify(Authentication(client=client))

    return policy(request=request)


async def ask(served: Served, body: Mapping[str, Any], *, name: str = "ada", **how: Any) -> dict[str, Any]:
    """Ask for a response that must be given."""
    answer = await served.ask(PATH, {"model": "m", **body}, headers={"x-name": name}, **how)
    assert answer.status == 200, answer.body
    if not body.get("stream"):
        return msgspec.json.decode(answer.body)
    assert answer.whole
    return events_of(answer)[-1]["response"]


def events_of(answer: Answer) -> list[dict[str, Any]]:
    """Read the events of a stream."""
    lines = answer.body.decode().split("\n")
    return [msgspec.json.decode(line[6:]) for line in lines if line.startswith("data: {")]


async def get(
    served: Served, path: str, *, name: str = "ada", method: str = "GET", body: object = None
) -> tuple[int, dict[str, Any]]:
    """Ask about something kept."""
    raw = b"" if body is None else msgspec.json.encode(body)
    answer = await served.ask(path, method=method, raw=raw, headers={"x-name": name})
    return answer.status, msgspec.json.decode(answer.body)


def text(response: Mapping[str, Any]) -> str:
    """The words of a response."""
    return "".join(part["text"] for item in response["output"] for part in item.get("content", ()))


def spoken(*pieces: str) -> list[str]:
    """The events of a Chat stream that says this."""
    return [*(chunk(piece) for piece in pieces), *EVENTS[3:]]


class FailingStore(MemoryResponseStore):
    """A store that can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_to_put = False
        self.fails_to_get = False

    async def put(self, kept: Sequence[Kept], *, owner_bytes: int) -> None:
        if self.fails_to_put:
            raise StateUnavailable("/secret/path: disk full")
        await super().put(kept, owner_bytes=owner_bytes)

    async def chain(self, owner: str, identity: str, now_us: int, *, most: int) -> Sequence[Kept]:
        if self.fails_to_get:
            raise StateUnavailable("/secret/path: locked")
        return await super().chain(owner, identity, now_us, most=most)


class WaitingStore(MemoryResponseStore):
    """A store that is slow until told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.asked = asyncio.Event()

    async def put(self, kept: Sequence[Kept], *, owner_bytes: int) -> None:
        self.asked.set()
        await self.go_on.wait()
        await super().put(kept, owner_bytes=owner_bytes)

    async def chain(self, owner: str, identity: str, now_us: int, *, most: int) -> Sequence[Kept]:
        self.asked.set()
        await self.go_on.wait()
        return await super().chain(owner, identity, now_us, most=most)
