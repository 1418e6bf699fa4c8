"""Writes the neutral messages as Ollama's.

Rules of this file:
- A message holds one text: a second one begins another message of the same role, which the server puts
  together again. Pictures go with the text before them.
- Plain text files are texts. Other files, sound, and pictures that are not inline are refused: leaving
  out what the user showed would change the question.
- A result names its tool; the pictures in it follow in a user message.
"""

from collections.abc import Sequence
from typing import Final

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
from tollway.core.json_value import JsonObject
from tollway.dialects.carrying import messages_name, refuse_content
from tollway.dialects.data_url import plain_text, split_data_url
from tollway.dialects.field_names import field_name, part_type
from tollway.dialects.json_forms import arguments_object
from tollway.dialects.ollama_chat.content import NAME, call_object

_ROLES: Final = {"developer": "system", "tool": "user"}


class MessageWriter:
    """Writes the messages of one request."""

    __slots__ = ("_losses", "_media", "_names", "_out", "_own", "_request")

    def __init__(self, request: Conversation, losses: Losses) -> None:
        """Start with nothing written."""
        self._request = request
        self._own = request.dialect == NAME
        self._losses = losses
        self._out: list[JsonObject] = []
        self._media: list[Part] = []
        self._names: dict[str, str] = {}
        """Call id → tool."""

    def write(self) -> list[JsonObject]:
        """Write all messages."""
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
        if message.name is not None:
            self._losses.drop("messages.name")
        written = self._turn(_ROLES.get(message.role, message.role), parts)
        if self._own:
            written[-1] |= message.rest
        else:
            self._drop_rest(message.rest)
        self._out += written

    def _turn(self, role: str, parts: Sequence[Part]) -> list[JsonObject]:
        """Write one turn: one message for each text in it; none where nothing is left of it."""
        found: list[JsonObject] = [{"role": role, "content": ""}]
        calls: list[JsonObject] = []
        for part in parts:
            if isinstance(part, ToolCall):
                calls.append(self._call(part))
                continue
            if isinstance(part, Image):
                self._note(part.cache, part.rest)
                found[-1].setdefault("images", []).append(self._picture(part))
                continue
            if isinstance(part, Reasoning):
                self._thinking(part, found[-1])
                continue
            words = self._words(part)
            if not words:
                continue
            if found[-1]["content"]:
                found.append({"role": role, "content": words})
            else:
                found[-1]["content"] = words
        if calls:
            found[-1]["tool_calls"] = calls
        empty = len(found) == 1 and found[0] == {"role": role, "content": ""}
        return [] if empty and parts and not self._own else found

    def _words(self, part: Part) -> str:
        match part:
            case Text():
                self._note(part.cache, part.rest)
                self._note_proof(part.signature)
                return part.text
            case Refusal():
                return part.text
            case File():
                return self._file(part)
            case Audio():
                refuse_content(self._request, "this provider takes no sound; send words or pictures")
            case Opaque():
                self._losses.drop(part_type(part))
            case _:
                pass  # written by the turn itself
        return ""

    def _file(self, part: File) -> str:
        self._note(part.cache, {})
        words = part.plain if part.plain is not None else plain_text(part.media_type, part.data, part.url)
        if words is None:
            refuse_content(
                self._request,
                "of documents this provider takes plain text, inline; send the words, or choose another model",
            )
        return f"{part.filename}:\n{words}" if part.filename else words

    def _picture(self, part: Image) -> str:
        if part.data is not None:
            return part.data
        inline = split_data_url(part.url)
        if inline is None:
            refuse_content(self._request, "this provider takes pictures inline; send base64, not an address or an id")
        return inline[1]

    def _thinking(self, part: Reasoning, message: JsonObject) -> None:
        if self._own:
            message["thinking"] = part.text
        elif part.text or part.summary or part.encrypted:
            self._losses.drop(field_name(self._request.dialect, "thinking"))

    def _call(self, part: ToolCall) -> JsonObject:
        self._names[part.id] = part.name
        if part.cache is not None:
            self._losses.drop("cache_control")
        self._note_proof(part.signature)
        written = call_object(part, arguments_object(part.arguments))
        if self._own:
            written["function"] |= part.rest.get("function", {})
            written |= {name: value for name, value in part.rest.items() if name != "function"}
        return written

    def _note(self, cache: JsonObject | None, rest: JsonObject) -> None:
        """Report what a part says beyond its content."""
        if cache is not None:
            self._losses.drop("cache_control")
        if not self._own:
            self._drop_rest(rest)

    def _note_proof(self, signature: str | None) -> None:
        if signature is not None:
            self._losses.drop(field_name(self._request.dialect, "thinking"))

    def _drop_rest(self, rest: JsonObject) -> None:
        place = messages_name(self._request.dialect)
        for name in rest:
            self._losses.drop(f"{place}.{name}")

    # --- tool results

    def _tool_result(self, result: ToolResult, message: Message) -> None:
        if result.is_error:
            self._losses.drop("tool_result.is_error")
        if result.cache is not None:
            self._losses.drop("cache_control")
        media = [] if self._own else [part for part in result.parts if isinstance(part, Image)]
        written: JsonObject = {
            "role": "tool",
            "content": "".join(self._words(part) for part in result.parts if not isinstance(part, Image)),
        }
        if self._own and (shown := [self._picture(part) for part in result.parts if isinstance(part, Image)]):
            written["images"] = shown
        name = result.name if self._own else result.name or self._names.get(result.call_id)
        if name is not None:
            written["tool_name"] = name
        written["tool_call_id"] = result.call_id
        if self._own:
            written |= message.rest
        self._out.append(written)
        if media:
            self._media += [Text(f"Output of tool call {result.call_id}:"), *media]

    def _flush_media(self) -> None:
        media, self._media = self._media, []
        if media:
            self._out += self._turn("user", media)
