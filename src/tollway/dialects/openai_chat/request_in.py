"""Reads a caller's Chat request into the neutral conversation."""

from typing import Final, cast

from tollway.core.conversation import (
    Conversation,
    Message,
    OutputFormat,
    Part,
    ReasoningRequest,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_object, decode_request, wrong_type
from tollway.dialects.openai_chat.content import NAME, google_signature, parse_content, parse_reasoning
from tollway.dialects.openai_chat.tools import LEGACY, parse_tool_call, parse_tool_choice, parse_tools

_SPECIFIC: Final = frozenset(
    {
        "audio",
        "moderation",
        "prediction",
        "prompt_cache_options",
        "prompt_cache_retention",
        "web_search_options",
    }
)
"""Fields of this API that no neutral field stands for."""

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def parse_request(body: bytes) -> Conversation:
    """Read a request.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(decode_request(body))
    model = fields.text("model") or ""
    messages = _messages(fields)
    specific = fields.take_present(_SPECIFIC)
    newer, older = fields.integer("max_completion_tokens"), fields.integer("max_tokens")
    include_usage = _stream_options(fields, specific)
    return Conversation(
        dialect=NAME,
        model=model,
        messages=messages,
        tools=parse_tools(fields),
        tool_choice=parse_tool_choice(fields),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        max_output_tokens=older if newer is None else newer,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        seed=fields.integer("seed"),
        stop=_stop(fields),
        count=_count(fields),
        output=_output(fields, specific),
        reasoning=_reasoning(fields),
        verbosity=fields.text("verbosity"),
        modalities=_texts(fields, "modalities"),
        logprobs=fields.flag("logprobs"),
        top_logprobs=fields.integer("top_logprobs"),
        logit_bias=fields.object("logit_bias"),
        user=fields.text("user"),
        metadata=fields.object("metadata"),
        service_tier=fields.text("service_tier"),
        store=fields.flag("store"),
        prompt_cache_key=fields.text("prompt_cache_key"),
        safety_identifier=fields.text("safety_identifier"),
        stream=fields.flag("stream") or False,
        stream_usage=include_usage,
        specific=specific,
        rest=fields.rest(),
    )


def _messages(fields: Fields) -> tuple[Message, ...]:
    messages = fields.list("messages")
    if messages is None:
        raise BadRequest(
            "messages: required, an array of messages", code="missing_required_parameter", param="messages"
        )
    if not messages:
        raise BadRequest("messages: must hold at least one message", code="empty_array", param="messages")
    return tuple(_message(one, f"messages[{index}]") for index, one in enumerate(messages))


def _message(value: Json, where: str) -> Message:
    fields = Fields(value, where)
    role = fields.required_text("role")
    if role not in _ROLES:
        raise BadRequest(
            f"{where}.role: {role!r} is none of {', '.join(sorted(_ROLES))}",
            code="invalid_value",
            param=f"{where}.role",
        )
    if role == "assistant":
        return _assistant(fields, where)
    content = fields.take("content")
    if content is None:
        raise BadRequest(
            f"{where}.content: required for a {role} message, a string or an array of content parts",
            code="missing_required_parameter",
            param=f"{where}.content",
        )
    parts = parse_content(content, f"{where}.content")
    name = fields.text("name")
    if role == "tool":
        result = ToolResult(call_id=fields.required_text("tool_call_id"), parts=parts, name=name)
        return Message("tool", (result,), rest=fields.rest())
    if role == "function":
        result = ToolResult(call_id=name or "", parts=parts, name=name, rest={LEGACY: True})
        return Message("tool", (result,), rest=fields.rest())
    return Message(cast("Role", role), parts, name=name, rest=fields.rest())


def _assistant(fields: Fields, where: str) -> Message:
    rest = fields.rest()
    signature = google_signature(rest)
    parts: list[Part] = [*parse_reasoning(rest)]
    texts = list(parse_content(fields.take("content"), f"{where}.content"))
    if signature is not None:
        _sign_last_text(texts, signature)
    parts += texts
    refusal = fields.text("refusal")
    if refusal is not None:
        parts.append(Refusal(refusal))
    calls = fields.list("tool_calls") or ()
    parts += [parse_tool_call(one, f"{where}.tool_calls[{index}]") for index, one in enumerate(calls)]
    older = fields.fields("function_call")
    if older is not None:
        name = older.required_text("name")
        parts.append(ToolCall(name, name, older.text("arguments") or "", rest={LEGACY: True}))
    return Message("assistant", tuple(parts), name=fields.text("name"), rest=rest)


def _sign_last_text(parts: list[Part], signature: str) -> None:
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        if isinstance(part, Text):
            parts[index] = Text(
                part.text, annotations=part.annotations, cache=part.cache, signature=signature, rest=part.rest
            )
            return
    parts.append(Text("", signature=signature))


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.take("stop")
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[Json]", value)):
        wrong_type("stop", "a string or an array of strings", value)
    return tuple(cast("list[str]", value))


def _count(fields: Fields) -> int | None:
    count = fields.integer("n")
    if count is not None and count < 1:
        raise BadRequest(f"n: must be at least 1, got {count}", code="invalid_value", param="n")
    return count


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.list(name) or []
    for index, value in enumerate(values):
        if not isinstance(value, str):
            wrong_type(f"{name}[{index}]", "a string", value)
    return tuple(cast("list[str]", values))


def _output(fields: Fields, specific: JsonObject) -> OutputFormat | None:
    value = fields.object("response_format")
    if value is None:
        return None
    match value.get("type"):
        case "text":
            return OutputFormat("text")
        case "json_object":
            schema = value.get("schema")
            return OutputFormat("json", schema=as_object(schema) if isinstance(schema, dict) else None)
        case "json_schema":
            inner = Fields(value.get("json_schema"), "response_format.json_schema")
            return OutputFormat(
                "schema",
                name=inner.text("name"),
                description=inner.text("description"),
                schema=inner.object("schema"),
                strict=inner.flag("strict"),
            )
        case _:
            specific["response_format"] = value
            return None


def _reasoning(fields: Fields) -> ReasoningRequest | None:
    effort = fields.text("reasoning_effort")
    return None if effort is None else ReasoningRequest(effort=effort)


def _stream_options(fields: Fields, specific: JsonObject) -> bool:
    options = fields.fields("stream_options")
    if options is None:
        return False
    include_usage = options.flag("include_usage") or False
    if options.rest():
        specific["stream_options"] = dict(options.rest())
    return include_usage
