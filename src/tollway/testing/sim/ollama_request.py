"""Ollama's requests as they are typed, and what a chat or a prompt asks."""

from __future__ import annotations

from typing import Final

import msgspec

from tollway.testing.sim import models
from tollway.testing.sim.answers import Ask, Tool
from tollway.testing.sim.json_samples import Json, decode

MOST_THOUGHT_TOKENS: Final = 48
NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')


class RequestError(Exception):
    """The caller's request cannot be answered."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Options(msgspec.Struct):
    """The options that change the answer; others are let through."""

    num_predict: int | None = None
    stop: str | list[str] | None = None


class Function(msgspec.Struct):
    """The inside of a tool or of a tool call."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NO_SCHEMA
    arguments: msgspec.Raw = msgspec.Raw()


class ToolEntry(msgspec.Struct):
    """One entry of `tools` or `tool_calls`."""

    function: Function


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[ToolEntry] | None = None


class _Asked(msgspec.Struct):
    """What a chat and a prompt have in common."""

    model: str | None = None
    stream: bool | None = None
    format: msgspec.Raw = msgspec.Raw()
    think: bool | str | None = None
    options: Options | None = None


class ChatRequest(_Asked):
    """The members of a chat that change the answer; others are let through."""

    messages: list[Turn] | None = None
    tools: list[ToolEntry] | None = None


class GenerateRequest(_Asked):
    """The members of a prompt that change the answer; others are let through."""

    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None


class EmbedRequest(msgspec.Struct):
    """The members of an embedding request that change the answer."""

    model: str | None = None
    input: str | list[str] | None = None
    dimensions: int | None = None


class ShowRequest(msgspec.Struct):
    """The members of a request to describe a model."""

    model: str | None = None


def as_chat(asked: GenerateRequest) -> ChatRequest:
    """A prompt as the chat it stands for."""
    turns = [Turn("system", asked.system)] if asked.system else []
    if asked.prompt or asked.images:
        turns.append(Turn("user", asked.prompt or "", images=asked.images))
    return ChatRequest(
        model=asked.model,
        stream=asked.stream,
        format=asked.format,
        think=asked.think,
        options=asked.options,
        messages=turns,
    )


def check(asked: ChatRequest, served: str) -> None:
    """Refuse a chat that the server refuses.

    Raises:
        RequestError: says why, in the server's way.
    """
    for turn in asked.messages or []:
        if turn.role not in {"system", "user", "assistant", "tool"}:
            raise RequestError('invalid role: must be "system", "user", "assistant", or "tool"')
    if asked.think and not models.REASONING_OPEN.match(served) and served != models.SIM_MODEL:
        raise RequestError(f'"{served}" does not support thinking')


def ask_of(asked: ChatRequest, served: str, *, refuse: bool) -> Ask:
    """The chat as a plain question."""
    turns = asked.messages or []
    users = [turn.content or "" for turn in turns if turn.role == "user" and turn.content]
    results: list[str] = []
    for turn in reversed(turns):
        if turn.role != "tool":
            break
        results.insert(0, turn.content or "")
    options = asked.options or Options()
    most = options.num_predict
    stop = [options.stop] if isinstance(options.stop, str) else options.stop or []
    chars = sum(len(turn.content or "") + len(turn.thinking or "") for turn in turns)
    chars += sum(len(bytes(call.function.arguments)) for turn in turns for call in turn.tool_calls or [])
    chars += sum(len(tool.function.name) + len(bytes(tool.function.parameters)) for tool in asked.tools or [])
    schema = _schema(asked.format)
    tools = [tool.function for tool in asked.tools or []]
    return Ask(
        prompt=users[-1] if users else "",
        system="\n".join(turn.content or "" for turn in turns if turn.role == "system"),
        input_chars=chars,
        messages=len(turns),
        images=sum(len(turn.images or []) for turn in turns),
        tools=[Tool(tool.name, decode(tool.parameters), tool.description or "") for tool in tools],
        tool_results=results,
        json_object=schema == "json",
        schema=None if isinstance(schema, str) else schema,
        reasoning_tokens=MOST_THOUGHT_TOKENS if _thinks(asked, served) else 0,
        max_tokens=most if most is not None and most >= 0 else None,
        stop=stop,
        refuse=refuse,
    )


def _schema(form: msgspec.Raw) -> Json:
    return decode(form) if bytes(form) not in {b"", b'""', b"null"} else None


def _thinks(asked: ChatRequest, served: str) -> bool:
    """Models that think do so unless told not to."""
    return bool(asked.think) if asked.think is not None else models.REASONING_OPEN.match(served) is not None
