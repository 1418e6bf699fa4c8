"""Reads a provider's whole Responses answer."""

from typing import Final

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_seconds, as_text, decode_answer
from tollway.dialects.openai_errors import error_in_answer, status_of_stream_error
from tollway.dialects.openai_responses.tools import NAME
from tollway.dialects.openai_responses.usage import parse_usage, usage_rest

_KNOWN: Final = frozenset(
    {
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "model",
        "output",
        "output_text",
        "error",
        "incomplete_details",
        "service_tier",
        "usage",
    }
)


def parse_answer(body: bytes) -> Answer:
    """Read an answer.

    Raises:
        UpstreamAnswered: the response failed.
        UpstreamGarbled: it is not what the API promises.
    """
    value = decode_answer(body, "answer")
    if not isinstance(value.get("output"), list):
        error = failure(value) or error_in_answer(value)
        if error is not None:
            raise error
        raise UpstreamGarbled("the provider's answer has no `output`")
    failed = failure(value)
    if failed is not None:
        raise failed
    parts = parts_of(value)
    usage = as_object(value.get("usage"))
    logprobs = [
        entry
        for item in as_list(value["output"])
        for content in as_list(as_object(item).get("content"))
        for entry in as_list(as_object(content).get("logprobs"))
    ]
    choice = Choice(
        index=0,
        parts=tuple(parts),
        finish=finish_reason(value, parts),
        native_finish=native_finish(value),
        logprobs=logprobs or None,
    )
    return Answer(
        id=as_text(value.get("id")),
        model=as_text(value.get("model")),
        created=as_seconds(value.get("created_at")),
        choices=(choice,),
        usage=parse_usage(usage),
        usage_rest=usage_rest(usage),
        service_tier=as_text(value.get("service_tier")) or None,
        rest=top_rest(value),
        dialect=NAME,
    )


def top_rest(value: JsonObject) -> JsonObject:
    """What a response says at the top beyond its outcome."""
    return {name: one for name, one in value.items() if name not in _KNOWN}


def failure(value: JsonObject) -> UpstreamAnswered | None:
    """Give the error of a response that failed."""
    if as_text(value.get("status")) not in {"failed", "cancelled"}:
        return None
    error = as_object(value.get("error"))
    return UpstreamAnswered(
        as_text(error.get("message")) or "the provider's response failed without an explanation",
        status=status_of_stream_error(error),
        code=as_text(error.get("code")) or None,
    )


def native_finish(value: JsonObject) -> str | None:
    """The provider's own word for why the model stopped."""
    return as_text(as_object(value.get("incomplete_details")).get("reason")) or as_text(value.get("status")) or None


def finish_reason(value: JsonObject, parts: list[Part]) -> FinishReason:
    """Say why the model stopped."""
    match as_text(as_object(value.get("incomplete_details")).get("reason")):
        case "max_output_tokens" | "max_tokens" | "length":
            return "length"
        case "content_filter":
            return "content_filter"
        case "":
            pass
        case _:
            return "other"
    if any(isinstance(part, ToolCall) for part in parts):
        return "tool_calls"
    return "refusal" if any(isinstance(part, Refusal) for part in parts) else "stop"


def parts_of(value: JsonObject) -> list[Part]:
    """Read the output items."""
    return [part for item in as_list(value.get("output")) for part in item_parts(as_object(item))]


def item_parts(item: JsonObject) -> list[Part]:
    """Read one output item; of thinking that shows and proves nothing, nothing is left."""
    match item.get("type"):
        case "message":
            return [part for one in as_list(item.get("content")) if (part := content_part(as_object(one))) is not None]
        case "reasoning":
            part = reasoning_part(item)
            return [part] if part.text or part.summary or part.encrypted else []
        case "function_call" | "custom_tool_call":
            return [call_part(item)]
        case "image_generation_call" if isinstance(item.get("result"), str) and item["result"]:
            return [Image(data=item["result"], media_type=f"image/{as_text(item.get('output_format')) or 'png'}")]
        case _ if item:
            return [Opaque(NAME, item)]
        case _:
            return []


def content_part(content: JsonObject) -> Part | None:
    """Read one part of a message."""
    match content.get("type"):
        case "output_text" | "text":
            return Text(as_text(content.get("text")), annotations=tuple(as_list(content.get("annotations"))))
        case "refusal":
            return Refusal(as_text(content.get("refusal")))
        case _:
            return Opaque(NAME, content) if content else None


def reasoning_part(item: JsonObject) -> Reasoning:
    """Read thinking."""
    encrypted = item.get("encrypted_content")
    return Reasoning(
        text="".join(as_text(as_object(one).get("text")) for one in as_list(item.get("content"))),
        summary=tuple(as_text(as_object(one).get("text")) for one in as_list(item.get("summary"))),
        encrypted=encrypted if isinstance(encrypted, str) and encrypted else None,
        id=as_text(item.get("id")) or None,
    )


def call_part(item: JsonObject) -> ToolCall:
    """Read a call."""
    custom = item.get("type") == "custom_tool_call"
    return ToolCall(
        id=as_text(item.get("call_id")) or as_text(item.get("id")),
        name=as_text(item.get("name")),
        arguments=as_text(item.get("input" if custom else "arguments")),
        custom=custom,
        item_id=as_text(item.get("id")) or None,
        rest=call_rest(item),
    )


def call_rest(item: JsonObject) -> JsonObject:
    """What a call says beyond what every call says (`namespace`, `caller`)."""
    known = {"type", "id", "call_id", "name", "arguments", "input", "status"}
    return {name: one for name, one in item.items() if name not in known and one is not None}
