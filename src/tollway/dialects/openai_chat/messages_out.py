"""Writes the neutral messages as Chat messages.

Rules of this file:
- Thinking of the history is written for a caller who speaks Chat itself, and for a provider that wants it
  back (`Provider.thinking_member`); else it is left out and reported, since servers of this API refuse
  fields they do not know in a message.
- A tool result is text in this API. Pictures and files in one go into a user message right after the
  run of tool messages, under a line that names the call.
- Consecutive assistant messages of other dialects become one, since a tool message must follow the
  assistant message that holds its call.
"""

from collections.abc import Iterable

import msgspec

from tollway.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Losses,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.carrying import messages_name, refuse_content
from tollway.dialects.field_names import field_name
from tollway.dialects.openai_chat.content import (
    NAME,
    document_part,
    extra_content,
    file_object,
    image_object,
    reasoning_details,
    reasoning_words,
)
from tollway.dialects.openai_chat.tools import LEGACY, tool_call_object
from tollway.interfaces.provider import Provider


class MessageWriter:
    """Writes one request's messages."""

    def __init__(self, request: Conversation, losses: Losses, provider: Provider) -> None:
        """Prepare."""
        lacks = provider.unsupported
        self._provider = provider
        self._request = request
        self._losses = losses
        self._own = request.dialect == NAME
        self._developer = "system" if "developer" in lacks else "developer"
        self._signs = "extra_content" not in lacks
        self._refuses = "refusal" not in lacks
        self._out: list[JsonObject] = []
        self._media: list[JsonObject] = []

    def write(self) -> list[JsonObject]:
        """Write them all."""
        for message in self._request.messages:
            self._message(message)
        self._flush_media()
        return self._out

    def _message(self, message: Message) -> None:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._tool_result(part, message)
            else:
                parts.append(part)
        if message.role == "tool" and not parts:
            return
        self._flush_media()
        if message.role == "assistant":
            self._assistant(message, parts)
            return
        role = self._developer if message.role == "developer" else "user" if message.role == "tool" else message.role
        content = self._content(parts)
        if content is not None:
            self._append({"role": role, "content": content}, message)

    def _append(self, written: JsonObject, message: Message) -> None:
        if message.name is not None:
            written["name"] = message.name
        if self._own:
            written |= message.rest
        else:
            self._drop_rest(message.rest)
        self._out.append(written)

    def _drop_rest(self, rest: Iterable[str]) -> None:
        place = messages_name(self._request.dialect)
        for name in rest:
            self._losses.drop(f"{place}.{name}")

    # --- the parts of one message

    def _content(self, parts: list[Part]) -> str | list[JsonObject] | None:
        """Give content: a string where there is nothing but one plain text; None where nothing is left."""
        written = [one for part in parts if (one := self._part(part)) is not None]
        if len(written) == 1 and written[0].keys() == {"type", "text"}:
            return written[0]["text"]
        return written or ("" if not parts else None)

    def _part(self, part: Part) -> JsonObject | None:
        match part:
            case Text():
                return self._extended({"type": "text", "text": part.text}, part.cache, part.rest)
            case Image():
                if part.file_id is not None:
                    refuse_content(self._request, "a picture by file id cannot be sent to this provider")
                return self._extended({"type": "image_url", "image_url": image_object(part)}, part.cache, part.rest)
            case Audio():
                sound: Json = part.data if self._provider.bare_audio else {"data": part.data, "format": part.format}
                return self._extended({"type": "input_audio", "input_audio": sound}, None, part.rest)
            case File():
                return self._file(part)
            case Refusal():
                return {"type": "refusal", "refusal": part.text}
            case Opaque():
                if part.dialect == NAME:
                    return part.value
                self._losses.drop(f"content[{part.value.get('type', 'unknown')}]")
                return None
            case Reasoning():
                self._losses.drop(field_name(self._request.dialect, "thinking"))
                return None
            case ToolCall() | ToolResult():
                return None

    def _file(self, part: File) -> JsonObject:
        if part.plain is not None:
            words = f"{part.filename}:\n{part.plain}" if part.filename else part.plain
            return self._extended({"type": "text", "text": words}, part.cache, {})
        if not self._own and part.file_id is not None:
            refuse_content(self._request, "a document by file id cannot be sent to this provider")
        by_address = self._provider.file_part == "document_url"
        if not self._own and part.url is not None and not by_address:
            refuse_content(self._request, "a document by address cannot be sent to this provider; send its content")
        if by_address:
            return self._extended(document_part(part), part.cache, part.rest)
        return self._extended({"type": "file", "file": file_object(part)}, part.cache, part.rest)

    def _extended(self, written: JsonObject, cache: JsonObject | None, rest: JsonObject) -> JsonObject:
        """Add what only this API's own callers may say in a part."""
        if self._own:
            written |= rest
            if cache is not None:
                written["cache_control"] = cache
        else:
            if cache is not None:
                self._losses.drop("cache_control")
            self._drop_rest(rest)
        return written

    # --- assistant

    def _assistant(self, message: Message, parts: list[Part]) -> None:
        written = self._assistant_object(parts)
        previous = self._out[-1] if self._out else None
        if not self._own and previous is not None and previous["role"] == "assistant":
            self._drop_rest(message.rest)
            _merge(previous, written)
            return
        self._append(written, message)

    def _assistant_object(self, parts: list[Part]) -> JsonObject:
        written: JsonObject = {"role": "assistant"}
        thoughts = tuple(part for part in parts if isinstance(part, Reasoning))
        if thoughts and self._own:
            written |= _thinking(thoughts)
        elif thoughts:
            self._think_back(written, thoughts)
        if not self._refuses:
            parts = [Text(part.text) if isinstance(part, Refusal) else part for part in parts]
        said: list[Part] = [part for part in parts if not isinstance(part, Reasoning | ToolCall | Refusal)]
        calls = [part for part in parts if isinstance(part, ToolCall)]
        refusals = [part.text for part in parts if isinstance(part, Refusal)]
        only_signature = all(isinstance(part, Text) and not part.text and part.signature for part in said)
        content = None if only_signature else self._content(said)
        written["content"] = content if content is not None or calls or refusals else ""
        if refusals:
            written["refusal"] = "".join(refusals)
        signature = next((part.signature for part in said if isinstance(part, Text) and part.signature), None)
        if signature is not None and self._may_sign():
            written["extra_content"] = extra_content(signature)
        if any(LEGACY in call.rest for call in calls):
            written["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments or "{}"}
        elif calls:
            written["tool_calls"] = [self._call(call) for call in calls]
        return written

    def _think_back(self, written: JsonObject, thoughts: tuple[Reasoning, ...]) -> None:
        """Give a provider the earlier thinking it wants back; proofs of other providers are not for it."""
        words = reasoning_words(thoughts)
        member = self._provider.thinking_member
        if member and words:
            written[member] = words
        else:
            self._losses.drop(field_name(self._request.dialect, "thinking"))

    def _call(self, call: ToolCall) -> JsonObject:
        if call.cache is not None and not self._own:
            self._losses.drop("cache_control")
        if call.signature is not None and not self._may_sign():
            call = msgspec.structs.replace(call, signature=None)
        return tool_call_object(call) | (call.rest if self._own else {})

    def _may_sign(self) -> bool:
        if not self._signs:
            self._losses.drop(field_name(self._request.dialect, "thinking"))
        return self._signs

    # --- tool results

    def _tool_result(self, result: ToolResult, message: Message) -> None:
        texts = [part for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if not isinstance(part, Text)]
        if result.is_error:
            self._losses.drop("tool_result.is_error")
        if result.cache is not None:
            self._losses.drop("cache_control")
        content = self._content(list(texts))
        written: JsonObject = {"role": "tool", "tool_call_id": result.call_id, "content": content}
        if LEGACY in result.rest:
            written = {"role": "function", "name": result.name, "content": content}
        elif self._own and result.name is not None:
            written["name"] = result.name
        if self._own:
            written |= message.rest
        self._out.append(written)
        shown = [one for part in media if (one := self._part(part)) is not None]
        if shown:
            self._media += [{"type": "text", "text": f"Output of tool call {result.call_id}:"}, *shown]

    def _flush_media(self) -> None:
        if self._media:
            self._out.append({"role": "user", "content": self._media})
            self._media = []


def _thinking(thoughts: tuple[Reasoning, ...]) -> JsonObject:
    written: JsonObject = {}
    words = reasoning_words(thoughts)
    if words:
        written["reasoning_content"] = words
    details: list[JsonObject] = []
    for thought in thoughts:
        details += reasoning_details(thought, len(details))
    if details:
        written["reasoning_details"] = details
    return written


def _merge(first: JsonObject, second: JsonObject) -> None:
    """Continue an assistant message with the next one."""
    first["content"] = _joined(first.get("content"), second.get("content"))
    calls = [*first.get("tool_calls", []), *second.get("tool_calls", [])]
    if calls:
        first["tool_calls"] = calls
        first["content"] = first["content"] or None
    for name in ("refusal", "extra_content"):
        if name in second:
            first[name] = second[name]


def _joined(first: Json, second: Json) -> Json:
    if not first or not second:
        return first or second
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Json) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
