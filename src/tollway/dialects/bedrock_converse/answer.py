"""Converse's whole answers, both directions.

What an answer holds that this API has no block for: sound becomes its transcript, refusals become
text with the stop reason `content_filtered`. Another provider's proof of thinking rides in the
signature of a `reasoningContent` (`carried_proof`). The answer of another API tells no `latencyMs`,
which is then 0.
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
from tollway.core.json_value import JsonObject
from tollway.dialects.bedrock_converse.content import NAME, answer_parts, own_citations
from tollway.dialects.bedrock_converse.content_out import text_block, tool_use
from tollway.dialects.bedrock_converse.media import IMAGES, format_of
from tollway.dialects.bedrock_converse.usage import read_usage, render_usage, usage_rest
from tollway.dialects.caller_fields import as_list, as_object, as_text, decode_answer
from tollway.dialects.carried_proof import CarriedProof, pack
from tollway.dialects.data_url import split_data_url

_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "model_context_window_exceeded": "length",
    "malformed_model_output": "other",
    "malformed_tool_use": "other",
}
_STOP_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
    "other": "end_turn",
}
_TOP_LEVEL: Final = frozenset({"output", "stopReason", "usage", "serviceTier"})
_NO_METRICS: Final[JsonObject] = {"latencyMs": 0}


def parse_answer(body: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        UpstreamGarbled: it is not what the API promises.
    """
    found = decode_answer(body, "answer")
    message = as_object(as_object(found.get("output")).get("message"))
    content = message.get("content")
    if not isinstance(content, list):
        raise UpstreamGarbled("the provider's answer has no `output.message.content`")
    usage = as_object(found.get("usage"))
    reason = as_text(found.get("stopReason"))
    choice = Choice(
        index=0,
        parts=answer_parts(as_list(content)),
        finish=neutral_finish(reason) if reason else None,
        native_finish=native_finish(reason),
        stop_sequence=stop_sequence(found),
    )
    return Answer(
        id="",
        model="",
        choices=(choice,),
        usage=read_usage(usage) if usage else None,
        usage_rest=usage_rest(usage),
        service_tier=as_text(as_object(found.get("serviceTier")).get("type")) or None,
        rest={name: value for name, value in found.items() if name not in _TOP_LEVEL and value is not None},
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
    return native if native in _FINISH else _STOP_REASONS[finish or "stop"]


def stop_sequence(found: JsonObject) -> str | None:
    """Find the stop sequence, which the API tells only to callers who ask the model's own fields for it."""
    fields = as_object(found.get("additionalModelResponseFields"))
    return as_text(fields.get("stop_sequence")) or as_text(as_object(fields.get("delta")).get("stop_sequence")) or None


def render_answer(answer: Answer) -> bytes:
    """Write a whole answer: the first choice, for the API knows one."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    own = answer.dialect == NAME
    found: JsonObject = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [block for part in choice.parts for block in answer_blocks(part, own=own)],
            }
        },
        "stopReason": stop_reason(choice.finish, choice.native_finish),
        "usage": render_usage(answer.usage, answer.usage_rest if own else None),
        "metrics": _NO_METRICS,
    }
    if answer.service_tier is not None:
        found["serviceTier"] = {"type": answer.service_tier}
    return msgspec.json.encode(found | answer.rest if own else found)


def answer_blocks(part: Part, *, own: bool) -> list[JsonObject]:
    """Write one part of an answer, of this API itself or of another; none, one or two blocks."""
    match part:
        case Text():
            return [text_block(part.text, own_citations(part.annotations))]
        case Refusal():
            return [{"text": part.text}]
        case Reasoning():
            return [reasoning_block(part, own=own)]
        case ToolCall():
            proof = [] if part.signature is None else [proof_block("", CarriedProof(part_signature=part.signature))]
            return [*proof, {"toolUse": tool_use(part)}]
        case Image():
            return [picture_block(part)]
        case Audio():
            transcript = as_text(part.rest.get("transcript"))
            return [{"text": transcript}] if transcript else []
        case Opaque():
            return [part.value] if part.dialect == NAME else []
        case File() | ToolResult():
            return []  # no model answers with these outside `Opaque`


def reasoning_block(part: Reasoning, *, own: bool) -> JsonObject:
    """Write thinking."""
    text = part.text or "\n\n".join(part.summary)
    if part.encrypted is not None and part.signature is None:
        if own:
            return {"reasoningContent": {"redactedContent": part.encrypted}}
        return proof_block(text, CarriedProof(encrypted=part.encrypted, id=part.id))
    words: JsonObject = {"text": text}
    if part.signature is not None:
        words["signature"] = part.signature
    return {"reasoningContent": {"reasoningText": words}}


def proof_block(text: str, proof: CarriedProof) -> JsonObject:
    """Write another provider's proof as thinking, which callers send back unchanged."""
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": pack(proof)}}}


def picture_block(part: Image) -> JsonObject:
    """Write a picture; one of another format, or at an address, as Markdown."""
    inline = split_data_url(part.url)
    media_type, data = inline or (part.media_type or "image/png", part.data)
    word = format_of(media_type, IMAGES)
    if data is None or word is None:
        return {"text": f"![image]({part.url or ''})"}
    return {"image": {"format": word, "source": {"bytes": data}}}
