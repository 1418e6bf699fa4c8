"""The generateContent request as it is typed, and the answer, whole or in parts."""

from collections.abc import Iterator
from typing import Final

import msgspec

from tollway.testing.sim.answers import Ask, Reply, Tool, ToolUse, compact, grouped
from tollway.testing.sim.exchange import Exchange, cached
from tollway.testing.sim.json_samples import Json, decode

Object = dict[str, object]

IMAGE_TOKENS: Final = 258
TOKENS_PER_PART: Final = 8
MAX_CANDIDATES: Final = 8
LEVEL_TOKENS: Final = {"MINIMAL": 4, "LOW": 16, "MEDIUM": 32, "HIGH": 64}
USUAL_THOUGHT_TOKENS: Final = 32
NO_SCHEMA: Final[Json] = {"type": "object", "properties": {}}
FINISH: Final = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "refusal": "SAFETY",
}
SPOKEN_KEYS: Final = ("result", "output", "return_value", "content")
"""Where client libraries put the text of a function's result."""


class RequestError(Exception):
    """The caller's request cannot be answered."""

    def __init__(self, message: str, *, status: int = 400, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


class Media(msgspec.Struct, rename="camel"):
    """Inline or referenced data."""

    mime_type: str | None = None


class FunctionResponse(msgspec.Struct):
    """What a function gave."""

    name: str = ""
    response: object = None


class Part(msgspec.Struct, rename="camel"):
    """One part of a content."""

    text: str | None = None
    thought: bool | None = None
    inline_data: Media | None = None
    file_data: Media | None = None
    function_call: object = None
    function_response: FunctionResponse | None = None


class Content(msgspec.Struct):
    """One turn of the conversation."""

    parts: list[Part] = []
    role: str | None = None


class Declaration(msgspec.Struct, rename="camel"):
    """One function the model may call."""

    name: str
    description: str | None = None
    parameters: object = None
    parameters_json_schema: object = None


class ToolEntry(msgspec.Struct, rename="camel"):
    """One entry of `tools`; the vendor's own tools have no declarations."""

    function_declarations: list[Declaration] | None = None


class CallingConfig(msgspec.Struct, rename="camel"):
    """Whether and which functions to call."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    """`toolConfig`."""

    function_calling_config: CallingConfig | None = None


class ThinkingConfig(msgspec.Struct, rename="camel"):
    """`thinkingConfig`."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(msgspec.Struct, rename="camel"):
    """`generationConfig`."""

    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    response_mime_type: str | None = None
    response_schema: object = None
    response_json_schema: object = None
    thinking_config: ThinkingConfig | None = None


class GenerateRequest(msgspec.Struct, rename="camel"):
    """The members of a generate request that change the answer."""

    contents: list[Content] | None = None
    system_instruction: Content | None = None
    tools: list[ToolEntry] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig = msgspec.field(default_factory=GenerationConfig)

    @property
    def shows_thoughts(self) -> bool:
        """The thoughts are part of the answer, not only of the bill."""
        thinking = self.generation_config.thinking_config
        return thinking is not None and thinking.include_thoughts is True


class Spoken(msgspec.Struct):
    """A request that can be answered, with its replies: one for each candidate."""

    exchange: Exchange
    asked: GenerateRequest
    served: str
    replies: list[Reply]


def check(asked: GenerateRequest) -> None:
    """Refuse a request that lacks something or breaks a range.

    Raises:
        RequestError: says what, and in which field.
    """
    if not asked.contents:
        what = "* GenerateContentRequest.contents: contents is not specified"
        raise RequestError(what, field="contents")
    for i, content in enumerate(asked.contents):
        if content.role not in {None, "", "user", "model", "function"}:
            what = "Please use a valid role: user, model."
            raise RequestError(what, field=f"contents[{i}].role")
        if not content.parts:
            what = f"* GenerateContentRequest.contents[{i}].parts: contents.parts must not be empty."
            raise RequestError(what, field=f"contents[{i}].parts")
    config = asked.generation_config
    if config.temperature is not None and not 0 <= config.temperature <= 2:
        what = f"Unable to submit request because temperature is {config.temperature:g}: use 0 to 2."
        raise RequestError(what, field="generation_config.temperature")
    if config.candidate_count is not None and not 1 <= config.candidate_count <= MAX_CANDIDATES:
        what = f"candidate_count must be from 1 to {MAX_CANDIDATES}, got {config.candidate_count}."
        raise RequestError(what, field="generation_config.candidate_count")


def ask_of(asked: GenerateRequest, served: str, *, refuse: bool) -> Ask:
    """The request as a plain question."""
    contents = asked.contents or []
    system = asked.system_instruction.parts if asked.system_instruction is not None else []
    said = [part for content in contents for part in content.parts]
    declared = [one for tool in asked.tools or [] for one in tool.function_declarations or []]
    mode, named = _tool_use(asked)
    if named:
        declared = [one for one in declared if one.name in named]
    config = asked.generation_config
    chars = sum(_chars(part) for part in [*system, *said])
    chars += sum(len(one.name) + len(compact(_schema_of(one))) for one in declared)
    return Ask(
        prompt=_last_text(contents),
        system="\n".join(part.text for part in system if part.text),
        input_chars=chars,
        messages=len(contents) + (1 if system else 0),
        images=sum(part.inline_data is not None or part.file_data is not None for part in said),
        image_tokens=IMAGE_TOKENS,
        tools=[Tool(one.name, _schema_of(one), one.description or "") for one in declared],
        tool_use=mode,
        tool_results=_results(contents[-1].parts if contents else []),
        json_object=config.response_mime_type == "application/json",
        schema=_as_json(config.response_json_schema or config.response_schema),
        reasoning_tokens=_thought_tokens(asked, served),
        max_tokens=config.max_output_tokens,
        stop=config.stop_sequences or [],
        refuse=refuse,
    )


def _as_json(value: object) -> Json:
    """A decoded member whose inside is the caller's own, as the JSON value that it is."""
    return decode(msgspec.json.encode(value)) if value is not None else None


def _schema_of(declared: Declaration) -> Json:
    return _as_json(declared.parameters_json_schema or declared.parameters) or NO_SCHEMA


def _chars(part: Part) -> int:
    count = len(part.text or "")
    if part.function_call is not None:
        count += len(msgspec.json.encode(part.function_call))
    if part.function_response is not None:
        count += len(msgspec.json.encode(part.function_response.response))
    return count


def _last_text(contents: list[Content]) -> str:
    for content in reversed(contents):
        if content.role in {None, "", "user"}:
            text = "\n".join(part.text for part in content.parts if part.text)
            if text:
                return text
    return ""


def _results(parts: list[Part]) -> list[str]:
    return [_result(_as_json(p.function_response.response)) for p in parts if p.function_response]


def _result(value: Json) -> str:
    if isinstance(value, dict):
        for key in SPOKEN_KEYS:
            spoken = value.get(key)
            if isinstance(spoken, str):
                return spoken
    return value if isinstance(value, str) else compact(value)


def _tool_use(asked: GenerateRequest) -> tuple[ToolUse, list[str] | None]:
    config = asked.tool_config.function_calling_config if asked.tool_config is not None else None
    mode = (config.mode or "AUTO").upper() if config is not None else "AUTO"
    if mode == "NONE":
        return "none", None
    allowed = config.allowed_function_names if config is not None else None
    return ("required" if mode == "ANY" else "auto"), allowed


def _thought_tokens(asked: GenerateRequest, served: str) -> int:
    thinking = asked.generation_config.thinking_config or ThinkingConfig()
    if thinking.thinking_level is not None:
        return LEVEL_TOKENS.get(thinking.thinking_level.upper(), USUAL_THOUGHT_TOKENS)
    if thinking.thinking_budget is not None and thinking.thinking_budget >= 0:
        return min(thinking.thinking_budget, USUAL_THOUGHT_TOKENS)
    thinks = "gemini-3" in served or "2.5-pro" in served or served.endswith("2.5-flash")
    return USUAL_THOUGHT_TOKENS if thinks or asked.shows_thoughts else 0


def whole(spoken: Spoken) -> Object:
    """The whole answer of a plain call."""
    if spoken.replies[0].finish == "refusal":
        return _blocked(spoken)
    candidates = [_candidate(spoken, i, reply) for i, reply in enumerate(spoken.replies)]
    return {"candidates": candidates, **_tail(spoken, None)}


def parts(spoken: Spoken) -> Iterator[Object]:
    """The parts of a streamed answer in order; each is a whole response object."""
    if spoken.replies[0].finish == "refusal":
        yield _blocked(spoken)
        return
    said = 0
    for index, reply in enumerate(spoken.replies):
        portions = list(_portions(spoken, index, reply))
        for at, (portion, tokens) in enumerate(portions):
            said += tokens
            last = at == len(portions) - 1
            candidate: Object = {"content": {"parts": portion, "role": "model"}}
            if last:
                candidate["finishReason"] = FINISH[reply.finish]
            candidate["index"] = index
            final = last and index == len(spoken.replies) - 1
            yield {"candidates": [candidate], **_tail(spoken, None if final else said)}


def _candidate(spoken: Spoken, index: int, reply: Reply) -> Object:
    content: Object = {"role": "model"}
    made: list[Object] = []
    if reply.reasoning and spoken.asked.shows_thoughts:
        made.append({"text": reply.reasoning_text, "thought": True})
    if reply.pieces:
        made.append({"text": reply.text})
    made += _calls(spoken, index, reply)
    if made:
        # An answer cut off while thinking has no parts at all.
        content["parts"] = made
    return {"content": content, "finishReason": FINISH[reply.finish], "index": index}


def _portions(spoken: Spoken, index: int, reply: Reply) -> Iterator[tuple[list[Object], int]]:
    """The parts of each streamed chunk, with the visible tokens that they add."""
    shown = False
    if reply.reasoning and spoken.asked.shows_thoughts:
        for text in grouped(reply.reasoning, TOKENS_PER_PART):
            shown = True
            yield [{"text": text, "thought": True}], 0
    for at, text in enumerate(grouped(reply.pieces, TOKENS_PER_PART)):
        shown = True
        yield [{"text": text}], len(reply.pieces[at * TOKENS_PER_PART :][:TOKENS_PER_PART])
    calls = _calls(spoken, index, reply)
    if calls:
        yield calls, reply.call_tokens
    elif not shown:
        yield [{"text": ""}], 0


def _calls(spoken: Spoken, index: int, reply: Reply) -> list[Object]:
    made: list[Object] = []
    for i, call in enumerate(reply.calls):
        arguments = msgspec.Raw(call.arguments.encode())
        function: Object = {"name": call.name, "args": arguments}
        if "gemini-3" in spoken.served:
            function["id"] = spoken.exchange.mint("", index * 16 + i, digits=8)
        part: Object = {"functionCall": function}
        if i == 0 and reply.reasoning:
            # Only the first of parallel calls is sealed.
            part["thoughtSignature"] = spoken.exchange.mint("EpgBCpUBAQw5", digits=64)
        made.append(part)
    return made


def _blocked(spoken: Spoken) -> Object:
    prompt = spoken.replies[0].input_tokens
    return {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {
            "promptTokenCount": prompt,
            "totalTokenCount": prompt,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        },
        "modelVersion": spoken.served,
        "responseId": spoken.exchange.mint("", digits=22),
    }


def _tail(spoken: Spoken, said: int | None) -> Object:
    return {
        "usageMetadata": _usage(spoken, said),
        "modelVersion": spoken.served,
        "responseId": spoken.exchange.mint("", digits=22),
    }


def _usage(spoken: Spoken, said: int | None) -> Object:
    """The tokens of the whole answer, or of what was said so far."""
    prompt = spoken.replies[0].input_tokens
    thoughts = sum(reply.reasoning_tokens for reply in spoken.replies)
    visible = sum(reply.output_tokens for reply in spoken.replies) - thoughts
    if said is not None:
        visible = said
    images = _image_tokens(spoken)
    details = [{"modality": "TEXT", "tokenCount": prompt - images}]
    if images:
        details.append({"modality": "IMAGE", "tokenCount": images})
    counted: Object = {"promptTokenCount": prompt}
    if visible:
        counted["candidatesTokenCount"] = visible
    counted["totalTokenCount"] = prompt + visible + thoughts
    counted["promptTokensDetails"] = details
    if cached(prompt):
        counted["cachedContentTokenCount"] = cached(prompt)
        counted["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached(prompt)}]
    if thoughts:
        counted["thoughtsTokenCount"] = thoughts
    return counted


def _image_tokens(spoken: Spoken) -> int:
    said = [part for content in spoken.asked.contents or [] for part in content.parts]
    images = sum(part.inline_data is not None or part.file_data is not None for part in said)
    return images * IMAGE_TOKENS
