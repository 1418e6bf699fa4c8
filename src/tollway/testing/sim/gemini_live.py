"""Google's Live API, text only: `setup`, then a turn of the model for each `clientContent` that ends one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from tollway.testing.sim import gemini, models, sockets
from tollway.testing.sim.answers import Ask, answer, grouped
from tollway.testing.sim.exchange import Answer, Exchange
from tollway.testing.sim.sockets import Ended

PATH: Final = "/ws/google.ai.generativelanguage."
METHOD: Final = ".GenerativeService.BidiGenerateContent"
_PIECES_PER_MESSAGE: Final = 4


class _Part(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Setup(msgspec.Struct, rename="camel"):
    model: str = ""
    system_instruction: _Content | None = None


class _ClientContent(msgspec.Struct, rename="camel"):
    turns: list[_Content] | _Content | None = None
    turn_complete: bool = False


class _RealtimeInput(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct, rename="camel"):
    setup: _Setup | None = None
    client_content: _ClientContent | None = None
    realtime_input: _RealtimeInput | None = None


_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPELLINGS: Final = {"client_content": "clientContent", "realtime_input": "realtimeInput"}
"""Google's own SDK writes these names so, within messages that are otherwise in the other spelling."""


def open_session(exchange: Exchange) -> Answer:
    """Answer the handshake; the first message names the model."""
    if not sockets.offered(exchange):
        return gemini.no_such_path(exchange)
    return sockets.upgrade(exchange, LiveConversation(exchange), [])


class LiveConversation:
    """One session."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._set_up = False
        self._system = ""
        self._chars = 0
        self._prompt = ""

    def greeting(self) -> Iterable[object]:
        """Nothing: the caller speaks first."""
        return ()

    def said(self, message: bytes) -> Iterator[object]:
        """Answer one message.

        Raises:
            Ended: it is not what the API takes.
        """
        try:
            members = _MEMBERS.decode(message)
            given = msgspec.json.decode(
                msgspec.json.encode({_SPELLINGS.get(name, name): raw for name, raw in members.items()}), type=_Message
            )
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Ended(1007, "Request contains an invalid argument.") from None
        if not self._set_up:
            yield self._begin(given.setup)
        elif given.client_content is not None:
            content = given.client_content
            turns = [content.turns] if isinstance(content.turns, _Content) else content.turns or []
            for turn in turns:
                self._prompt = _text(turn)
                self._chars += len(self._prompt)
            if content.turn_complete:
                yield from self._turn()
        elif given.realtime_input is not None and given.realtime_input.text:
            self._prompt = given.realtime_input.text
            self._chars += len(self._prompt)
            yield from self._turn()

    def _begin(self, setup: _Setup | None) -> object:
        if setup is None:
            raise Ended(1007, "The first message must be a setup message.")
        name = setup.model.removeprefix("models/")
        model = self._exchange.settle(name)
        if models.gemini_live_served(model) is None:
            raise Ended(1008, f"models/{name} is not found for API version v1beta, or is not supported.")
        if setup.system_instruction is not None:
            self._system = _text(setup.system_instruction)
        self._set_up = True
        return {"setupComplete": {}}

    def _turn(self) -> Iterator[object]:
        reply = answer(Ask(prompt=self._prompt, system=self._system, input_chars=self._chars + len(self._system)))
        for piece in grouped(reply.pieces, _PIECES_PER_MESSAGE):
            yield {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": piece}]}}}
        self._chars += len(reply.text)
        yield {"serverContent": {"generationComplete": True}}
        yield {
            "serverContent": {"turnComplete": True},
            "usageMetadata": {
                "promptTokenCount": reply.input_tokens,
                "responseTokenCount": reply.output_tokens,
                "totalTokenCount": reply.input_tokens + reply.output_tokens,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": reply.input_tokens}],
                "responseTokensDetails": [{"modality": "TEXT", "tokenCount": reply.output_tokens}],
            },
        }


def _text(content: _Content) -> str:
    return "".join(part.text for part in content.parts)
