"""The WebSocket side of the simulator: one connection, and how a provider's module speaks on it.

A provider's module implements `Conversation`: what it says first, and what it says to each message. Everything it
says to one message is sent at once; troubles asked for by the model's name break the connection, as they do streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol, cast

import msgspec

from tollway.testing.http_messages import Headers, Upgrade
from tollway.testing.sim.exchange import GARBLED, Exchange
from tollway.wire.websocket import Closed, Message, WebSocketFraming, accept_token, is_key

_MESSAGE_BYTES: Final = 16 * 1024 * 1024


class Ended(Exception):
    """The provider closes, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Conversation(Protocol):
    """One session with a provider."""

    def greeting(self) -> Iterable[object]:
        """What the provider says before it is asked anything."""
        ...

    def said(self, message: bytes) -> Iterable[object]:
        """What it says to a message, event by event; raises `Ended` to close instead."""
        ...


def offered(exchange: Exchange) -> bool:
    """Whether the request offers to become a WebSocket."""
    request = exchange.request
    key = (request.header("sec-websocket-key") or "").encode("latin-1")
    return request.method == "GET" and (request.header("upgrade") or "").lower() == "websocket" and is_key(key)


def upgrade(exchange: Exchange, conversation: Conversation, headers: Headers) -> Upgrade:
    """Accept the offer."""
    token = accept_token((exchange.request.header("sec-websocket-key") or "").encode("latin-1")).decode()
    lines = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", token), *headers]
    delay = float(exchange.behaviour.amount) if exchange.behaviour.kind == "slow" else 0.0
    return Upgrade(headers=lines, make=lambda: SimulatedSocket(exchange, conversation), delay=delay)


class SimulatedSocket(asyncio.Protocol):
    """One connection."""

    def __init__(self, exchange: Exchange, conversation: Conversation) -> None:
        self._exchange = exchange
        self._conversation = conversation
        self._framing = WebSocketFraming(server=True, message_bytes=_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        for event in self._conversation.greeting():
            self._framing.send(Message(msgspec.json.encode(event), text=True))
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        for event in self._framing.feed(data):
            if isinstance(event, Closed):
                self._flush()
                self._close()
                return
            try:
                self._answer(list(self._conversation.said(event.data)))
            except Ended as end:
                self._framing.close(end.code, end.reason)
        self._flush()

    def _answer(self, events: list[object]) -> None:
        behaviour = self._exchange.behaviour
        kind, sound = behaviour.kind, min(behaviour.amount, max(len(events) - 1, 0))
        troubled = len(events) > 1 and kind in {"stall", "cut", "reset", "garble", "hang"}
        for event in events[:sound] if troubled else events:
            self._framing.send(Message(msgspec.json.encode(event), text=True))
        if not troubled:
            return
        if kind == "garble":
            self._framing.send(Message(GARBLED, text=True))
        self._flush()
        if kind in {"cut", "reset"} and self._transport is not None:
            # Close, not abort: what was written before the cut must still reach the other side.
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._framing.take_output())

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
