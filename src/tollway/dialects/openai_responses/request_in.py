"""Reads a caller's Responses request into the neutral conversation."""

from typing import Final

from tollway.core.conversation import Conversation, Message, OutputFormat, ReasoningRequest, Text
from tollway.core.errors import BadRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import Fields, as_list, decode_request
from tollway.dialects.openai_responses.items_in import ItemReader
from tollway.dialects.openai_responses.tools import NAME, parse_tool_choice, parse_tools

INSTRUCTIONS: Final = "instructions"
"""The id of the message that came as `instructions` rather than as an item."""

LOGPROBS: Final = "message.output_text.logprobs"
"""How `include` asks for log probabilities."""

_SPECIFIC: Final = frozenset(
    {
        "background",
        "client_metadata",
        "context_management",
        "conversation",
        "max_tool_calls",
        "moderation",
        "previous_response_id",
        "prompt",
        "prompt_cache_options",
        "prompt_cache_retention",
        "stream_options",
        "truncation",
    }
)
"""Fields of this API (and of clients made for it) that no neutral field stands for."""

_ESSENTIAL: Final = ("background", "conversation", "previous_response_id", "prompt")
"""Those without which it would be another request."""

_SAYS_NOTHING: Final = (("background", False), ("truncation", "disabled"))
"""Defaults, written out."""


def parse_request(body: bytes) -> Conversation:
    """Read a request.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(decode_request(body))
    specific = fields.take_present(_SPECIFIC)
    for name, default in _SAYS_NOTHING:
        if specific.get(name) == default:
            del specific[name]
    messages, essential = _messages(fields, specific)
    top_logprobs = fields.integer("top_logprobs")
    logprobs = _include(fields, specific)
    output, verbosity = _text(fields, specific)
    return Conversation(
        dialect=NAME,
        model=fields.text("model") or "",
        messages=messages,
        tools=parse_tools(fields.list("tools") or ()),
        tool_choice=parse_tool_choice(fields.take("tool_choice")),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        max_output_tokens=fields.integer("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        output=output,
        reasoning=_reasoning(fields),
        verbosity=verbosity,
        logprobs=True if logprobs or top_logprobs else None,
        top_logprobs=top_logprobs or None,
        user=fields.text("user"),
        metadata=fields.object("metadata"),
        service_tier=fields.text("service_tier"),
        store=fields.flag("store"),
        prompt_cache_key=fields.text("prompt_cache_key"),
        safety_identifier=fields.text("safety_identifier"),
        stream=fields.flag("stream") or False,
        stream_usage=True,
        specific=specific,
        essential=essential,
        rest=fields.rest(),
    )


def _messages(fields: Fields, specific: JsonObject) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    instructions = fields.text("instructions")
    first = () if instructions is None else (Message("system", (Text(instructions),), id=INSTRUCTIONS),)
    value = fields.take("input")
    essential = tuple(name for name in _ESSENTIAL if name in specific)
    if value is None:
        if not essential:
            raise BadRequest(
                "input: required, a string or an array of items", code="missing_required_parameter", param="input"
            )
        return first, essential
    reader = ItemReader()
    messages = first + reader.read(value)
    if not messages and not essential:
        raise BadRequest("input: must hold at least one item", code="empty_array", param="input")
    return messages, essential + tuple(dict.fromkeys(reader.essential))


def _include(fields: Fields, specific: JsonObject) -> bool:
    include = as_list(fields.list("include"))
    others = [one for one in include if one != LOGPROBS]
    if others:
        specific["include"] = others
    return LOGPROBS in include


def _text(fields: Fields, specific: JsonObject) -> tuple[OutputFormat | None, str | None]:
    text = fields.fields("text")
    if text is None:
        return None, None
    verbosity = text.text("verbosity")
    shape = text.object("format")
    if text.rest():
        specific["text"] = dict(text.rest())
    match None if shape is None else shape.get("type"):
        case "text":
            return OutputFormat("text"), verbosity
        case "json_object":
            return OutputFormat("json"), verbosity
        case "json_schema":
            inner = Fields(shape, "text.format")
            output = OutputFormat(
                "schema",
                name=inner.text("name"),
                description=inner.text("description"),
                schema=inner.object("schema"),
                strict=inner.flag("strict"),
            )
            return output, verbosity
        case None:
            return None, verbosity
        case _:
            specific["text"] = {**specific.get("text", {}), "format": shape}
            return None, verbosity


def _reasoning(fields: Fields) -> ReasoningRequest | None:
    reasoning = fields.fields("reasoning")
    if reasoning is None:
        return None
    effort, summary = reasoning.text("effort"), reasoning.text("summary")
    rest = {name: value for name, value in reasoning.rest().items() if value is not None}
    if effort is None and summary is None and not rest:
        return None
    return ReasoningRequest(effort=effort, summary=summary, show=True if summary else None, rest=rest)
