"""Gemini's whole answers, both directions.

Rules of this file:
- Neighbouring text parts are one part, and so are thoughts, until one carries a signature: a stream
  cuts them anywhere, and both ways of asking must give the same answer.
- The API says `STOP` when it calls tools; the neutral reason then is `tool_calls`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text, decode_answer, without
from tollway.dialects.gemini.content import (
    MINTED,
    NAME,
    answer_part,
    call_part,
    inline_part,
    reasoning_parts,
    signed,
    with_rest,
)
from tollway.dialects.gemini.usage import count_searches, neutral_tier, read_usage, render_usage, usage_rest

_FINISH: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
_OTHER_WORDS: Final = frozenset(
    {
        "OTHER",
        "FINISH_REASON_UNSPECIFIED",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "IMAGE_OTHER",
        "NO_IMAGE",
    }
)
_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "OTHER",
    "other": "OTHER",
}
CANDIDATE: Final = ("content", "finishReason", "index", "logprobsResult")
_TOP_LEVEL: Final = ("candidates", "usageMetadata", "modelVersion", "responseId")


# --- reading


def parse_answer(body: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        UpstreamGarbled: it is not what the API promises.
    """
    value = decode_answer(body, "answer")
    if not isinstance(value.get("candidates"), list) and "promptFeedback" not in value:
        raise UpstreamGarbled("the provider's answer has neither `candidates` nor `promptFeedback`")
    answer_id = as_text(value.get("responseId"))
    candidates = [as_object(one) for one in as_list(value.get("candidates"))]
    choices = tuple(_choice(one, position, answer_id) for position, one in enumerate(candidates))
    model = as_text(value.get("modelVersion"))
    usage = as_object(value.get("usageMetadata"))
    searches = count_searches(model, [as_object(one.get("groundingMetadata")) for one in candidates])
    return Answer(
        id=answer_id,
        model=model,
        created=created_at(value),
        choices=choices or (blocked_choice(value),),
        usage=read_usage(usage, searches) if usage else None,
        service_tier=neutral_tier(usage),
        rest=top_level_rest(value),
        usage_rest=usage_rest(usage),
        dialect=NAME,
    )


def _choice(candidate: JsonObject, position: int, answer_id: str) -> Choice:
    index = as_count(candidate.get("index")) or position
    found: list[Part] = []
    minter = CallIdMaker(answer_id, index)
    for value in as_list(as_object(candidate.get("content")).get("parts")):
        join(found, answer_part(value, minter.next(value)))
    annotate(found, as_object(candidate.get("groundingMetadata")))
    reason = as_text(candidate.get("finishReason"))
    called = any(isinstance(part, ToolCall) for part in found)
    return Choice(
        index=index,
        parts=tuple(found),
        finish=neutral_finish(reason, called=called) if reason else None,
        native_finish=native_finish(reason),
        logprobs=neutral_logprobs(as_object(candidate.get("logprobsResult"))) or None,
        rest=without(candidate, *CANDIDATE),
    )


class CallIdMaker:
    """Makes ids for calls that the provider gave none, from the answer's id and their order."""

    __slots__ = ("_count", "_prefix")

    def __init__(self, answer_id: str, index: int) -> None:
        """Start a candidate."""
        safe = "".join(c for c in answer_id if c.isascii() and (c.isalnum() or c in "_-"))
        self._prefix = f"{MINTED}{safe}_{index}_"
        self._count = 0

    def next(self, part: Json) -> str:
        """Give the id for this part, should it be a call without one."""
        if "functionCall" in as_object(part):
            self._count += 1
        return f"{self._prefix}{self._count}"


def joins(before: Text | Reasoning, part: Text | Reasoning) -> bool:
    """Tell whether a part goes on where the one before stopped."""
    return type(before) is type(part) and before.signature is None and not before.rest and not part.rest


def empty(part: Part) -> bool:
    """Tell whether a part says nothing: the last piece of a stream is often an empty text."""
    return isinstance(part, Text | Reasoning) and part == type(part)(text="")


def join(found: list[Part], part: Part) -> None:
    """Add a part, joined to the last one where it goes on."""
    if empty(part):
        return
    last = found[-1] if found else None
    if isinstance(last, Text | Reasoning) and isinstance(part, Text | Reasoning) and joins(last, part):
        found[-1] = msgspec.structs.replace(last, text=last.text + part.text, signature=part.signature)
    else:
        found.append(part)


def annotate(found: list[Part], grounding: Mapping[str, Json]) -> None:
    """Put the pages an answer rests on beside its last words."""
    for position in range(len(found) - 1, -1, -1):
        part = found[position]
        if isinstance(part, Text):
            annotations = grounding_annotations(grounding, part.text)
            if annotations:
                found[position] = msgspec.structs.replace(part, annotations=annotations)
            return


def grounding_annotations(grounding: Mapping[str, Json], text: str) -> tuple[Json, ...]:
    """Read which characters of the text rest on which pages; the API counts bytes of UTF-8."""
    chunks = as_list(grounding.get("groundingChunks"))
    raw = text.encode()
    found: list[Json] = []
    for item in as_list(grounding.get("groundingSupports")):
        support = as_object(item)
        segment = as_object(support.get("segment"))
        start, end = as_count(segment.get("startIndex")), as_count(segment.get("endIndex"))
        for index in as_list(support.get("groundingChunkIndices")):
            if not isinstance(index, int) or not 0 <= index < len(chunks):
                continue
            chunk = as_object(chunks[index])
            page = as_object(chunk.get("web")) or as_object(chunk.get("retrievedContext"))
            if page.get("uri"):
                found.append(
                    {
                        "uri": page["uri"],
                        "title": as_text(page.get("title")),
                        "startIndex": len(raw[:start].decode(errors="ignore")),
                        "endIndex": len(raw[:end].decode(errors="ignore")),
                    }
                )
    return tuple(found)


def neutral_finish(reason: str, *, called: bool) -> FinishReason:
    """Read a finish reason."""
    return "tool_calls" if reason == "STOP" and called else _FINISH.get(reason, "other")


def native_finish(reason: str) -> str | None:
    """Keep the provider's word where the neutral one does not say the same."""
    return reason if reason and reason not in {"STOP", "MAX_TOKENS"} else None


def blocked_choice(value: Mapping[str, Json]) -> Choice:
    """Read an answer without candidates: the prompt was blocked."""
    reason = as_text(as_object(value.get("promptFeedback")).get("blockReason"))
    return Choice(index=0, parts=(), finish="content_filter" if reason else None, native_finish=reason or None)


def created_at(value: Mapping[str, Json]) -> int:
    """Read `createTime` as seconds; 0 where the answer has none."""
    try:
        return int(datetime.fromisoformat(as_text(value.get("createTime"))).timestamp())
    except ValueError:
        return 0


def top_level_rest(value: Mapping[str, Json]) -> JsonObject:
    """Keep the members of an answer that no neutral field stands for."""
    return without(dict(value), *_TOP_LEVEL)


def neutral_logprobs(result: Mapping[str, Json]) -> list[Json]:
    """Read token probabilities into the neutral list."""
    tops = as_list(result.get("topCandidates"))
    found: list[Json] = []
    for position, item in enumerate(as_list(result.get("chosenCandidates"))):
        alternatives = as_list(as_object(tops[position]).get("candidates")) if position < len(tops) else []
        entry = _logprob(as_object(item))
        entry["top_logprobs"] = [_logprob(as_object(one)) for one in alternatives]
        found.append(entry)
    return found


def _logprob(candidate: Mapping[str, Json]) -> JsonObject:
    token = as_text(candidate.get("token"))
    return {"token": token, "logprob": candidate.get("logProbability", 0.0), "bytes": list(token.encode())}


# --- writing


def render_answer(answer: Answer, model: str) -> bytes:
    """Write a whole answer."""
    own = answer.dialect == NAME
    found: JsonObject = {
        "candidates": [_candidate(choice, own=own) for choice in answer.choices],
        "modelVersion": answer.model or model,
        "responseId": answer.id,
    }
    if answer.usage is not None:
        found["usageMetadata"] = render_usage(answer.usage, answer.usage_rest if own else None)
    if own:
        found |= answer.rest
        if "promptFeedback" in answer.rest and not any(choice.parts for choice in answer.choices):
            del found["candidates"]
    return msgspec.json.encode(found)


def _candidate(choice: Choice, *, own: bool) -> JsonObject:
    parts = [written for part in choice.parts for written in answer_parts(part, own=own)]
    found: JsonObject = {"content": {"role": "model", "parts": parts}, "index": choice.index}
    if choice.finish is not None:
        found["finishReason"] = finish_word(choice.finish, choice.native_finish)
    probabilities = native_logprobs(as_list(choice.logprobs))
    if probabilities is not None:
        found["logprobsResult"] = probabilities
    return found | choice.rest if own else found


def finish_word(finish: FinishReason, native: str | None) -> str:
    """Write a finish reason."""
    return native if native in _FINISH or native in _OTHER_WORDS else _WORDS[finish]


def answer_parts(part: Part, *, own: bool) -> list[JsonObject]:
    """Write one part of an answer."""
    rest: JsonObject = part.rest if own and not isinstance(part, Refusal | Opaque) else {}
    match part:
        case Text():
            return [signed({"text": part.text}, part.signature) | rest]
        case Refusal():
            return [{"text": part.text}]
        case Reasoning():
            return [written | rest for written in reasoning_parts(part)]
        case ToolCall():
            return [with_rest(call_part(part), rest)]
        case Image():
            if part.data is None:
                return [{"fileData": {"fileUri": part.url, "mimeType": part.media_type or "image/png"}}]
            return [inline_part(part.media_type or "image/png", part.data)]
        case Audio():
            return [inline_part(f"audio/{part.format}", part.data)]
        case File():
            return [inline_part(part.media_type or "application/octet-stream", part.data or "")]
        case Opaque():
            return [part.value] if part.dialect == NAME else []
        case ToolResult():
            return []  # no model answers with one


def native_logprobs(entries: Sequence[Json]) -> JsonObject | None:
    """Write token probabilities."""
    if not entries:
        return None
    objects = [as_object(entry) for entry in entries]
    return {
        "chosenCandidates": [_native_logprob(entry) for entry in objects],
        "topCandidates": [
            {"candidates": [_native_logprob(as_object(one)) for one in as_list(entry.get("top_logprobs"))]}
            for entry in objects
        ],
    }


def _native_logprob(entry: Mapping[str, Json]) -> JsonObject:
    return {"token": entry.get("token"), "logProbability": entry.get("logprob")}
