"""Cohere's whole answers, both directions.

What an answer holds that this API has no block for: pictures become Markdown with a data URL, sound its
transcript, refusals text. An answer whose finish reason is a failure is one, as its streamed twin is.
"""

from typing import Final

import msgspec

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import (
    Audio,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_list, as_object, as_text, decode_answer
from tollway.dialects.cohere_chat.content import (
    NAME,
    PLAN,
    answer_parts,
    call_object,
    own_citations,
    with_citations,
)
from tollway.dialects.cohere_chat.errors import failure_in
from tollway.dialects.cohere_chat.usage import read_usage, render_usage, usage_rest
from tollway.dialects.data_url import picture_markdown

_FINISH: Final[dict[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "COMPLETE",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
    "other": "COMPLETE",
}
_TOP_LEVEL: Final = ("id", "message", "finish_reason", "usage", "logprobs")


def parse_answer(body: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        UpstreamGarbled: it is not what the API promises.
        UpstreamAnswered: it says that the generation failed.
    """
    value = decode_answer(body, "answer")
    failure = failure_in(value)
    if failure is not None:
        raise failure
    message = value.get("message")
    if not isinstance(message, dict):
        raise UpstreamGarbled("the provider's answer has no `message`")
    said = as_object(message)
    parts = with_citations(answer_parts(said), as_list(said.get("citations")))
    usage = as_object(value.get("usage"))
    reason = as_text(value.get("finish_reason"))
    choice = Choice(
        index=0,
        parts=(*parts, *(neutral_call(as_object(call)) for call in as_list(said.get("tool_calls")))),
        finish=neutral_finish(reason) if reason else None,
        native_finish=native_finish(reason),
        logprobs=[neutral_logprob(as_object(one)) for one in as_list(value.get("logprobs"))] or None,
    )
    return Answer(
        id=as_text(value.get("id")),
        model="",
        choices=(choice,),
        usage=read_usage(usage),
        usage_rest=usage_rest(usage),
        rest={name: member for name, member in value.items() if name not in _TOP_LEVEL and member is not None},
        dialect=NAME,
    )


def neutral_call(call: JsonObject) -> ToolCall:
    """Read a tool call of an answer."""
    function = as_object(call.get("function"))
    return ToolCall(as_text(call.get("id")), as_text(function.get("name")), as_text(function.get("arguments")))


def neutral_finish(reason: str) -> FinishReason:
    """Read a finish reason."""
    return _FINISH.get(reason, "other")


def native_finish(reason: str) -> str | None:
    """Keep the provider's word where the neutral one does not say the same."""
    return reason if reason and reason not in _FINISH else None


def finish_reason(finish: FinishReason | None) -> str:
    """Write a finish reason."""
    return _REASONS[finish or "stop"]


def neutral_logprob(item: JsonObject) -> JsonObject:
    """Read the probability of a piece of text: that of all its tokens together."""
    numbers = [one for one in as_list(item.get("logprobs")) if isinstance(one, int | float)]
    return {"token": as_text(item.get("text")), "logprob": sum(numbers)}


def native_logprob(entry: JsonObject) -> JsonObject:
    """Write the probability of a token; its number in the vocabulary is not known."""
    ids: list[int] = []
    return {"text": as_text(entry.get("token")), "token_ids": ids, "logprobs": [entry.get("logprob")]}


def render_answer(answer: Answer, *, now: int) -> bytes:
    """Write a whole answer: the first choice, for the API knows one."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    own = answer.dialect == NAME
    found: JsonObject = {
        "id": answer.id or str(now),
        "message": _message(choice.parts),
        "finish_reason": finish_reason(choice.finish),
        "usage": render_usage(answer.usage or Usage(), answer.usage_rest if own else None),
    }
    if choice.logprobs:
        found["logprobs"] = [native_logprob(as_object(one)) for one in as_list(choice.logprobs)]
    return msgspec.json.encode(found | answer.rest if own else found)


def _message(parts: tuple[Part, ...]) -> JsonObject:
    message: JsonObject = {"role": "assistant"}
    content: list[JsonObject] = []
    citations: list[Json] = []
    calls: list[JsonObject] = []
    for part in parts:
        if isinstance(part, ToolCall):
            calls.append(call_object(part, own=False))
        elif isinstance(part, Text) and PLAN in part.origin:
            message["tool_plan"] = part.text
        else:
            if isinstance(part, Text):
                citations += own_citations(part.annotations)
            block = _block(part)
            if block is not None:
                content.append(block)
    if content:
        message["content"] = content
    if calls:
        message["tool_calls"] = calls
    if citations:
        message["citations"] = citations
    return message


def _block(part: Part) -> JsonObject | None:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Reasoning():
            words = part.text or "\n\n".join(part.summary)
            return {"type": "thinking", "thinking": words} if words else None
        case Image():
            return {"type": "text", "text": picture_markdown(part.url, part.media_type, part.data)}
        case Audio():
            transcript = as_text(part.rest.get("transcript"))
            return {"type": "text", "text": transcript} if transcript else None
        case Opaque():
            return part.value if part.dialect == NAME else None
        case File() | ToolCall() | ToolResult():
            return None  # no model answers with these outside `Opaque`
