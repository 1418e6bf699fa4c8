"""The Messages request as it is typed and checked, what of it is cached, and what it asks."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec

from tollway.testing.sim.answers import Ask, Tool, ToolUse
from tollway.testing.sim.json_samples import Json, decode

IMAGE_TOKENS: Final = 1500
LEAST_CACHED_TOKENS: Final = 1024
LEAST_THINKING_TOKENS: Final = 1024
MOST_THOUGHT_TOKENS: Final = 64
NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')


class RequestError(Exception):
    """The caller's request cannot be answered."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class CacheControl(msgspec.Struct):
    """A cache breakpoint."""

    type: str = "ephemeral"
    ttl: str = "5m"


class Block(msgspec.Struct):
    """One content block of any type."""

    type: str
    text: str | None = None
    content: "str | list[Block] | None" = None
    input: msgspec.Raw = msgspec.Raw()
    cache_control: CacheControl | None = None

    @property
    def said(self) -> str:
        """Its own text."""
        return self.text or ""


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: str
    content: str | list[Block]

    @property
    def blocks(self) -> list[Block]:
        """The content as blocks."""
        return as_blocks(self.content)


class ToolEntry(msgspec.Struct):
    """One entry of `tools`; the vendor's own tools have a type and no schema."""

    name: str
    type: str = "custom"
    description: str | None = None
    input_schema: msgspec.Raw = NO_SCHEMA
    cache_control: CacheControl | None = None


class ToolChoice(msgspec.Struct):
    """`tool_choice`."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool = False


class Thinking(msgspec.Struct):
    """`thinking`."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class Format(msgspec.Struct):
    """`output_config.format`."""

    type: str
    schema: msgspec.Raw = NO_SCHEMA


class OutputConfig(msgspec.Struct):
    """`output_config`."""

    format: Format | None = None


class MessagesRequest(msgspec.Struct):
    """The members of a Messages request that change the answer; others are let through."""

    model: str | None = None
    messages: list[Turn] | None = None
    max_tokens: int | None = None
    system: str | list[Block] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    tools: list[ToolEntry] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    temperature: float | None = None

    @property
    def thinks(self) -> bool:
        """Thinking is switched on, with a budget or as the model sees fit."""
        return self.thinking is not None and self.thinking.type in {"enabled", "adaptive"}


class Split(msgspec.Struct, frozen=True):
    """The input tokens by where they came from; the three are disjoint."""

    fresh: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0


class PromptCache:
    """Which prompt prefixes have been seen: the first call writes them, later ones read."""

    LIMIT: Final = 1024

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def split(self, asked: MessagesRequest, total: int) -> Split:
        """How many of `total` input tokens are read from the cache, written to it, or neither."""
        read = upto = 0
        ttl = "5m"
        for digest, counted, control in _breakpoints(asked):
            tokens = min(counted, total)
            if tokens < LEAST_CACHED_TOKENS:
                continue
            upto, ttl = tokens, control.ttl
            if digest in self._seen:
                read = tokens
            self._remember(digest, tokens)
        written = upto - read
        long = written if ttl == "1h" else 0
        return Split(fresh=total - upto, read=read, written_5m=written - long, written_1h=long)

    def _remember(self, digest: bytes, tokens: int) -> None:
        self._seen[digest] = tokens
        if len(self._seen) > self.LIMIT:
            self._seen.popitem(last=False)


def _breakpoints(asked: MessagesRequest) -> Iterator[tuple[bytes, int, CacheControl]]:
    """Each cache breakpoint with the digest and the tokens of all that comes before its end."""
    seen = hashlib.blake2b(digest_size=16)
    chars = 0
    for text, control in _cacheable(asked):
        seen.update(text.encode("utf-8", "surrogatepass") + b"\0")
        chars += len(text)
        if control is not None:
            yield seen.copy().digest(), chars // 4, control


def _cacheable(asked: MessagesRequest) -> Iterator[tuple[str, CacheControl | None]]:
    # The vendor's order of a cache prefix: tools, then system, then messages.
    for tool in asked.tools or []:
        yield tool.name + bytes(tool.input_schema).decode(), tool.cache_control
    for block in as_blocks(asked.system):
        yield block.said, block.cache_control
    for turn in asked.messages or []:
        for block in turn.blocks:
            yield full_text(block), block.cache_control


def as_blocks(content: str | list[Block] | None) -> list[Block]:
    """Content that may be a text, as blocks."""
    if isinstance(content, list):
        return content
    return [Block(type="text", text=content)] if content else []


def full_text(block: Block) -> str:
    """The text of a block, with what a tool call or a tool result holds."""
    inner = "\n".join(full_text(part) for part in as_blocks(block.content))
    return block.said + inner + bytes(block.input).decode()


def check(asked: MessagesRequest, *, limited: bool = True) -> None:
    """Refuse a request that lacks something or breaks a range.

    Raises:
        RequestError: says which member, as the vendor does: `max_tokens: Field required`.
    """
    for name, missing in (
        ("model", not asked.model),
        ("max_tokens", limited and asked.max_tokens is None),
        ("messages", asked.messages is None),
    ):
        if missing:
            raise RequestError(f"{name}: Field required")
    if not asked.messages:
        raise RequestError("messages: at least one message is required")
    for i, turn in enumerate(asked.messages):
        if turn.role not in {"user", "assistant", "system"}:
            raise RequestError(f"messages.{i}.role: Input should be 'user' or 'assistant'")
    if asked.max_tokens is not None and asked.max_tokens < 1:
        raise RequestError("max_tokens: must be greater than or equal to 1")
    if asked.temperature is not None and not 0 <= asked.temperature <= 1:
        raise RequestError("temperature: range: 0..1")
    _check_thinking(asked)


def _check_thinking(asked: MessagesRequest) -> None:
    thinking = asked.thinking
    if thinking is None or thinking.type != "enabled":
        return
    if thinking.budget_tokens is None:
        raise RequestError("thinking.enabled.budget_tokens: Field required")
    if thinking.budget_tokens < LEAST_THINKING_TOKENS:
        raise RequestError(f"thinking.enabled.budget_tokens: must be at least {LEAST_THINKING_TOKENS}")
    if asked.max_tokens is not None and asked.max_tokens <= thinking.budget_tokens:
        raise RequestError("`max_tokens` must be greater than `thinking.budget_tokens`.")


def ask_of(asked: MessagesRequest, *, refuse: bool) -> Ask:
    """The request as a plain question."""
    turns = asked.messages or []
    blocks = [block for turn in turns for block in turn.blocks]
    users = [turn for turn in turns if turn.role == "user"]
    system = as_blocks(asked.system)
    system += [block for turn in turns if turn.role == "system" for block in turn.blocks]
    last = turns[-1].blocks if turns and turns[-1].role == "user" else []
    tools = [tool for tool in asked.tools or [] if tool.type == "custom"]
    chars = sum(len(full_text(block)) for block in [*as_blocks(asked.system), *blocks])
    chars += sum(len(tool.name) + len(bytes(tool.input_schema)) for tool in asked.tools or [])
    choice = asked.tool_choice
    mode, named = _tool_choice(choice)
    return Ask(
        prompt=_last_text(users),
        system="\n".join(block.said for block in system),
        input_chars=chars,
        messages=len(turns) + (1 if asked.system else 0),
        images=_images(blocks),
        image_tokens=IMAGE_TOKENS,
        tools=[Tool(t.name, decode(t.input_schema), t.description or "") for t in tools],
        tool_use=mode,
        tool_named=named,
        parallel=choice is None or not choice.disable_parallel_tool_use,
        preface=True,
        tool_results=[full_text(block) for block in last if block.type == "tool_result"],
        schema=_schema(asked),
        reasoning_tokens=MOST_THOUGHT_TOKENS if asked.thinks else 0,
        max_tokens=asked.max_tokens,
        stop=asked.stop_sequences or [],
        refuse=refuse,
    )


def _last_text(users: list[Turn]) -> str:
    for turn in reversed(users):
        text = "\n".join(block.said for block in turn.blocks if block.type == "text")
        if text:
            return text
    return ""


def _images(blocks: list[Block]) -> int:
    return sum((b.type in {"image", "document"}) + _images(as_blocks(b.content)) for b in blocks)


def _schema(asked: MessagesRequest) -> Json:
    form = asked.output_config.format if asked.output_config is not None else None
    return decode(form.schema) if form is not None and form.type == "json_schema" else None


def _tool_choice(choice: ToolChoice | None) -> tuple[ToolUse, str | None]:
    if choice is None or choice.type == "auto":
        return "auto", None
    if choice.type == "none":
        return "none", None
    return "required", choice.name if choice.type == "tool" else None
