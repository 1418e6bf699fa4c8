"""Writes a whole answer as a Chat caller expects it."""

from typing import Final

import msgspec

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Conversation, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object
from tollway.dialects.citations import url_citation
from tollway.dialects.custom_tools import custom_tool_names, unwrapped
from tollway.dialects.openai_chat.content import NAME, extra_content, image_object, reasoning_details, reasoning_words
from tollway.dialects.openai_chat.tools import tool_call_object, uses_legacy_functions
from tollway.dialects.openai_chat.usage import usage_object

_FINISH: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "other": "stop",
}

TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
"""The service tiers this API names; another provider's word is left out of an answer."""


def render_answer(answer: Answer, request: Conversation, *, now: int) -> bytes:
    """Write an answer."""
    own = answer.dialect == NAME
    custom, legacy = custom_tool_names(request), uses_legacy_functions(request)
    body: JsonObject = {
        "id": answer.id or "chatcmpl-tollway",
        "object": "chat.completion",
        "created": answer.created or now,
        "model": answer.model or request.model,
        "choices": [_choice(choice, custom, legacy=legacy, own=own) for choice in answer.choices],
    }
    if answer.usage is not None:
        body["usage"] = usage_object(answer.usage) | (answer.usage_rest if own else {})
    if answer.service_tier in TIERS:
        body["service_tier"] = answer.service_tier
    if answer.system_fingerprint is not None:
        body["system_fingerprint"] = answer.system_fingerprint
    if own:
        body |= {name: value for name, value in answer.rest.items() if value is not None}
    return msgspec.json.encode(body)


def _choice(choice: Choice, custom: frozenset[str], *, legacy: bool, own: bool) -> JsonObject:
    message = _message(choice.parts, custom, legacy=legacy)
    refused = message["refusal"] is not None
    written: JsonObject = {
        "index": choice.index,
        "message": message,
        "logprobs": logprobs_object(choice.logprobs),
        "finish_reason": finish_word(choice.finish, refused=refused, legacy=legacy and "function_call" in message),
    }
    if own:
        message |= as_object(choice.rest.get("message"))
        written |= {name: value for name, value in choice.rest.items() if name != "message"}
    return written


def finish_word(finish: FinishReason | None, *, refused: bool, legacy: bool = False) -> str:
    """This API's word for why the model stopped."""
    if finish == "tool_calls" and legacy:
        return "function_call"
    if finish == "refusal" and refused:
        return "stop"
    return _FINISH[finish or "stop"]


def logprobs_object(value: Json) -> JsonObject | None:
    """Write neutral log probabilities; null where there are none."""
    entries = [as_object(one) for one in as_list(value)]
    entries = [one for one in entries if "token" in one and "logprob" in one]
    if not entries:
        return None
    return {"content": [{"bytes": None, "top_logprobs": [], **one} for one in entries], "refusal": None}


def _message(parts: tuple[Part, ...], custom: frozenset[str], *, legacy: bool) -> JsonObject:
    texts = [part for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    calls = [own_call(part, custom) for part in parts if isinstance(part, ToolCall)]
    words = "".join(part.text for part in texts)
    message: JsonObject = {
        "role": "assistant",
        "content": words if words or not (calls or refusals) else None,
        "refusal": "".join(refusals) or None,
        "annotations": _all_annotations(texts),
    }
    _thinking(message, tuple(part for part in parts if isinstance(part, Reasoning)))
    if calls and legacy:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [tool_call_object(call) for call in calls]
    signature = next((part.signature for part in texts if part.signature), None)
    if signature is not None:
        message["extra_content"] = extra_content(signature)
    images = [part for part in parts if isinstance(part, Image)]
    if images:
        message["images"] = [image_part(part, index) for index, part in enumerate(images)]
    for part in parts:
        if isinstance(part, Opaque) and part.dialect == NAME and part.value.get("type") == "audio":
            message["audio"] = part.value["audio"]
    return message


def _thinking(message: JsonObject, thoughts: tuple[Reasoning, ...]) -> None:
    words = reasoning_words(thoughts)
    if words:
        message["reasoning_content"] = words
    details: list[JsonObject] = []
    for thought in thoughts:
        details += reasoning_details(thought, len(details))
    if details:
        message["reasoning_details"] = details


def own_call(call: ToolCall, custom: frozenset[str]) -> ToolCall:
    """Turn a function call back into a call of the custom tool the caller declared."""
    if call.custom or call.name not in custom:
        return call
    return msgspec.structs.replace(call, custom=True, arguments=unwrapped(call.arguments))


def annotation_objects(annotations: tuple[Json, ...], start: int, end: int) -> list[JsonObject]:
    """Write the citations of a text that spans `start` to `end` of the message's content."""
    return [one for annotation in annotations if (one := _annotation(annotation, start, end)) is not None]


def _annotation(annotation: Json, start: int, end: int) -> JsonObject | None:
    citation = url_citation(annotation, start, end)
    if citation is None:
        return None
    more = as_object(as_object(annotation).get("url_citation"))
    return {"type": "url_citation", "url_citation": more | msgspec.to_builtins(citation)}


def _all_annotations(texts: list[Text]) -> list[JsonObject]:
    written: list[JsonObject] = []
    start = 0
    for part in texts:
        end = start + len(part.text)
        written += annotation_objects(part.annotations, start, end)
        start = end
    return written


def image_part(part: Image, index: int) -> JsonObject:
    """Write a picture the model made; servers that make pictures in this API send them so."""
    return {"type": "image_url", "image_url": image_object(part), "index": index}
