"""Converse requests as plain questions, and the answers and events that Bedrock makes of replies."""

from collections.abc import Iterator
from typing import Final

import msgspec

from tollway.testing.sim.answers import Ask, Reply, Tool, ToolUse, grouped
from tollway.testing.sim.exchange import Exchange
from tollway.testing.sim.json_samples import Json, decode

Object = dict[str, object]

STOP_REASON: Final = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "content_filtered",
}
TOKENS_PER_EVENT: Final = 4
IMAGE_TOKENS: Final = 1500
MOST_THOUGHT_TOKENS: Final = 64


class RequestError(Exception):
    """The caller's request cannot be answered."""

    def __init__(self, message: str, status: int = 400, kind: str = "ValidationException") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class ToolUseBlock(msgspec.Struct, rename="camel"):
    """A call in the history."""

    tool_use_id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


class ToolResultBlock(msgspec.Struct, rename="camel"):
    """What a tool answered."""

    tool_use_id: str
    content: "list[Block]" = []


class Block(msgspec.Struct, rename="camel"):
    """One content block; members that do not change the answer are let through."""

    text: str | None = None
    json: msgspec.Raw = msgspec.Raw()
    image: msgspec.Raw = msgspec.Raw()
    document: msgspec.Raw = msgspec.Raw()
    tool_use: ToolUseBlock | None = None
    tool_result: ToolResultBlock | None = None

    @property
    def said(self) -> str:
        """Its text, with what a result in it holds."""
        inner = "" if self.tool_result is None else "\n".join(one.said for one in self.tool_result.content)
        return (self.text or "") + inner + bytes(self.json).decode()


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: str
    content: list[Block]


class InferenceConfig(msgspec.Struct, rename="camel"):
    """`inferenceConfig`."""

    max_tokens: int | None = None
    stop_sequences: list[str] = []


class InputSchema(msgspec.Struct):
    """`inputSchema`."""

    json: msgspec.Raw = msgspec.Raw(b"{}")


class ToolSpec(msgspec.Struct, rename="camel"):
    """`toolSpec`."""

    name: str
    description: str = ""
    input_schema: InputSchema = msgspec.field(default_factory=InputSchema)


class ToolEntry(msgspec.Struct, rename="camel"):
    """One entry of `tools`."""

    tool_spec: ToolSpec | None = None


class NamedTool(msgspec.Struct):
    """`toolChoice.tool`."""

    name: str


class ToolChoice(msgspec.Struct):
    """`toolChoice`."""

    auto: Object | None = None
    any: Object | None = None
    tool: NamedTool | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    """`toolConfig`."""

    tools: list[ToolEntry] = []
    tool_choice: ToolChoice | None = None


class ConverseRequest(msgspec.Struct, rename="camel"):
    """The members of a Converse request that change the answer; others are let through."""

    messages: list[Turn] = []
    system: list[Block] = []
    inference_config: InferenceConfig = msgspec.field(default_factory=InferenceConfig)
    tool_config: ToolConfig | None = None
    additional_model_request_fields: dict[str, msgspec.Raw] = {}
    output_config: msgspec.Raw = msgspec.Raw()


def check(asked: ConverseRequest) -> None:
    """Refuse what the service refuses.

    Raises:
        RequestError: in the service's words.
    """
    if not asked.messages or asked.messages[0].role != "user":
        raise RequestError("A conversation must start with a user message. Try again with a conversation that does.")
    for position, turn in enumerate(asked.messages):
        if not turn.content:
            raise RequestError(f"The content field in the Message object at messages.{position} is empty.")
        if any(block.text is not None and not block.text.strip() for block in turn.content):
            raise RequestError(f"The text field in the ContentBlock object at messages.{position}.content is blank.")
    uses = any(block.tool_use or block.tool_result for turn in asked.messages for block in turn.content)
    if uses and asked.tool_config is None:
        raise RequestError("The toolConfig field must be defined when using toolUse and toolResult content blocks.")


def ask_of(asked: ConverseRequest, *, refuse: bool) -> Ask:
    """The request as a plain question."""
    blocks = [block for turn in asked.messages for block in turn.content]
    last = asked.messages[-1].content if asked.messages[-1].role == "user" else []
    config = asked.tool_config or ToolConfig()
    specs = [entry.tool_spec for entry in config.tools if entry.tool_spec is not None]
    mode, named = _tool_choice(config.tool_choice)
    return Ask(
        prompt=_last_text(asked.messages),
        system="\n".join(block.said for block in asked.system),
        input_chars=sum(len(block.said) for block in [*asked.system, *blocks]),
        messages=len(asked.messages) + bool(asked.system),
        images=sum(bool(bytes(block.image) or bytes(block.document)) for block in blocks),
        image_tokens=IMAGE_TOKENS,
        tools=[Tool(spec.name, decode(spec.input_schema.json), spec.description) for spec in specs],
        tool_use=mode,
        tool_named=named,
        preface=True,
        tool_results=[block.said for block in last if block.tool_result is not None],
        schema=_schema(asked.output_config),
        reasoning_tokens=MOST_THOUGHT_TOKENS if "thinking" in asked.additional_model_request_fields else 0,
        max_tokens=asked.inference_config.max_tokens,
        stop=asked.inference_config.stop_sequences,
        refuse=refuse,
    )


def usage(reply: Reply) -> Object:
    """The tokens of the call."""
    total = reply.input_tokens + reply.output_tokens
    return {"inputTokens": reply.input_tokens, "outputTokens": reply.output_tokens, "totalTokens": total}


def answer_body(exchange: Exchange, reply: Reply) -> Object:
    """The whole answer of a plain call."""
    return {
        "metrics": {"latencyMs": 100 + exchange.number},
        "output": {"message": {"content": list(_content(exchange, reply)), "role": "assistant"}},
        "stopReason": STOP_REASON[reply.finish],
        "usage": usage(reply),
    }


def events(exchange: Exchange, reply: Reply) -> Iterator[tuple[str, Object]]:
    """Every event of a stream in order, each with its name."""
    yield "messageStart", {"role": "assistant"}
    for index, (start, deltas) in enumerate(_blocks(exchange, reply)):
        if start:
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for delta in deltas:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": STOP_REASON[reply.finish]}
    yield "metadata", {"metrics": {"latencyMs": 100 + exchange.number}, "usage": usage(reply)}


def _content(exchange: Exchange, reply: Reply) -> Iterator[Object]:
    if reply.reasoning:
        yield {"reasoningContent": {"reasoningText": {"text": reply.reasoning_text, "signature": _signature(exchange)}}}
    if reply.pieces:
        yield {"text": reply.text}
    for number, call in enumerate(reply.calls):
        yield {"toolUse": _tool_use(exchange, reply, number) | {"input": msgspec.Raw(call.arguments.encode())}}


def _blocks(exchange: Exchange, reply: Reply) -> Iterator[tuple[Object, list[Object]]]:
    if reply.reasoning:
        thoughts: list[Object] = [
            {"reasoningContent": {"text": text}} for text in grouped(reply.reasoning, TOKENS_PER_EVENT)
        ]
        yield {}, [*thoughts, {"reasoningContent": {"signature": _signature(exchange)}}]
    if reply.pieces:
        yield {}, [{"text": text} for text in grouped(reply.pieces, TOKENS_PER_EVENT)]
    for number, call in enumerate(reply.calls):
        half = len(call.arguments) // 2
        pieces = (call.arguments[:half], call.arguments[half:])
        yield {"toolUse": _tool_use(exchange, reply, number)}, [{"toolUse": {"input": piece}} for piece in pieces]


def _signature(exchange: Exchange) -> str:
    return exchange.mint("EqQBCkYIBxgC", digits=64)


def _tool_use(exchange: Exchange, reply: Reply, number: int) -> Object:
    return {"toolUseId": exchange.mint("tooluse_", number, digits=22), "name": reply.calls[number].name}


def _last_text(turns: list[Turn]) -> str:
    for turn in reversed(turns):
        text = "\n".join(block.text for block in turn.content if block.text) if turn.role == "user" else ""
        if text:
            return text
    return ""


def _tool_choice(choice: ToolChoice | None) -> tuple[ToolUse, str | None]:
    if choice is None or choice.auto is not None:
        return "auto", None
    return "required", choice.tool.name if choice.tool is not None else None


class _JsonSchema(msgspec.Struct, rename="camel"):
    schema: str = "{}"


class _Structure(msgspec.Struct, rename="camel"):
    json_schema: _JsonSchema | None = None


class _TextFormat(msgspec.Struct):
    structure: _Structure | None = None


class _OutputConfig(msgspec.Struct, rename="camel"):
    text_format: _TextFormat | None = None


def _schema(config: msgspec.Raw) -> Json:
    if not bytes(config):
        return None
    form = msgspec.json.decode(config, type=_OutputConfig).text_format
    definition = form.structure.json_schema if form is not None and form.structure is not None else None
    return None if definition is None else decode(msgspec.Raw(definition.schema.encode()))
