"""Ollama's whole answers, both directions.

What an answer holds that this API has no member for: pictures become Markdown with a data URL, sound its
transcript, refusals text.
"""

from typing import Final

import msgspec

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import (
    Audio,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import JsonObject
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_text, decode_answer
from tollway.dialects.data_url import picture_markdown
from tollway.dialects.json_forms import arguments_object
from tollway.dialects.ollama_chat.content import call_object
from tollway.dialects.ollama_chat.lines import (
    LineWriter,
    Words,
    done_reason,
    native_finish,
    neutral_finish,
    seconds_of,
    time_of,
)
from tollway.dialects.ollama_chat.usage import read_usage, render_usage, usage_rest

_KNOWN: Final = frozenset(
    {
        "model",
        "created_at",
        "message",
        "response",
        "thinking",
        "logprobs",
        "done",
        "done_reason",
        "total_duration",
        "load_duration",
        "prompt_eval_count",
        "prompt_eval_duration",
        "eval_count",
        "eval_duration",
    }
)


def parse_answer(body: bytes, dialect: str) -> Answer:
    """Read a provider's whole answer.

    Raises:
        UpstreamGarbled: it is not what the API promises.
        UpstreamAnswered: it is an error, sent as a success.
    """
    line = decode_answer(body, "answer")
    if "message" not in line and "response" not in line:
        raise openai_errors.error_in_answer(line) or UpstreamGarbled("the provider's answer has no words in it")
    words = Words(line)
    parts: list[Part] = []
    if words.thinking:
        parts.append(Reasoning(words.thinking))
    if words.text:
        parts.append(Text(words.text))
    parts += words.calls
    choice = Choice(
        index=0,
        parts=tuple(parts),
        finish=neutral_finish(line, called=bool(words.calls)),
        native_finish=native_finish(line),
        logprobs=words.logprobs or None,
    )
    return Answer(
        id="",
        model=as_text(line.get("model")),
        created=seconds_of(line),
        choices=(choice,),
        usage=read_usage(line),
        usage_rest=usage_rest(line),
        rest={name: value for name, value in line.items() if name not in _KNOWN and value is not None},
        dialect=dialect,
    )


def render_answer(answer: Answer, model: str, write: LineWriter, *, now: int, dialect: str) -> bytes:
    """Write a whole answer: the first choice, for the API knows one."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    thinking, texts, calls = "", "", list[JsonObject]()
    for part in choice.parts:
        if isinstance(part, Reasoning):
            thinking += part.text or "\n\n".join(part.summary)
        elif isinstance(part, ToolCall):
            calls.append(call_object(part, arguments_object(part.arguments)))
        else:
            texts += _words(part)
    line: JsonObject = {"model": answer.model or model, "created_at": time_of(answer.created or now)}
    line |= write(thinking, texts, calls)
    line |= {"done": True, "done_reason": done_reason(choice.finish)}
    line |= render_usage(answer.usage)
    if choice.logprobs:
        line["logprobs"] = choice.logprobs
    if answer.dialect == dialect:
        line |= answer.usage_rest | answer.rest
    return msgspec.json.encode(line)


def _words(part: Part) -> str:
    match part:
        case Text() | Refusal():
            return part.text
        case Image():
            return picture_markdown(part.url, part.media_type, part.data)
        case Audio():
            return as_text(part.rest.get("transcript"))
        case Opaque() | File() | Reasoning() | ToolCall() | ToolResult():
            return ""  # other APIs' own, or written by the answer itself
