"""OpenAI's Chat Completions, plain and streamed, and the imitations that Ollama and vLLM serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from tollway.testing.sim import models, openai_errors
from tollway.testing.sim.answers import Ask, Call, Reply, Tool, ToolUse, answer
from tollway.testing.sim.exchange import (
    OBFUSCATION,
    SSE_TYPE,
    Answer,
    Exchange,
    cached,
    sse_data,
)
from tollway.testing.sim.json_samples import Json, decode
from tollway.testing.sim.openai_errors import RequestError

EFFORT_TOKENS: Final = {"none": 0, "minimal": 0, "low": 16, "medium": 32, "high": 64, "xhigh": 96}
MAX_CHOICES: Final = 8
FINISH: Final = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "stop",
}
DONE: Final = b"data: [DONE]\n\n"
NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')

Object = dict[str, object]


class Part(msgspec.Struct):
    """One part of a message's content."""

    type: str = "text"
    text: str | None = None


class Message(msgspec.Struct):
    """One message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: msgspec.Raw = msgspec.Raw()


class Function(msgspec.Struct):
    """A function's name and schema, or only its name where a choice points to it."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NO_SCHEMA


class ToolEntry(msgspec.Struct):
    """One entry of `tools`, or the object form of `tool_choice`."""

    type: str
    function: Function | None = None


class JsonSchema(msgspec.Struct):
    """The schema of a structured answer."""

    name: str
    schema: msgspec.Raw = NO_SCHEMA


class Format(msgspec.Struct):
    """`response_format`."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(msgspec.Struct):
    """The members of a chat request that change the answer; others are let through."""

    model: str | None = None
    messages: list[Message] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    tools: list[ToolEntry] | None = None
    tool_choice: str | ToolEntry | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    temperature: float | None = None


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

DECODER: Final = msgspec.json.Decoder(ChatRequest)


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
    _check_ranges(asked)
    ask = _ask(exchange, asked, asked.messages, served)
    replies = [answer(msgspec.structs.replace(ask, choice=i)) for i in range(asked.n or 1)]
    return Chat(exchange, asked, flavour, served, replies)


def unknown_model(model: str) -> RequestError:
    """The refusal of a model that the server does not have."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return RequestError(message, status=404, code="model_not_found")


def _check_ranges(asked: ChatRequest) -> None:
    if asked.temperature is not None and not 0 <= asked.temperature <= 2:
        edge, word = ("below", "minimum") if asked.temperature < 0 else ("above", "maximum")
        message = f"Invalid 'temperature': decimal {edge} {word} value, got {asked.temperature:g}."
        raise RequestError(message, code=f"decimal_{edge}_{word[:3]}_value", param="temperature")
    if asked.n is not None and not 1 <= asked.n <= MAX_CHOICES:
        message = f"Invalid 'n': expected a value from 1 to {MAX_CHOICES}, got {asked.n}."
        raise RequestError(message, code="invalid_value", param="n")
    if asked.tool_choice not in {None, "none", "auto"} and not asked.tools:
        message = "'tool_choice' is only allowed when 'tools' are specified."
        raise RequestError(message, param="tool_choice")


def text_of(content: str | list[Part] | None) -> str:
    """The text of a message's content."""
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""


def _ask(exchange: Exchange, asked: ChatRequest, messages: list[Message], served: str) -> Ask:
    users = [message for message in messages if message.role == "user"]
    texts = [text_of(message.content) for message in messages]
    results: list[str] = []
    for message in reversed(messages):
        if message.role not in {"tool", "function"}:
            break
        results.insert(0, text_of(message.content))
    parts = [part for m in messages if isinstance(m.content, list) for part in m.content]
    functions = [entry.function for entry in asked.tools or [] if entry.function is not None]
    chars = sum(map(len, texts)) + sum(len(bytes(m.tool_calls)) for m in messages)
    mode, named = _tool_choice(asked.tool_choice)
    return Ask(
        prompt=text_of(users[-1].content) if users else texts[-1],
        system="\n".join(
            text for message, text in zip(messages, texts, strict=True) if message.role in {"system", "developer"}
        ),
        input_chars=chars + sum(len(f.name) + len(bytes(f.parameters)) for f in functions),
        messages=len(messages),
        images=sum(part.type == "image_url" for part in parts),
        tools=[Tool(f.name, decode(f.parameters), f.description or "") for f in functions],
        tool_use=mode,
        tool_named=named,
        parallel=asked.parallel_tool_calls is not False,
        tool_results=results,
        json_object=asked.response_format is not None and asked.response_format.type == "json_object",
        schema=_schema(asked.response_format),
        reasoning_tokens=reasoning_budget(served, asked.reasoning_effort),
        max_tokens=asked.max_completion_tokens if asked.max_completion_tokens is not None else asked.max_tokens,
        stop=[asked.stop] if isinstance(asked.stop, str) else asked.stop or [],
        refuse=exchange.behaviour.kind == "refuse",
    )


def reasoning_budget(served: str, effort: str | None) -> int:
    """How many tokens a model spends on reasoning; plain models spend none."""
    if models.REASONING_OPENAI.match(served) or models.REASONING_OPEN.match(served):
        # From 5.1 on the family answers without reasoning unless told to.
        usual = "none" if models.UNREASONING_OPENAI.match(served) else "medium"
        return EFFORT_TOKENS.get(effort or usual, 32)
    return EFFORT_TOKENS.get(effort, 0) if served == models.SIM_MODEL and effort else 0


def _tool_choice(choice: str | ToolEntry | None) -> tuple[ToolUse, str | None]:
    if isinstance(choice, ToolEntry):
        return "required", choice.function.name if choice.function is not None else None
    return "none" if choice == "none" else "required" if choice == "required" else "auto", None


def _schema(form: Format | None) -> Json:
    if form is None or form.type != "json_schema" or form.json_schema is None:
        return None
    return decode(form.json_schema.schema)


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
