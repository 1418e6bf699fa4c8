"""The lines of Ollama's answers: a whole answer is one, a stream is many.

Rules of this file:
- A chat says its words in `message`, a lone prompt's answer in `response`; all else is alike, so both
  are read and written here.
- Tool calls come whole. One without an id gets one made from the time of its line, so that those of
  several answers differ.
- A stop is a stop, tools called or not; the neutral form tells the two apart.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from tollway.core.answer import FinishReason
from tollway.core.conversation import ToolCall
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_text
from tollway.dialects.json_forms import json_text

_FINISH: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}


class Words:
    """What one line says."""

    __slots__ = ("calls", "logprobs", "text", "thinking")

    def __init__(self, line: Mapping[str, Json], calls_before: int = 0) -> None:
        """Read a line; `calls_before` calls came in lines before it."""
        message = as_object(line.get("message")) or {"content": line.get("response"), "thinking": line.get("thinking")}
        self.thinking = as_text(message.get("thinking"))
        self.text = as_text(message.get("content"))
        self.logprobs = as_list(line.get("logprobs"))
        stamp = "".join(filter(str.isdigit, as_text(line.get("created_at"))))
        self.calls = [
            _call(as_object(call), f"call_{stamp}_{calls_before + number}")
            for number, call in enumerate(as_list(message.get("tool_calls")))
        ]


def _call(value: JsonObject, fallback_id: str) -> ToolCall:
    function = as_object(value.get("function"))
    arguments = function.get("arguments")
    return ToolCall(
        as_text(value.get("id")) or fallback_id,
        as_text(function.get("name")),
        arguments if isinstance(arguments, str) else json_text(as_object(arguments)),
    )


LineWriter: TypeAlias = Callable[[str, str, list[JsonObject]], JsonObject]
"""Writes thinking, words and tool calls as members of a line."""


def chat_words(thinking: str, text: str, calls: list[JsonObject]) -> JsonObject:
    """Write what a chat's line says."""
    message: JsonObject = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def prompt_words(thinking: str, text: str, calls: list[JsonObject]) -> JsonObject:
    """Write what a line of a lone prompt's answer says; tools cannot have been offered."""
    del calls
    return {"response": text, "thinking": thinking} if thinking else {"response": text}


def seconds_of(line: Mapping[str, Json]) -> int:
    """Read when a line was made; 0 where it does not say."""
    try:
        return max(int(datetime.fromisoformat(as_text(line.get("created_at"))).timestamp()), 0)
    except (ValueError, OverflowError):
        return 0


def time_of(seconds: int) -> str:
    """Write a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def neutral_finish(line: Mapping[str, Json], *, called: bool) -> FinishReason:
    """Read why the model stopped."""
    reason = as_text(line.get("done_reason")) or "stop"
    return "tool_calls" if called and reason == "stop" else _FINISH.get(reason, "other")


def native_finish(line: Mapping[str, Json]) -> str | None:
    """Keep the server's word where the neutral one does not say the same (`load`, `unload`)."""
    reason = as_text(line.get("done_reason"))
    return reason if reason and reason not in _FINISH else None


def done_reason(finish: FinishReason | None) -> str:
    """Write why the model stopped."""
    return "length" if finish == "length" else "stop"
