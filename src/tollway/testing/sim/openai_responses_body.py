"""The Responses request as it is read, and the response object in every state it passes."""

from __future__ import annotations

from typing import Final

import msgspec

from tollway.testing.sim.answers import Call, Reply
from tollway.testing.sim.exchange import Exchange, cached

Object = dict[str, object]
NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')


class Part(msgspec.Struct):
    """One part of an item's content."""

    type: str = "input_text"
    text: str | None = None


class Item(msgspec.Struct):
    """One item of the input: a message, a tool call, a tool's output, reasoning."""

    type: str = "message"
    role: str | None = None
    content: str | list[Part] | None = None
    output: str | list[Part] | None = None
    arguments: str = ""

    @property
    def text(self) -> str:
        """The text of the content."""
        return _text(self.content)

    @property
    def output_text(self) -> str:
        """The text of a tool's output."""
        return _text(self.output)

    @property
    def images(self) -> int:
        """How many images the content holds."""
        if not isinstance(self.content, list):
            return 0
        return sum(part.type == "input_image" for part in self.content)


class ToolEntry(msgspec.Struct):
    """One entry of `tools`, or the object form of `tool_choice`."""

    type: str
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = NO_SCHEMA
    strict: bool | None = None
    mode: str | None = None


class Format(msgspec.Struct):
    """`text.format`."""

    type: str
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = NO_SCHEMA
    strict: bool | None = None


class TextOptions(msgspec.Struct):
    """`text`."""

    format: Format | None = None
    verbosity: str | None = None


class ReasoningOptions(msgspec.Struct):
    """`reasoning`."""

    effort: str | None = None
    summary: str | None = None


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_obfuscation: bool | None = None


class ResponsesRequest(msgspec.Struct):
    """The members of a Responses request that change the answer or are told back in it."""

    model: str | None = None
    input: str | list[Item] | None = None
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = msgspec.Raw()
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    include: list[str] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    truncation: str | None = None
    top_logprobs: int | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None


class Spoken(msgspec.Struct, kw_only=True):
    """A request that can be answered, with its reply."""

    id: str
    exchange: Exchange
    asked: ResponsesRequest
    served: str
    reply: Reply
    input_chars: int
    messages: int
    extra: Object = {}
    """Members that another vendor's imitation adds to the response."""

    def includes(self, name: str) -> bool:
        """The request asks for this extra member."""
        return name in (self.asked.include or [])


def tools(asked: ResponsesRequest) -> list[ToolEntry]:
    """The tools, read; every tool has at least a type."""
    return [msgspec.json.decode(raw, type=ToolEntry) for raw in asked.tools or []]


def started(spoken: Spoken) -> Object:
    """The response while nothing has been said yet."""
    return _envelope(spoken, "in_progress", [], None)


def finished(spoken: Spoken) -> Object:
    """The response when all has been said, or the limit cut it off."""
    status = "incomplete" if spoken.reply.finish == "length" else "completed"
    return _envelope(spoken, status, output(spoken), _usage(spoken.reply))


def output(spoken: Spoken) -> list[Object]:
    """The finished output items in order."""
    reply = spoken.reply
    items: list[Object] = []
    if reply.reasoning:
        items.append(reasoning_item(spoken, done=True))
    if reply.pieces or not (reply.calls or reply.finish == "length"):
        items.append(message_item(spoken, done=True))
    items += [call_item(spoken, i, call, done=True) for i, call in enumerate(reply.calls)]
    return items


def reasoning_item(spoken: Spoken, *, done: bool) -> Object:
    """The reasoning item: with a summary or its ciphertext only when they were asked for."""
    item: Object = {
        "id": spoken.exchange.mint("rs_", digits=48),
        "type": "reasoning",
        "summary": [summary_part(spoken)] if done and wants_summary(spoken) else [],
    }
    if spoken.includes("reasoning.encrypted_content"):
        item["encrypted_content"] = spoken.exchange.mint("gAAAAAB", digits=64)
    return item


def wants_summary(spoken: Spoken) -> bool:
    """The request asks for a summary of the reasoning."""
    options = spoken.asked.reasoning
    return options is not None and options.summary is not None


def summary_part(spoken: Spoken) -> Object:
    """The one part of the summary."""
    return {"type": "summary_text", "text": spoken.reply.reasoning_text}


def message_item(spoken: Spoken, *, done: bool) -> Object:
    """The message item, empty while it is being written."""
    whole = "incomplete" if spoken.reply.finish == "length" else "completed"
    return {
        "id": spoken.exchange.mint("msg_", digits=48),
        "type": "message",
        "status": whole if done else "in_progress",
        "content": [content_part(spoken, done=True)] if done else [],
        "role": "assistant",
    }


def content_part(spoken: Spoken, *, done: bool) -> Object:
    """The one part of the message: text, or a refusal."""
    text = spoken.reply.text if done else ""
    if spoken.reply.finish == "refusal":
        return {"type": "refusal", "refusal": text}
    said = logprobs(spoken, spoken.reply.pieces) if done else []
    return {"type": "output_text", "annotations": [], "logprobs": said, "text": text}


def logprobs(spoken: Spoken, pieces: list[str]) -> list[Object]:
    """The log probabilities of the pieces, if they were asked for."""
    if not spoken.includes("message.output_text.logprobs"):
        return []
    return [{"token": piece, "bytes": list(piece.encode()), "logprob": -0.01, "top_logprobs": []} for piece in pieces]


def call_item(spoken: Spoken, index: int, call: Call, *, done: bool) -> Object:
    """A function call, without its arguments while they are being written."""
    return {
        "id": spoken.exchange.mint("fc_", index, digits=48),
        "type": "function_call",
        "status": "completed" if done else "in_progress",
        "arguments": call.arguments if done else "",
        "call_id": spoken.exchange.mint("call_", index),
        "name": call.name,
    }


def _text(content: str | list[Part] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""


def _envelope(spoken: Spoken, status: str, items: list[Object], usage: Object | None) -> Object:
    asked = spoken.asked
    reasoning = asked.reasoning or ReasoningOptions()
    body: Object = {
        "id": spoken.id,
        "object": "response",
        "created_at": spoken.exchange.created,
        "status": status,
        "background": False,
        "completed_at": spoken.exchange.created + 1 if status == "completed" else None,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "model": spoken.served,
        "output": items,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "presence_penalty": 0.0,
        "previous_response_id": asked.previous_response_id,
        "prompt_cache_key": asked.prompt_cache_key,
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
        "safety_identifier": asked.safety_identifier,
        "service_tier": "default",
        "store": asked.store is not False,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "text": _text_options(asked.text or TextOptions()),
        "tool_choice": asked.tool_choice if bytes(asked.tool_choice) else "auto",
        "tools": _echoed_tools(asked),
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
        "truncation": asked.truncation or "disabled",
        "usage": usage,
        "metadata": asked.metadata or {},
        **spoken.extra,
    }
    if usage is None:
        # The vendor's schema knows no null here; unfinished responses go without.
        del body["usage"]
    if asked.user is not None:
        body["user"] = asked.user
    return body


def _text_options(options: TextOptions) -> Object:
    form: Object = {"type": "text"}
    if options.format is not None and options.format.type == "json_schema":
        form = {
            "type": "json_schema",
            "name": options.format.name,
            "schema": options.format.schema,
            "strict": options.format.strict is not False,
        }
        if options.format.description is not None:
            form["description"] = options.format.description
    elif options.format is not None:
        form = {"type": options.format.type}
    return {"format": form, "verbosity": options.verbosity or "medium"}


def _echoed_tools(asked: ResponsesRequest) -> list[object]:
    echoed: list[object] = []
    for raw, entry in zip(asked.tools or [], tools(asked), strict=True):
        if entry.type != "function":
            echoed.append(raw)
            continue
        echoed.append(
            {
                "type": "function",
                "name": entry.name,
                "description": entry.description,
                "parameters": entry.parameters,
                "strict": entry.strict is not False,
            }
        )
    return echoed


def _usage(reply: Reply) -> Object:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {
            "cached_tokens": cached(reply.input_tokens),
            "cache_write_tokens": 0,
        },
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
