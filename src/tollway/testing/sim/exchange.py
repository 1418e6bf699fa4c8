"""One call to the simulator: what every provider's module needs to answer it.

Holds the request, its number (from which ids and times are made), the pace of streams and
the trouble asked for, and turns bodies and events into answers that keep or break faith.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.testing.http_messages import Headers, Request, Response, Stream, Upgrade
from tollway.testing.sim import behaviours
from tollway.testing.sim.behaviours import NONE, Behaviour

EPOCH_SECONDS: Final = 1_767_225_600
"""2026-01-01T00:00:00Z: the first answer is given one second later, and so on."""
HANG_SECONDS: Final = 86_400.0
GARBLED: Final = b'{"id": "sim", "choices": [{"index": 0, "mess'
GARBLED_EVENT: Final = b"data: " + GARBLED + b"\n\n"
GARBLED_LINE: Final = GARBLED + b"\n"
OBFUSCATION: Final = "Qm7xTz2LkVr9WpYc"

Answer = Response | Stream | Upgrade
JSON_TYPE: Final = ("content-type", "application/json")
SSE_TYPE: Final = ("content-type", "text/event-stream; charset=utf-8")
NDJSON_TYPE: Final = ("content-type", "application/x-ndjson")


class Exchange(msgspec.Struct):
    """The request and what is needed to answer it."""

    request: Request
    number: int
    pace: float
    attempts: dict[str, int]
    """Calls so far of each model that fails every other time."""
    behaviour: Behaviour = NONE

    def settle(self, model: str) -> str:
        """Take note of the trouble that the model's name or a header asks for.

        Returns:
            The name of the model without its trouble.
        """
        plain, self.behaviour = behaviours.split(model, self.request)
        if self.behaviour.kind == "flaky":
            count = self.attempts[model] = self.attempts.get(model, 0) + 1
            self.behaviour = Behaviour("503") if count % 2 else NONE
        return plain

    @property
    def created(self) -> int:
        """Seconds since the epoch at which this answer claims to be made."""
        return EPOCH_SECONDS + self.number

    def mint(self, prefix: str, part: int = 0, *, digits: int = 24) -> str:
        """An id that looks random and is the same in every run."""
        source = f"{prefix}{self.number}.{part}".encode()
        return prefix + hashlib.blake2b(source, digest_size=32).hexdigest()[:digits]

    def plain(self, body: object, headers: Headers, status: int = 200) -> Response:
        """A JSON answer, broken as the trouble asks."""
        return self.plain_bytes(msgspec.json.encode(body), headers, status)

    def plain_bytes(self, data: bytes, headers: Headers, status: int = 200) -> Response:
        """An answer of ready bytes, broken as the trouble asks."""
        answer = Response(status=status, headers=headers, body=data)
        match self.behaviour.kind:
            case "slow":
                answer.delay = float(self.behaviour.amount)
            case "hang":
                answer.delay = HANG_SECONDS
            case "garble":
                answer.body = GARBLED
            case "cut" | "reset" | "stall":
                answer.body_sent = len(data) // 2
                answer.ending = "hang" if self.behaviour.kind == "stall" else self.behaviour.kind
            case _:
                pass
        return answer

    def stream(self, events: list[bytes], headers: Headers, *, error: bytes, garbled: bytes = GARBLED_EVENT) -> Stream:
        """A stream of framed events, broken as the trouble asks; `error` and `garbled` are such events."""
        answer = Stream(status=200, headers=headers, events=events, pace=self.pace)
        sound = min(self.behaviour.amount, len(events) - 1)
        match self.behaviour.kind:
            case "slow":
                answer.delay = float(self.behaviour.amount)
            case "hang":
                answer.delay = HANG_SECONDS
            case "stall":
                answer.events = events[:sound]
                answer.ending = "hang"
            case "cut" | "reset":
                half = events[sound][: len(events[sound]) // 2]
                answer.events = [*events[:sound], half]
                answer.ending = self.behaviour.kind
            case "error":
                answer.events = [*events[:sound], error]
            case "garble":
                answer.events = [*events[:sound], garbled, *events[sound:]]
            case _:
                pass
        return answer


def sse_data(body: object) -> bytes:
    """One unnamed server-sent event."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def sse_event(name: str, body: Mapping[str, object]) -> bytes:
    """One named server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"


def json_line(body: object) -> bytes:
    """One line of a stream of lines."""
    return msgspec.json.encode(body) + b"\n"


def cached(input_tokens: int) -> int:
    """How much of a prompt counts as read from the cache.

    OpenAI and Gemini cache without being asked, from 1,024 tokens on; here three quarters
    of every such prompt are always found there, in whole blocks of 128.
    """
    return max(1024, input_tokens * 3 // 4 // 128 * 128) if input_tokens >= 1024 else 0
