"""OpenAI's Responses over a WebSocket: each `response.create` gets the events that a stream would have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tollway.testing.sim import openai_errors, sockets
from tollway.testing.sim import openai_responses_body as bodies
from tollway.testing.sim.exchange import Answer, Exchange
from tollway.testing.sim.openai_errors import RequestError
from tollway.testing.sim.openai_responses import DECODER, Kept, Store, prepare
from tollway.testing.sim.openai_responses_events import events


class _Envelope(msgspec.Struct):
    type: str = ""
    stream_id: str | None = None


def open_session(exchange: Exchange, store: Store) -> Answer:
    """Answer the handshake at `/v1/responses`."""
    if not sockets.offered(exchange):
        return openai_errors.no_such_path(exchange)
    return sockets.upgrade(exchange, ResponsesConversation(exchange, store), openai_errors.headers(exchange)[1:])


class ResponsesConversation:
    """One connection."""

    def __init__(self, exchange: Exchange, store: Store) -> None:
        self._exchange = exchange
        self._store = store
        self._calls = 0

    def greeting(self) -> Iterable[object]:
        """Nothing: the caller speaks first."""
        return ()

    def said(self, message: bytes) -> Iterator[object]:
        """Answer one event."""
        lane: dict[str, object] = {}
        try:
            envelope = openai_errors.read(msgspec.json.Decoder(_Envelope), message)
            lane = {"stream_id": envelope.stream_id} if envelope.stream_id else {}
            asked = _asked(envelope, message)
            self._calls += 1
            call = msgspec.structs.replace(self._exchange, number=self._exchange.number * 1000 + self._calls)
            spoken = prepare(call, asked, self._store)
        except RequestError as error:
            inner = error.body
            yield {"type": "error", "status": error.status, **(inner if isinstance(inner, dict) else {}), **lane}
            return
        chars = spoken.input_chars + len(spoken.reply.text)
        # Kept for this connection even where `store` is false: that is what the mode is for.
        self._store.keep(spoken.id, Kept(msgspec.json.encode(bodies.finished(spoken)), chars, spoken.messages + 1))
        self._exchange.behaviour = call.behaviour
        for event in events(spoken):
            yield {**event, **lane}


def _asked(envelope: _Envelope, message: bytes) -> bodies.ResponsesRequest:
    if envelope.type != "response.create":
        raise RequestError(f"Invalid value: '{envelope.type}'.", code="invalid_value", param="type")
    return openai_errors.read(DECODER, message)
