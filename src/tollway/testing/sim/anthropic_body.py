"""The message that answers a Messages request, and its usage."""

from __future__ import annotations

from typing import Final

import msgspec

from tollway.testing.sim.answers import Reply
from tollway.testing.sim.anthropic_request import MessagesRequest, Split
from tollway.testing.sim.exchange import Exchange

Object = dict[str, object]

STOP_REASON: Final = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
}


class Spoken(msgspec.Struct, kw_only=True):
    """A request that can be answered, with its reply."""

    exchange: Exchange
    asked: MessagesRequest
    served: str
    reply: Reply
    split: Split


def message(spoken: Spoken) -> Object:
    """The whole message of a plain call."""
    return {**envelope(spoken), "content": content(spoken), **stops(spoken), "usage": usage(spoken)}


def envelope(spoken: Spoken) -> Object:
    """What is known of a message before anything is said."""
    return {
        "model": spoken.served,
        "id": spoken.exchange.mint("msg_01", digits=22),
        "type": "message",
        "role": "assistant",
    }


def stops(spoken: Spoken) -> Object:
    """Why the message ended."""
    details = {"type": "refusal", "category": None, "explanation": None}
    return {
        "stop_reason": STOP_REASON[spoken.reply.finish],
        "stop_sequence": spoken.reply.stop_sequence,
        "stop_details": details if spoken.reply.finish == "refusal" else None,
    }


def content(spoken: Spoken) -> list[Object]:
    """The finished content blocks in order."""
    reply = spoken.reply
    blocks: list[Object] = []
    if reply.reasoning:
        blocks.append(
            {
                "type": "thinking",
                "thinking": shown_thinking(spoken),
                "signature": signature(spoken),
            }
        )
    if reply.pieces:
        blocks.append({"type": "text", "text": reply.text})
    for i, call in enumerate(reply.calls):
        block = {**tool_use(spoken, i), "input": msgspec.Raw(call.arguments.encode())}
        blocks.append(block)
    return blocks


def shown_thinking(spoken: Spoken) -> str:
    """The thinking, unless the request wants it left out."""
    thinking = spoken.asked.thinking
    if thinking is not None and thinking.display == "omitted":
        return ""
    return spoken.reply.reasoning_text


def signature(spoken: Spoken) -> str:
    """The seal that a later call sends back with the thinking."""
    return spoken.exchange.mint("EqQBCkYIBxgC", digits=64)


def tool_use(spoken: Spoken, index: int) -> Object:
    """A tool call without its input."""
    return {
        "type": "tool_use",
        "id": spoken.exchange.mint("toolu_01", index, digits=22),
        "name": spoken.reply.calls[index].name,
        "input": {},
        "caller": {"type": "direct"},
    }


def usage(spoken: Spoken, output: int | None = None) -> Object:
    """The tokens of the call; `output` stands for a count taken before the end."""
    split = spoken.split
    counted: Object = {
        "input_tokens": split.fresh,
        "cache_creation_input_tokens": split.written_5m + split.written_1h,
        "cache_read_input_tokens": split.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": split.written_5m,
            "ephemeral_1h_input_tokens": split.written_1h,
        },
        "output_tokens": spoken.reply.output_tokens if output is None else output,
        "service_tier": "standard",
        "inference_geo": "global",
    }
    if output is None:
        counted["output_tokens_details"] = {"thinking_tokens": spoken.reply.reasoning_tokens}
    return counted


def error_body(kind: str, what: str, request_id: str | None) -> Object:
    """The vendor's error envelope; events in a stream carry no request id."""
    body: Object = {"type": "error", "error": {"type": kind, "message": what}}
    if request_id is not None:
        body["request_id"] = request_id
    return body
