"""Cohere's requests as they are typed and checked, and what a chat asks."""

from __future__ import annotations

from typing import Final

import msgspec

from tollway.testing.sim import models
from tollway.testing.sim.answers import Ask, Tool, ToolUse
from tollway.testing.sim.json_samples import Json, decode

MOST_THOUGHT_TOKENS: Final = 48
MOST_STOPS: Final = 5
PREAMBLE_TOKENS: Final = 200
"""What the service puts before every prompt by itself, and does not bill."""
NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')


class RequestError(Exception):
    """The caller's request cannot be answered."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Block(msgspec.Struct):
    """One content block of any type."""

    type: str
    text: str | None = None
    thinking: str | None = None
    document: msgspec.Raw = msgspec.Raw()

    @property
    def said(self) -> str:
        """Its words, or its document."""
        return self.text or bytes(self.document).decode()


class Function(msgspec.Struct):
    """The inside of a tool or of a tool call."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NO_SCHEMA
    arguments: str = ""


class ToolEntry(msgspec.Struct):
    """One entry of `tools` or `tool_calls`."""

    function: Function
    type: str = "function"
    id: str = ""


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: str
    content: str | list[Block] | None = None
    tool_plan: str | None = None
    tool_calls: list[ToolEntry] | None = None
    tool_call_id: str | None = None

    @property
    def blocks(self) -> list[Block]:
        """The content as blocks."""
        if isinstance(self.content, list):
            return self.content
        return [Block(type="text", text=self.content)] if self.content else []

    @property
    def said(self) -> str:
        """All its words."""
        return "\n".join(block.said for block in self.blocks)


class Format(msgspec.Struct):
    """`response_format`."""

    type: str
    json_schema: msgspec.Raw = msgspec.Raw()


class Thinking(msgspec.Struct):
    """`thinking`."""

    type: str = "enabled"
    token_budget: int | None = None


class ChatRequest(msgspec.Struct):
    """The members of a chat that change the answer; others are let through."""

    model: str | None = None
    messages: list[Turn] | None = None
    stream: bool = False
    max_tokens: int | None = None
    stop_sequences: list[str] = []
    tools: list[ToolEntry] = []
    tool_choice: str | None = None
    response_format: Format | None = None
    thinking: Thinking | None = None
    documents: list[msgspec.Raw] = []
    p: float | None = None
    k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class EmbedRequest(msgspec.Struct):
    """The members of an embedding request that change the answer."""

    model: str | None = None
    input_type: str | None = None
    texts: list[str] | None = None
    embedding_types: list[str] = msgspec.field(default_factory=lambda: ["float"])
    output_dimension: int | None = None


def check(asked: ChatRequest) -> None:
    """Refuse a chat that lacks something or breaks a range.

    Raises:
        RequestError: says which member, in the service's way.
    """
    if not asked.model:
        raise RequestError("invalid request: model parameter is required")
    if not asked.messages:
        raise RequestError("invalid request: messages must be at least 1 message long")
    for i, turn in enumerate(asked.messages):
        if turn.role not in {"system", "user", "assistant", "tool"}:
            raise RequestError(f"invalid request: messages[{i}].role must be one of system, user, assistant, tool")
        if turn.role == "tool" and not turn.tool_call_id:
            raise RequestError(f"invalid request: messages[{i}].tool_call_id is required")
    if len(asked.stop_sequences) > MOST_STOPS:
        raise RequestError("invalid request: stop_sequences must be at most 5 strings")
    if asked.tool_choice not in {None, "REQUIRED", "NONE"}:
        raise RequestError("invalid request: tool_choice must be one of REQUIRED, NONE")
    for name, value, least, most in (
        ("p", asked.p, 0.01, 0.99),
        ("k", asked.k, 0, 500),
        ("frequency_penalty", asked.frequency_penalty, 0, 1),
        ("presence_penalty", asked.presence_penalty, 0, 1),
    ):
        if value is not None and not least <= value <= most:
            raise RequestError(f"invalid request: {name} must be between {least} and {most} inclusive")


def ask_of(asked: ChatRequest, served: str, *, refuse: bool) -> Ask:
    """The chat as a plain question."""
    turns = asked.messages or []
    users = [turn for turn in turns if turn.role == "user"]
    results: list[str] = []
    for turn in reversed(turns):
        if turn.role != "tool":
            break
        results.insert(0, turn.said)
    chars = sum(len(turn.said) + len(turn.tool_plan or "") for turn in turns)
    chars += sum(len(tool.function.name) + len(bytes(tool.function.parameters)) for tool in asked.tools)
    chars += sum(len(bytes(document)) for document in asked.documents)
    chars += sum(len(call.function.arguments) for turn in turns for call in turn.tool_calls or [])
    form = asked.response_format
    return Ask(
        prompt=users[-1].said if users else "",
        system="\n".join(turn.said for turn in turns if turn.role == "system"),
        input_chars=chars,
        messages=len(turns),
        images=sum(block.type == "image_url" for turn in turns for block in turn.blocks),
        tools=[Tool(t.function.name, decode(t.function.parameters), t.function.description or "") for t in asked.tools],
        tool_use=_tool_use(asked.tool_choice),
        preface=True,
        tool_results=results,
        json_object=form is not None and form.type == "json_object",
        schema=_schema(form),
        reasoning_tokens=_thought(asked, served),
        max_tokens=asked.max_tokens,
        stop=asked.stop_sequences,
        refuse=refuse,
    )


def _tool_use(choice: str | None) -> ToolUse:
    match choice:
        case "REQUIRED":
            return "required"
        case "NONE":
            return "none"
        case _:
            return "auto"


def _schema(form: Format | None) -> Json:
    return decode(form.json_schema) if form is not None and bytes(form.json_schema) else None


def _thought(asked: ChatRequest, served: str) -> int:
    """Models that reason do so unless told not to; others do when told to."""
    thinking = asked.thinking
    if thinking is None:
        return MOST_THOUGHT_TOKENS if served in models.REASONING_COHERE else 0
    if thinking.type == "disabled":
        return 0
    budget = thinking.token_budget
    return MOST_THOUGHT_TOKENS if budget is None else min(budget, MOST_THOUGHT_TOKENS)
