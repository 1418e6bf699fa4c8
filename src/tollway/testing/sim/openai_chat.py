"""OpenAI's Chat Completions, plain and streamed, and the imitations that Ollama and vLLM serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from tollway.testing.sim import models, openai_errors
from tollway.testing.sim.answers import Call, Reply, answer
from tollway.testing.sim.exchange import (
    OBFUSCATION,
    SSE_TYPE,
    Answer,
    Exchange,
    cached,
    sse_data,
)
from tollway.testing.sim.openai_chat_request import DECODER, ChatRequest, ask_of, check_ranges
from tollway.testing.sim.openai_errors import RequestError

FINISH: Final = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "stop",
}
DONE: Final = b"data: [DONE]\n\n"

Object = dict[str, object]


class Flavour(msgspec.Struct, frozen=True):
    """In what the servers that speak this format differ."""

    served: Callable[[str], str | None]
    fingerprint: str = "fp_50cad350e4"
    reasoning_member: str | None = None
    """Where the server shows its reasoning; OpenAI itself does not show it."""
    token_details: bool = True
    padded: bool = True
    """Chunks carry an `obfuscation` member that hides their length."""
    service_tier: str | None = "default"
    body_members: Object = {}
    """Added to the body of a plain answer."""
    choice_members: Object = {}
    """Added to each choice that has something to say, plain or streamed."""
    silent_choice_members: Object = {}
    """Added to each streamed choice without text: the first and the last."""
    opening_chunk: Object | None = None
    """Sent before the stream proper."""


OPENAI: Final = Flavour(served=models.openai_served)
OLLAMA: Final = Flavour(
    served=models.open_served,
    fingerprint="fp_ollama",
    reasoning_member="reasoning",
    token_details=False,
    padded=False,
    service_tier=None,
)
VLLM: Final = Flavour(
    served=models.open_served,
    fingerprint="fp_vllm",
    reasoning_member="reasoning_content",
    token_details=False,
    padded=False,
    service_tier=None,
)
COMPATIBLE: Final = Flavour(
    served=models.any_served,
    fingerprint="fp_compatible",
    reasoning_member="reasoning_content",
    padded=False,
    service_tier=None,
)


class Chat(msgspec.Struct):
    """A chat request that can be answered, with its replies: one for each choice."""

    exchange: Exchange
    asked: ChatRequest
    flavour: Flavour
    served: str
    replies: list[Reply]

    @property
    def wants_usage(self) -> bool:
        """The stream shall end with a usage chunk."""
        options = self.asked.stream_options
        return options is not None and options.include_usage is True


def complete(exchange: Exchange, flavour: Flavour = OPENAI) -> Answer:
    """Answer `POST /v1/chat/completions`."""
    try:
        asked = openai_errors.read(DECODER, exchange.request.body)
        chat = prepare(exchange, asked, flavour)
    except RequestError as error:
        return openai_errors.refuse(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return openai_errors.troubled(exchange, status)
    if asked.stream:
        events = [sse_data(body) for body in chunks(chat)]
        return exchange.stream(
            [*events, DONE],
            openai_errors.headers(exchange, SSE_TYPE),
            error=openai_errors.stream_error(),
        )
    return exchange.plain(completion(chat), openai_errors.headers(exchange))


def prepare(exchange: Exchange, asked: ChatRequest, flavour: Flavour) -> Chat:
    """Check the request and make the replies.

    Raises:
        RequestError: something required is missing, out of range, or not known.
    """
    if not asked.model:
        message = "you must provide a model parameter"
        raise RequestError(message)
    if asked.messages is None:
        message = "Missing required parameter: 'messages'."
        raise RequestError(message, code="missing_required_parameter", param="messages")
    if not asked.messages:
        message = "Invalid 'messages': empty array. Expected at least one message."
        raise RequestError(message, code="empty_array", param="messages")
    model = exchange.settle(asked.model)
    served = flavour.served(model)
    if served is None:
        raise unknown_model(asked.model)
    check_ranges(asked)
    ask = ask_of(asked, asked.messages, served, refuse=exchange.behaviour.kind == "refuse")
    replies = [answer(msgspec.structs.replace(ask, choice=i)) for i in range(asked.n or 1)]
    return Chat(exchange, asked, flavour, served, replies)


def unknown_model(model: str) -> RequestError:
    """The refusal of a model that the server does not have."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return RequestError(message, status=404, code="model_not_found")


def completion(chat: Chat) -> Object:
    """The whole answer of a plain call."""
    return {
        "id": chat.exchange.mint("chatcmpl-", digits=29),
        "object": "chat.completion",
        "created": chat.exchange.created,
        "model": chat.served,
        "choices": [_choice(chat, i, reply) for i, reply in enumerate(chat.replies)],
        "usage": usage(chat),
        **_server_members(chat.flavour),
        **chat.flavour.body_members,
    }


def _server_members(flavour: Flavour) -> Object:
    members: Object = {"system_fingerprint": flavour.fingerprint}
    if flavour.service_tier is not None:
        members["service_tier"] = flavour.service_tier
    return members


def _choice(chat: Chat, index: int, reply: Reply) -> Object:
    refused = reply.finish == "refusal"
    message: Object = {
        "role": "assistant",
        "content": None if refused or (reply.calls and not reply.text) else reply.text,
        "refusal": reply.text if refused else None,
        "annotations": [],
    }
    if reply.calls:
        message["tool_calls"] = [
            {"id": call_id(chat, index, i), "type": "function", "function": _function(call)}
            for i, call in enumerate(reply.calls)
        ]
    if chat.flavour.reasoning_member and reply.reasoning:
        message[chat.flavour.reasoning_member] = reply.reasoning_text
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(reply.pieces) if chat.asked.logprobs else None,
        "finish_reason": FINISH[reply.finish],
        **chat.flavour.choice_members,
    }


def call_id(chat: Chat, choice: int, call: int) -> str:
    """The id of a tool call."""
    return chat.exchange.mint("call_", choice * 16 + call)


def _function(call: Call) -> Object:
    return {"name": call.name, "arguments": call.arguments}


def _logprobs(pieces: list[str]) -> Object:
    return {
        "content": [
            {"token": piece, "logprob": -0.01, "bytes": list(piece.encode()), "top_logprobs": []} for piece in pieces
        ],
        "refusal": None,
    }


def usage(chat: Chat) -> Object:
    """Tokens of the whole call: the prompt once, the answers of all choices."""
    prompt = chat.replies[0].input_tokens
    output = sum(reply.output_tokens for reply in chat.replies)
    counted: Object = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
    }
    if chat.flavour.token_details:
        counted["prompt_tokens_details"] = {"cached_tokens": cached(prompt), "audio_tokens": 0}
        counted["completion_tokens_details"] = {
            "reasoning_tokens": sum(reply.reasoning_tokens for reply in chat.replies),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        }
    return counted


def chunks(chat: Chat) -> Iterator[Object]:
    """The chunks of a stream in order, without the closing `[DONE]`."""
    base: Object = {
        "id": chat.exchange.mint("chatcmpl-", digits=29),
        "object": "chat.completion.chunk",
        "created": chat.exchange.created,
        "model": chat.served,
        **_server_members(chat.flavour),
    }
    if chat.wants_usage:
        base["usage"] = None
    options = chat.asked.stream_options
    padded = chat.flavour.padded and (options is None or options.include_obfuscation is not False)
    if chat.flavour.opening_chunk is not None:
        yield chat.flavour.opening_chunk
    for index, reply in enumerate(chat.replies):
        for at, (delta, piece, finish) in enumerate(_deltas(chat, index, reply)):
            logprobs = _logprobs([piece]) if chat.asked.logprobs and piece else None
            choice: Object = {
                "index": index,
                "delta": delta,
                "logprobs": logprobs,
                "finish_reason": finish,
                **(chat.flavour.choice_members if piece else chat.flavour.silent_choice_members),
            }
            padding = {"obfuscation": OBFUSCATION[: 3 + at % 13]} if padded else {}
            yield {**base, "choices": [choice], **padding}
    if chat.wants_usage:
        yield {**base, "choices": [], "usage": usage(chat)}


def _deltas(chat: Chat, index: int, reply: Reply) -> Iterator[tuple[Object, str, str | None]]:
    """Each delta with the piece of text it carries and the finish reason it ends with."""
    refused = reply.finish == "refusal"
    empty = None if reply.calls and not reply.pieces else ""
    yield {"role": "assistant", "content": empty, "refusal": None}, "", None
    if chat.flavour.reasoning_member:
        for piece in reply.reasoning:
            yield {chat.flavour.reasoning_member: piece}, "", None
    for piece in reply.pieces:
        yield {"refusal" if refused else "content": piece}, piece, None
    for i, call in enumerate(reply.calls):
        start = {"name": call.name, "arguments": ""}
        identified = {"index": i, "id": call_id(chat, index, i), "type": "function"}
        yield {"tool_calls": [{**identified, "function": start}]}, "", None
        for j in range(0, len(call.arguments), 6):
            more = {"arguments": call.arguments[j : j + 6]}
            yield {"tool_calls": [{"index": i, "function": more}]}, "", None
    yield {}, "", FINISH[reply.finish]
