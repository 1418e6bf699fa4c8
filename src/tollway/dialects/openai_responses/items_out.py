"""Writes neutral messages as Responses input items.

Rules of this file:
- Thinking goes to a provider of this API only when such a provider wrote it: it has an item id of
  theirs (`rs_…`), or a caller of this API sent it and it is none that we packed. Any other is left out and reported.
- Tool results may hold pictures and files here, so nothing of them is lost.
"""

from collections.abc import Iterable

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
from tollway.dialects.data_url import data_url
from tollway.dialects.field_names import field_name
from tollway.dialects.openai_responses.tools import NAME


class ItemWriter:
    """Writes one request's items."""

    def __init__(self, request: Conversation, losses: Losses) -> None:
        """Prepare."""
        self._request = request
        self._losses = losses
        self._own = request.dialect == NAME
        self._out: list[JsonObject] = []
        self._custom_calls = {
            part.id
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolCall) and part.custom
        }

    def write(self, messages: Iterable[Message]) -> list[JsonObject]:
        """Write them all."""
        for message in messages:
            if message.name is not None:
                self._losses.drop("messages.name")
            if message.role == "assistant":
                self._assistant(message)
            else:
                self._others(message)
        return self._out

    # --- users, systems, tools

    def _others(self, message: Message) -> None:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._result(part, message)
            elif isinstance(part, Opaque) and message.role == "tool":
                self._opaque_item(part)
            else:
                parts.append(part)
        if message.role == "tool" and not parts:
            return
        role = "user" if message.role == "tool" else message.role
        content = self._content(parts)
        if content is not None:
            item: JsonObject = {"type": "message", "role": role, "content": content}
            self._out.append(self._extended(item, message.id, message.rest))

    def _result(self, result: ToolResult, message: Message) -> None:
        if result.is_error:
            self._losses.drop("tool_result.is_error")
        if result.cache is not None:
            self._losses.drop("cache_control")
        custom = result.custom or result.call_id in self._custom_calls
        kind = "custom_tool_call_output" if custom else "function_call_output"
        output = self._content(list(result.parts))
        item: JsonObject = {"type": kind, "call_id": result.call_id, "output": "" if output is None else output}
        self._out.append(self._extended(item, message.id, message.rest))

    def _extended(self, item: JsonObject, identity: str | None, rest: JsonObject) -> JsonObject:
        if not self._own:
            for name in rest:
                self._losses.drop(f"{messages_name(self._request.dialect)}.{name}")
            return item
        return item | ({} if identity is None else {"id": identity}) | rest

    def _content(self, parts: list[Part]) -> Json:
        if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].cache and not parts[0].rest:
            return parts[0].text
        written = [one for part in parts if (one := self._part(part)) is not None]
        return written or ("" if not parts else None)

    def _part(self, part: Part) -> JsonObject | None:
        match part:
            case Text():
                self._drop_mark(part.cache)
                return {"type": "input_text", "text": part.text, **(part.rest if self._own else {})}
            case Image():
                self._drop_mark(part.cache)
                return self._image(part)
            case Audio():
                return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
            case File():
                self._drop_mark(part.cache)
                return self._file(part)
            case Refusal():
                return {"type": "input_text", "text": part.text}
            case Opaque():
                if part.dialect == NAME:
                    return part.value
                self._losses.drop(f"content[{part.value.get('type', 'unknown')}]")
                return None
            case Reasoning() | ToolCall() | ToolResult():
                return None

    def _drop_mark(self, cache: JsonObject | None) -> None:
        if cache is not None:
            self._losses.drop("cache_control")

    def _image(self, part: Image) -> JsonObject:
        written: JsonObject = {"type": "input_image", "detail": part.detail or "auto"}
        if part.file_id is not None:
            if not self._own:
                refuse_content(self._request, "a picture by file id cannot be sent to this provider")
            written["file_id"] = part.file_id
        else:
            inline = data_url(part.media_type or "image/png", part.data or "")
            written["image_url"] = part.url if part.url is not None else inline
        return written | (part.rest if self._own else {})

    def _file(self, part: File) -> JsonObject:
        if part.plain is not None:
            words = f"{part.filename}:\n{part.plain}" if part.filename else part.plain
            return {"type": "input_text", "text": words}
        written: JsonObject = {"type": "input_file"}
        if part.file_id is not None:
            if not self._own and self._request.dialect != "openai-chat":  # the same file store
                refuse_content(self._request, "a document by file id cannot be sent to this provider")
            written["file_id"] = part.file_id
        elif part.url is not None:
            written["file_url"] = part.url
        else:
            raw = part.media_type is None and self._own
            written["filename"] = part.filename or "document"
            data = part.data or ""
            written["file_data"] = data if raw else data_url(part.media_type or "application/pdf", data)
        if part.filename is not None:
            written["filename"] = part.filename
        return written | (part.rest if self._own else {})

    # --- assistant

    def _assistant(self, message: Message) -> None:
        said: list[Part] = []
        identity = message.id
        for part in message.parts:
            if isinstance(part, Text | Refusal):
                said.append(part)
                continue
            if said:
                self._said(said, message, identity)
                said, identity = [], None
            if isinstance(part, ToolCall):
                self._call(part)
            elif isinstance(part, Reasoning):
                self._reasoning(part)
            elif isinstance(part, Opaque):
                self._opaque_item(part)
            else:
                self._losses.drop(f"content[{type(part).__name__.lower()}]")
        if said or not message.parts:
            self._said(said, message, identity)

    def _said(self, parts: list[Part], message: Message, identity: str | None) -> None:
        if identity is None and len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].annotations:
            content: Json = parts[0].text
        else:
            content = [self._said_part(part) for part in parts]
        item: JsonObject = {"type": "message", "role": "assistant", "content": content}
        if self._own and identity is not None:
            item["status"] = "completed"
        self._out.append(self._extended(item, identity, message.rest))

    def _said_part(self, part: Part) -> JsonObject:
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        if not isinstance(part, Text):
            return {"type": "output_text", "text": "", "annotations": []}
        self._drop_mark(part.cache)
        annotations = list(part.annotations) if self._own else []
        return {
            "type": "output_text",
            "text": part.text,
            "annotations": annotations,
            **(part.rest if self._own else {}),
        }

    def _call(self, call: ToolCall) -> None:
        self._drop_mark(call.cache)
        if call.custom:
            item: JsonObject = {
                "type": "custom_tool_call",
                "call_id": call.id,
                "name": call.name,
                "input": call.arguments,
            }
        else:
            arguments = call.arguments or "{}"
            item = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}
        if self._own:
            if call.signature is not None:
                self._losses.drop(field_name(self._request.dialect, "thinking"))
            item |= {} if call.item_id is None else {"id": call.item_id}
            item |= call.rest
        self._out.append(item)

    def _reasoning(self, part: Reasoning) -> None:
        theirs = part.id is not None and part.id.startswith("rs_")
        if part.carried or (not theirs and not self._own):
            self._losses.drop(field_name(self._request.dialect, "thinking"))
            return
        item: JsonObject = {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text} for text in part.summary],
        }
        if part.id is not None:
            item["id"] = part.id
        if part.text:
            item["content"] = [{"type": "reasoning_text", "text": part.text}]
        if part.encrypted is not None:
            item["encrypted_content"] = part.encrypted
        self._out.append(item | (part.rest if self._own else {}))

    def _opaque_item(self, part: Opaque) -> None:
        if part.dialect == NAME:
            self._out.append(part.value)
        else:
            self._losses.drop(f"content[{part.value.get('type', 'unknown')}]")
