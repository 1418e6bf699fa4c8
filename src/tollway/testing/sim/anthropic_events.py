"""The event sequence of a streamed message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tollway.testing.sim import anthropic_body as bodies
from tollway.testing.sim.answers import grouped
from tollway.testing.sim.anthropic_body import Object, Spoken

TOKENS_PER_EVENT: Final = 4
ARGUMENT_CHARS: Final = 12


def events(spoken: Spoken) -> Iterator[Object]:
    """Every event in order."""
    opening: Object = {**bodies.envelope(spoken), "content": list[Object]()}
    opening |= {"stop_reason": None, "stop_sequence": None, "stop_details": None}
    opening["usage"] = bodies.usage(spoken, output=1)
    yield {"type": "message_start", "message": opening}
    pinged = False
    for index, (block, deltas) in enumerate(_blocks(spoken)):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        if not pinged:
            pinged = True
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": bodies.stops(spoken), "usage": _final_usage(spoken)}
    yield {"type": "message_stop"}


def _final_usage(spoken: Spoken) -> Object:
    """The last event repeats the counts, without what only the first one knows."""
    counted = bodies.usage(spoken)
    for name in ("cache_creation", "service_tier", "inference_geo"):
        del counted[name]
    return counted


def _blocks(spoken: Spoken) -> Iterator[tuple[Object, list[Object]]]:
    reply = spoken.reply
    if reply.reasoning:
        yield {"type": "thinking", "thinking": "", "signature": ""}, _thinking(spoken)
    if reply.pieces:
        texts = grouped(reply.pieces, TOKENS_PER_EVENT)
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in texts]
    for i, call in enumerate(reply.calls):
        yield bodies.tool_use(spoken, i), _arguments(call.arguments)


def _thinking(spoken: Spoken) -> list[Object]:
    deltas: list[Object] = []
    if bodies.shown_thinking(spoken):
        texts = grouped(spoken.reply.reasoning, TOKENS_PER_EVENT)
        deltas = [{"type": "thinking_delta", "thinking": text} for text in texts]
    return [*deltas, {"type": "signature_delta", "signature": bodies.signature(spoken)}]


def _arguments(text: str) -> list[Object]:
    # The real streams open every tool call with an empty piece.
    parts = ["", *[text[i : i + ARGUMENT_CHARS] for i in range(0, len(text), ARGUMENT_CHARS)]]
    return [{"type": "input_json_delta", "partial_json": part} for part in parts]
