"""Anthropic's whole answers, both directions.

What an answer holds that this API has no block for: pictures become text with a data URL, sound
becomes its transcript, refusals become text with the stop reason `refusal`. Another provider's proof
of thinking rides in the signature of a thinking block (`carried_proof`).
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
from tollway.dialects.anthropic_messages.content import (
    NAME,
    answer_parts,
    own_citations,
    proof_block,
    tool_use_block,
)
from tollway.dialects.anthropic_messages.usage import neutral_tier, read_usage, render_usage, usage_rest
from tollway.dialects.caller_fields import as_list, as_object, as_text, decode_answer
from tollway.dialects.carried_proof import CarriedProof
from tollway.dialects.data_url import picture_markdown

_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "length",
}
_STOP_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "other": "end_turn",
}
_TOP_LEVEL: Final = ("type", "role", "id", "model", "content", "stop_reason", "stop_sequence", "usage")
_CALL_EXTRAS: Final = frozenset({"caller", "toolset_name"})


def parse_answer(body: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        UpstreamGarbled: it is not what the API promises.
    """
    message = decode_answer(body, "answer")
    content = message.get("content")
    if not isinstance(content, list):
        raise UpstreamGarbled("the provider's answer has no `content`")
    usage = as_object(message.get("usage"))
    reason = as_text(message.get("stop_reason"))
    choice = Choice(
        index=0,
        parts=answer_parts(as_list(content)),
        finish=neutral_finish(reason) if reason else None,
        native_finish=native_finish(reason),
        stop_sequence=as_text(message.get("stop_sequence")) or None,
        rest={name: value for name, value in message.items() if name not in _TOP_LEVEL and value is not None},
    )
    return Answer(
        id=as_text(message.get("id")),
        model=as_text(message.get("model")),
        choices=(choice,),
        usage=read_usage(usage) if usage else None,
        service_tier=neutral_tier(usage),
        usage_rest=usage_rest(usage),
        dialect=NAME,
    )


def neutral_finish(reason: str) -> FinishReason:
    """Read a stop reason."""
    return _FINISH.get(reason, "other")


def native_finish(reason: str) -> str | None:
    """Keep the provider's word where the neutral one does not say the same."""
    finish = neutral_finish(reason)
    return reason if reason and (finish == "other" or _STOP_REASONS[finish] != reason) else None


def stop_reason(finish: FinishReason | None, native: str | None) -> str:
    """Write a stop reason."""
    if native in _FINISH:
        return native
    return _STOP_REASONS[finish or "stop"]


def message_id(given: str, fallback: str) -> str:
    """Give an answer's id the form this API's ids have."""
    found = given or fallback
    return found if found.startswith("msg_") else f"msg_{found}"


def render_answer(answer: Answer, model: str, *, now: int) -> bytes:
    """Write a whole answer: the first choice, for the API knows one."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    own = answer.dialect == NAME
    found: JsonObject = {
        "id": message_id(answer.id, str(now)),
        "type": "message",
        "role": "assistant",
        "model": answer.model or model,
        "content": [block for part in choice.parts for block in answer_blocks(part)],
        "stop_reason": stop_reason(choice.finish, choice.native_finish),
        "stop_sequence": choice.stop_sequence,
        "usage": render_usage(answer.usage, answer.service_tier, answer.usage_rest if own else None),
    }
    if own:
        found |= choice.rest | answer.rest
    return msgspec.json.encode(found)


def answer_blocks(part: Part) -> list[JsonObject]:
    """Write one part of an answer; none, one or two blocks."""
    match part:
        case Text():
            block: JsonObject = {"type": "text", "text": part.text}
            # The API leaves the member out where there are none, and a client that holds a schema refuses null.
            citations: list[Json] = own_citations(part.annotations)
            return [block | {"citations": citations} if citations else block]
        case Refusal():
            return [{"type": "text", "text": part.text}]
        case Reasoning():
            return [thinking_block(part)]
        case ToolCall():
            call = tool_use_block(part) | call_extras(part.rest)
            if part.signature is None:
                return [call]
            return [proof_block("", CarriedProof(part_signature=part.signature)), call]
        case Image():
            return [{"type": "text", "text": picture_markdown(part.url, part.media_type, part.data)}]
        case Audio():
            transcript = as_text(part.rest.get("transcript"))
            return [{"type": "text", "text": transcript}] if transcript else []
        case Opaque():
            return [part.value] if part.dialect == NAME else []
        case File() | ToolResult():
            return []  # no model answers with these outside `Opaque`


def thinking_block(part: Reasoning) -> JsonObject:
    """Write thinking."""
    text = part.text or "\n\n".join(part.summary)
    if part.encrypted is not None and part.signature is None:
        if not text and part.id is None:
            return {"type": "redacted_thinking", "data": part.encrypted}
        return proof_block(text, CarriedProof(encrypted=part.encrypted, id=part.id))
    return {"type": "thinking", "thinking": text, "signature": part.signature or ""}


def call_extras(rest: JsonObject) -> JsonObject:
    """Keep the members of a tool call that this API wrote itself."""
    return {name: value for name, value in rest.items() if name in _CALL_EXTRAS}
