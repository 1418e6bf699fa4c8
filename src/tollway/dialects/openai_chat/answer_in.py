"""Reads a provider's whole Chat answer, leniently: many servers speak this API loosely."""

from typing import Final

import msgspec

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_seconds, as_text, decode_answer
from tollway.dialects.data_url import split_data_url
from tollway.dialects.openai_chat.content import NAME, google_signature, parse_reasoning
from tollway.dialects.openai_chat.sources import answer_sources, merged_sources, message_sources
from tollway.dialects.openai_chat.usage import parse_usage
from tollway.dialects.openai_errors import error_in_answer

_FINISH: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
}

_KNOWN_TOP: Final = frozenset(
    {
        "id",
        "object",
        "model",
        "created",
        "choices",
        "usage",
        "service_tier",
        "system_fingerprint",
    }
)
_KNOWN_CHOICE: Final = frozenset({"index", "message", "delta", "finish_reason", "logprobs"})
_KNOWN_MESSAGE: Final = frozenset(
    {
        "role",
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "annotations",
        "audio",
        "images",
    }
)


def parse_answer(body: bytes) -> Answer:
    """Read an answer.

    Raises:
        UpstreamAnswered: the body is an error, whatever its status was.
        UpstreamGarbled: it is not what the API promises.
    """
    value = decode_answer(body, "answer")
    choices = value.get("choices")
    if not isinstance(choices, list):
        error = error_in_answer(value)
        if error is not None:
            raise error
        raise UpstreamGarbled("the provider's answer has no `choices`")
    usage = as_object(value.get("usage"))
    sources = answer_sources(value)
    fingerprint = value.get("system_fingerprint")
    return Answer(
        id=as_text(value.get("id")),
        model=as_text(value.get("model")),
        created=as_seconds(value.get("created")),
        choices=tuple(_choice(as_object(one), index, sources) for index, one in enumerate(as_list(choices))),
        usage=parse_usage(usage),
        usage_rest=usage_rest(usage),
        service_tier=as_text(value.get("service_tier")) or None,
        system_fingerprint=fingerprint if isinstance(fingerprint, str) else None,
        rest={name: one for name, one in value.items() if name not in _KNOWN_TOP},
        dialect=NAME,
    )


def usage_rest(usage: JsonObject) -> JsonObject:
    """What a `usage` object says beyond the counts this API names."""
    known = {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
    return {name: one for name, one in usage.items() if name not in known}


def top_rest(chunk: JsonObject) -> JsonObject:
    """What a chunk says at the top beyond what this API names."""
    return {name: one for name, one in chunk.items() if name not in _KNOWN_TOP}


def _choice(choice: JsonObject, position: int, sources: tuple[Json, ...]) -> Choice:
    message = dict(as_object(choice.get("message")))
    parts = _parts(message, sources)
    index = choice.get("index")
    native = as_text(choice.get("finish_reason"))
    rest = {name: one for name, one in choice.items() if name not in _KNOWN_CHOICE}
    left = {name: one for name, one in message.items() if name not in _KNOWN_MESSAGE}
    if left:
        rest["message"] = left
    return Choice(
        index=index if isinstance(index, int) else position,
        parts=tuple(parts),
        finish=finish_reason(
            native,
            called=any(isinstance(part, ToolCall) for part in parts),
            refused=any(isinstance(part, Refusal) for part in parts),
        ),
        native_finish=native or None,
        logprobs=token_logprobs(choice.get("logprobs")),
        rest=rest,
    )


def finish_reason(native: str, *, called: bool, refused: bool) -> FinishReason:
    """Say why the model stopped.

    OpenAI answers `stop` when a tool was demanded by name, and some servers always do; an answer
    that calls tools has stopped for them.
    """
    if called and native in {"stop", "eos", "end_turn", ""}:
        return "tool_calls"
    if refused and native in {"stop", ""}:
        return "refusal"
    return _FINISH.get(native.lower(), "other") if native else "stop"


def token_logprobs(value: Json) -> Json:
    """The neutral form of log probabilities: the list of token entries."""
    return as_list(as_object(value).get("content")) or None


def _parts(message: JsonObject, sources: tuple[Json, ...]) -> list[Part]:
    signature = google_signature(message)
    parts: list[Part] = [*parse_reasoning(message)]
    annotations = tuple(as_list(message.get("annotations"))) or merged_sources(sources, message_sources(message))
    parts += _texts(message.get("content"), annotations, signature)
    refusal = as_text(message.get("refusal"))
    if refusal:
        parts.append(Refusal(refusal))
    parts += [image for one in as_list(message.get("images")) if (image := answer_image(as_object(one))) is not None]
    audio = as_object(message.get("audio"))
    if audio:
        parts.append(Opaque(NAME, {"type": "audio", "audio": audio}))
    calls = as_list(message.get("tool_calls"))
    parts += [_tool_call(as_object(one), index) for index, one in enumerate(calls)]
    older = as_object(message.get("function_call"))
    if older:
        name = as_text(older.get("name"))
        parts.append(ToolCall(name, name, argument_text(older.get("arguments"))))
    return parts


def _texts(content: Json, annotations: tuple[Json, ...], signature: str | None) -> list[Part]:
    if isinstance(content, str):
        return [Text(content, annotations=annotations, signature=signature)] if content or signature else []
    parts = content_parts(content)
    texts = [index for index, part in enumerate(parts) if isinstance(part, Text)]
    if annotations and texts and not any(isinstance(part, Text) and part.annotations for part in parts):
        parts[texts[-1]] = msgspec.structs.replace(parts[texts[-1]], annotations=annotations)
    return parts


def content_parts(content: Json) -> list[Part]:
    """Read content that came as a list of parts (Mistral's thinking models answer so).

    References stand between pieces of one text; they become its annotations, so that the text stays one.
    """
    parts: list[Part] = []
    for one in as_list(content):
        value = as_object(one)
        match value.get("type"):
            case "text":
                _join(parts, Text(as_text(value.get("text"))))
            case "reference" | "tool_reference":
                _join(parts, Text("", annotations=(value,)))
            case "thinking":
                parts.append(_thinking(value))
            case "refusal":
                parts.append(Refusal(as_text(value.get("refusal"))))
            case "image_url":
                image = answer_image(value)
                if image is not None:
                    parts.append(image)
            case _ if value:
                parts.append(Opaque(NAME, value))
            case _:
                pass
    return parts


def _join(parts: list[Part], text: Text) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, Text):
        parts[-1] = Text(last.text + text.text, annotations=(*last.annotations, *text.annotations))
    else:
        parts.append(text)


def _thinking(value: JsonObject) -> Reasoning:
    inner = value.get("thinking")
    pieces = [as_text(as_object(piece).get("text")) for piece in as_list(inner)]
    return Reasoning(
        text=inner if isinstance(inner, str) else "".join(pieces), signature=as_text(value.get("signature")) or None
    )


def answer_image(value: JsonObject) -> Image | None:
    """Read one of a message's `images`."""
    address = value.get("image_url")
    url = address if isinstance(address, str) else as_text(as_object(address).get("url"))
    if not url:
        return None
    inline = split_data_url(url)
    return Image(url=url) if inline is None else Image(media_type=inline[0], data=inline[1])


def _tool_call(value: JsonObject, index: int) -> ToolCall:
    value = dict(value)
    signature = google_signature(value)
    if value.get("type") == "custom":
        inner = as_object(value.get("custom"))
        arguments, custom = as_text(inner.get("input")), True
    else:
        inner = as_object(value.get("function"))
        arguments, custom = argument_text(inner.get("arguments")), False
    return ToolCall(
        id=as_text(value.get("id")) or f"call_{index}",
        name=as_text(inner.get("name")),
        arguments=arguments,
        custom=custom,
        signature=signature,
    )


def argument_text(value: Json) -> str:
    """Arguments as JSON text; some servers send the object itself."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return as_text(value)
