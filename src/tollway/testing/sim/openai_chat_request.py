"""The Chat Completions request as it is typed and checked, and the question it asks."""

from typing import Final

import msgspec

from tollway.testing.sim import models
from tollway.testing.sim.answers import Ask, Tool, ToolUse
from tollway.testing.sim.json_samples import Json, decode
from tollway.testing.sim.openai_errors import RequestError

EFFORT_TOKENS: Final = {"none": 0, "minimal": 0, "low": 16, "medium": 32, "high": 64, "xhigh": 96}
MAX_CHOICES: Final = 8
NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')


class Part(msgspec.Struct):
    """One part of a message's content."""

    type: str = "text"
    text: str | None = None


class Message(msgspec.Struct):
    """One message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: msgspec.Raw = msgspec.Raw()


class Function(msgspec.Struct):
    """A function's name and schema, or only its name where a choice points to it."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NO_SCHEMA


class ToolEntry(msgspec.Struct):
    """One entry of `tools`, or the object form of `tool_choice`."""

    type: str
    function: Function | None = None


class JsonSchema(msgspec.Struct):
    """The schema of a structured answer."""

    name: str
    schema: msgspec.Raw = NO_SCHEMA


class Format(msgspec.Struct):
    """`response_format`."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(msgspec.Struct):
    """The members of a chat request that change the answer; others are let through."""

    model: str | None = None
    messages: list[Message] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    tools: list[ToolEntry] | None = None
    tool_choice: str | ToolEntry | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    temperature: float | None = None


DECODER: Final = msgspec.json.Decoder(ChatRequest)


def check_ranges(asked: ChatRequest) -> None:
    """Refuse values out of range.

    Raises:
        RequestError: says which, and why.
    """
    if asked.temperature is not None and not 0 <= asked.temperature <= 2:
        edge, word = ("below", "minimum") if asked.temperature < 0 else ("above", "maximum")
        message = f"Invalid 'temperature': decimal {edge} {word} value, got {asked.temperature:g}."
        raise RequestError(message, code=f"decimal_{edge}_{word[:3]}_value", param="temperature")
    if asked.n is not None and not 1 <= asked.n <= MAX_CHOICES:
        message = f"Invalid 'n': expected a value from 1 to {MAX_CHOICES}, got {asked.n}."
        raise RequestError(message, code="invalid_value", param="n")
    if asked.tool_choice not in (None, "none", "auto") and not asked.tools:
        message = "'tool_choice' is only allowed when 'tools' are specified."
        raise RequestError(message, param="tool_choice")


def text_of(content: str | list[Part] | None) -> str:
    """The text of a message's content."""
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""


def ask_of(asked: ChatRequest, messages: list[Message], served: str, *, refuse: bool) -> Ask:
    """The request as a plain question."""
    users = [message for message in messages if message.role == "user"]
    texts = [text_of(message.content) for message in messages]
    results: list[str] = []
    for message in reversed(messages):
        if message.role not in {"tool", "function"}:
            break
        results.insert(0, text_of(message.content))
    parts = [part for m in messages if isinstance(m.content, list) for part in m.content]
    functions = [entry.function for entry in asked.tools or [] if entry.function is not None]
    chars = sum(map(len, texts)) + sum(len(bytes(m.tool_calls)) for m in messages)
    mode, named = _tool_choice(asked.tool_choice)
    return Ask(
        prompt=text_of(users[-1].content) if users else texts[-1],
        system="\n".join(
            text for message, text in zip(messages, texts, strict=True) if message.role in {"system", "developer"}
        ),
        input_chars=chars + sum(len(f.name) + len(bytes(f.parameters)) for f in functions),
        messages=len(messages),
        images=sum(part.type == "image_url" for part in parts),
        tools=[Tool(f.name, decode(f.parameters), f.description or "") for f in functions],
        tool_use=mode,
        tool_named=named,
        parallel=asked.parallel_tool_calls is not False,
        tool_results=results,
        json_object=asked.response_format is not None and asked.response_format.type == "json_object",
        schema=_schema(asked.response_format),
        reasoning_tokens=reasoning_budget(served, asked.reasoning_effort),
        max_tokens=asked.max_completion_tokens if asked.max_completion_tokens is not None else asked.max_tokens,
        stop=[asked.stop] if isinstance(asked.stop, str) else asked.stop or [],
        refuse=refuse,
    )


def reasoning_budget(served: str, effort: str | None) -> int:
    """How many tokens a model spends on reasoning; plain models spend none."""
    if models.REASONING_OPENAI.match(served) or models.REASONING_OPEN.match(served):
        # From 5.1 on the family answers without reasoning unless told to.
        usual = "none" if models.UNREASONING_OPENAI.match(served) else "medium"
        return EFFORT_TOKENS.get(effort or usual, 32)
    return EFFORT_TOKENS.get(effort, 0) if served == models.SIM_MODEL and effort else 0


def _tool_choice(choice: str | ToolEntry | None) -> tuple[ToolUse, str | None]:
    if isinstance(choice, ToolEntry):
        return "required", choice.function.name if choice.function is not None else None
    return "none" if choice == "none" else "required" if choice == "required" else "auto", None


def _schema(form: Format | None) -> Json:
    if form is None or form.type != "json_schema" or form.json_schema is None:
        return None
    return decode(form.json_schema.schema)
