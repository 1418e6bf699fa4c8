"""What callers of each dialect call the neutral fields, for errors and the dropped-fields header."""

from collections.abc import Mapping
from typing import Final

from tollway.core.conversation import Conversation, DialectName, Opaque, Tool

_CHAT: Final = {
    "count": "n",
    "max_output_tokens": "max_completion_tokens",
    "output": "response_format",
    "reasoning": "reasoning_effort",
    "thinking": "messages.reasoning",
    "tool_strict": "tools.function.strict",
}
_RESPONSES: Final = {
    "output": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "include",
    "thinking": "input.reasoning",
    "tool_strict": "tools.strict",
}
_ANTHROPIC: Final = {
    "max_output_tokens": "max_tokens",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "output": "output_config.format",
    "reasoning": "thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "thinking": "messages.thinking",
    "cache": "cache_control",
    "tool_strict": "tools.strict",
}
_GEMINI: Final = {
    "max_output_tokens": "generationConfig.maxOutputTokens",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "presence_penalty": "generationConfig.presencePenalty",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "seed": "generationConfig.seed",
    "stop": "generationConfig.stopSequences",
    "count": "generationConfig.candidateCount",
    "output": "generationConfig.responseMimeType",
    "reasoning": "generationConfig.thinkingConfig",
    "modalities": "generationConfig.responseModalities",
    "logprobs": "generationConfig.responseLogprobs",
    "top_logprobs": "generationConfig.logprobs",
    "tool_choice": "toolConfig",
    "thinking": "contents.parts.thought",
    "service_tier": "serviceTier",
}
_NAMES: Final[Mapping[DialectName, Mapping[str, str]]] = {
    "openai-chat": _CHAT,
    "openai-responses": _RESPONSES,
    "anthropic-messages": _ANTHROPIC,
    "gemini": _GEMINI,
}


def field_name(dialect: DialectName, field: str) -> str:
    """Give the caller's own name of a neutral field."""
    return _NAMES[dialect].get(field, field)


def part_type(part: Opaque) -> str:
    """Name a part of one dialect for the dropped-fields header: `content[server_tool_use]`.

    Some dialects name a part by its `type`, others by its only member.
    """
    kind = part.value.get("type", next(iter(part.value), "unknown"))
    return f"content[{kind}]"


def tool_type(tool: Tool) -> str:
    """Name a built-in tool for the dropped-fields header: `tools[web_search]`."""
    if tool.builtin is None:
        return f"tools[{tool.name}]"
    kind = tool.builtin.value.get("type")
    return f"tools[{kind if isinstance(kind, str) else tool.name}]"


def unset(request: Conversation, field: str) -> bool:
    """Tell whether the caller left a neutral field out."""
    value: object = getattr(request, field)
    return value is None or value in ((), {})
