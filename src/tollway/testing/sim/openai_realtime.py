"""OpenAI's Realtime API, text only: items are kept, and each `response.create` answers the last of the user's.

Audio that is appended is counted and never heard. A session's usage grows as the conversation does, three quarters
of what was there before counting as cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from tollway.testing.sim import models, openai_errors, sockets
from tollway.testing.sim.answers import Ask, answer, grouped, tokens
from tollway.testing.sim.exchange import Answer, Exchange
from tollway.testing.sim.openai_errors import RequestError

_PIECES_PER_DELTA: Final = 4
_AUDIO_BYTES_PER_TOKEN: Final = 6400


class _Part(msgspec.Struct):
    text: str = ""


class _Item(msgspec.Struct):
    role: str = ""
    content: list[_Part] = []


class _Settings(msgspec.Struct):
    instructions: str = ""
    model: str = ""
    max_output_tokens: int | str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    event_id: str | None = None
    item: _Item | None = None
    session: _Settings | None = None
    response: _Settings | None = None
    response_id: str | None = None
    audio: str = ""


_DECODER: Final = msgspec.json.Decoder(_Event)


def open_session(
    exchange: Exchange, *, served_by: Callable[[str], str | None] = models.openai_realtime_served
) -> Answer:
    """Answer `GET /v1/realtime?model=…`."""
    if not sockets.offered(exchange):
        message = "You must connect to this endpoint with a WebSocket."
        return openai_errors.refuse(exchange, RequestError(message, code="missing_upgrade"))
    query = dict(parse_qsl(exchange.request.query))
    asked = query.get("model", "")
    model = exchange.settle(asked)
    served = served_by(model)
    if served is None:
        message = f"The model '{asked}' does not exist or you do not have access to it."
        return openai_errors.refuse(exchange, RequestError(message, code="model_not_found", param="model", status=404))
    if exchange.behaviour.status is not None:
        return openai_errors.troubled(exchange, exchange.behaviour.status)
    headers = openai_errors.headers(exchange)[1:]  # there is no body whose type could be told
    return sockets.upgrade(exchange, RealtimeConversation(exchange, served), headers)


class RealtimeConversation:
    """One session."""

    def __init__(self, exchange: Exchange, served: str) -> None:
        self._exchange = exchange
        self._served = served
        self._instructions = ""
        self._prompt = ""
        self._chars = 0
        self._audio = 0
        self._made = 0

    def greeting(self) -> Iterable[object]:
        """Say that the session is there."""
        return [self._event("session.created", session=self._session())]

    def said(self, message: bytes) -> Iterator[object]:
        """Answer one event."""
        try:
            event = _DECODER.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield self._error(f"The event could not be parsed: {error}.", "invalid_json", None)
            return
        match event.type:
            case "session.update":
                self._instructions = event.session.instructions if event.session is not None else self._instructions
                yield self._event("session.updated", session=self._session())
            case "conversation.item.create" if event.item is not None:
                yield from self._add(event.item)
            case "input_audio_buffer.append":
                self._audio += len(event.audio)
            case "input_audio_buffer.commit":
                yield self._event("input_audio_buffer.committed", item_id=self._mint("item_"))
            case "response.create":
                yield from self._respond(event.response or _Settings())
            case "response.cancel":
                yield self._error("Cancellation failed: no active response found", "response_cancel_not_active", event)
            case _:
                yield self._error(f"Invalid value: '{event.type}'.", "invalid_value", event)

    def _add(self, item: _Item) -> Iterator[object]:
        text = "".join(part.text for part in item.content)
        self._chars += len(text)
        if item.role == "user":
            self._prompt = text
        kept = {"id": self._mint("item_"), "object": "realtime.item", "type": "message", "status": "completed"}
        whole = {**kept, "role": item.role, "content": [{"type": "input_text", "text": text}]}
        yield self._event("conversation.item.added", previous_item_id=None, item=whole)
        yield self._event("conversation.item.done", previous_item_id=None, item=whole)

    def _respond(self, settings: _Settings) -> Iterator[object]:
        limit = settings.max_output_tokens if isinstance(settings.max_output_tokens, int) else None
        system = settings.instructions or self._instructions
        reply = answer(Ask(prompt=self._prompt, system=system, input_chars=self._chars + len(system), max_tokens=limit))
        name, item = self._mint("resp_"), self._mint("item_")
        plain = {"id": name, "object": "realtime.response", "conversation_id": self._named("conv_")}
        yield self._event("response.created", response={**plain, "status": "in_progress", "output": [], "usage": None})
        where = {"response_id": name, "item_id": item, "output_index": 0, "content_index": 0}
        for piece in grouped(reply.pieces, _PIECES_PER_DELTA):
            yield self._event("response.output_text.delta", **where, delta=piece)
        yield self._event("response.output_text.done", **where, text=reply.text)
        audio, self._audio = self._audio // _AUDIO_BYTES_PER_TOKEN, 0
        known = tokens(" " * self._chars) * 3 // 4
        usage = {
            "total_tokens": reply.input_tokens + audio + reply.output_tokens,
            "input_tokens": reply.input_tokens + audio,
            "output_tokens": reply.output_tokens,
            "input_token_details": {
                "text_tokens": reply.input_tokens,
                "audio_tokens": audio,
                "cached_tokens": min(known, reply.input_tokens),
                "cached_tokens_details": {"text_tokens": min(known, reply.input_tokens), "audio_tokens": 0},
            },
            "output_token_details": {"text_tokens": reply.output_tokens, "audio_tokens": 0},
        }
        self._chars += len(reply.text)
        content = [{"type": "output_text", "text": reply.text}]
        said = {"id": item, "object": "realtime.item", "type": "message", "status": "completed", "role": "assistant"}
        status = "incomplete" if reply.finish == "length" else "completed"
        done = {**plain, "status": status, "output": [{**said, "content": content}], "usage": usage}
        yield self._event("response.done", response=done)

    def _session(self) -> object:
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self._named("sess_"),
            "model": self._served,
            "output_modalities": ["text"],
            "instructions": self._instructions,
        }

    def _error(self, message: str, code: str, event: _Event | None) -> object:
        about = event.event_id if event is not None else None
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": about}
        return self._event("error", error=error)

    def _event(self, kind: str, **members: object) -> object:
        return {"type": kind, "event_id": self._mint("event_"), **members}

    def _mint(self, prefix: str) -> str:
        self._made += 1
        return self._exchange.mint(prefix, self._made)

    def _named(self, prefix: str) -> str:
        return self._exchange.mint(prefix)
