"""Reads an Ollama Chat request into the neutral conversation."""

from tollway.core.conversation import Conversation, Opaque, Tool
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json
from tollway.dialects.caller_fields import Fields, as_object, decode_request
from tollway.dialects.ollama_chat.content import NAME, MessageReader
from tollway.dialects.ollama_chat.settings import SPECIFIC, read_settings


def parse_request(body: bytes) -> Conversation:
    """Read a caller's request.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(decode_request(body))
    specific = fields.take_present(SPECIFIC)
    model = fields.required_text("model")
    items = fields.list("messages")
    if not items:
        raise BadRequest(
            "messages: required; loading a model without a message is for servers that speak this API themselves",
            code="missing_required_parameter",
            param="messages",
        )
    reader = MessageReader()
    messages = tuple(reader.message(item, f"messages[{position}]") for position, item in enumerate(items))
    settings = read_settings(fields, specific)
    return Conversation(
        dialect=NAME,
        model=model,
        messages=messages,
        tools=tuple(_tool(item, f"tools[{position}]") for position, item in enumerate(fields.list("tools") or ())),
        max_output_tokens=settings.max_output_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        presence_penalty=settings.presence_penalty,
        frequency_penalty=settings.frequency_penalty,
        seed=settings.seed,
        stop=settings.stop,
        output=settings.output,
        reasoning=settings.reasoning,
        logprobs=fields.flag("logprobs"),
        top_logprobs=fields.integer("top_logprobs"),
        stream=streams(fields),
        stream_usage=True,
        specific=specific,
        rest=fields.rest(),
    )


def streams(fields: Fields) -> bool:
    """Read `stream`: it is true unless it is false."""
    return fields.flag("stream") is not False


def _tool(item: Json, path: str) -> Tool:
    fields = Fields(item, path)
    kind = fields.text("type")
    if kind is not None and kind != "function":
        return Tool(name=kind, builtin=Opaque(NAME, as_object(item)))
    function = Fields(fields.take("function"), f"{path}.function")
    return Tool(
        name=function.required_text("name"),
        description=function.text("description"),
        parameters=function.object("parameters"),
        rest=fields.rest() | ({"function": function.rest()} if function.rest() else {}),
    )
