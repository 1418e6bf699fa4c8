"""Writes the neutral messages as Cohere's.

Rules of this file:
- Words beside tool calls are the `tool_plan`, which is where the model itself puts them; more than one
  piece of them is content.
- Plain text files are documents of the request, wherever they stood. Other files and sound are refused:
  leaving out what the user showed would change the question.
- Pictures in a tool's result follow in a user message: the API takes words and documents there.
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
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.carrying import messages_name, refuse_content
from tollway.dialects.cohere_chat.content import (
    DOCUMENT,
    NAME,
    PLAN,
    call_object,
    document_object,
    image_block,
    merged,
    own_citations,
)
from tollway.dialects.data_url import plain_text
from tollway.dialects.field_names import field_name, part_type

_ROLES: Final = {"developer": "system", "tool": "user"}


class MessageWriter:
    """Writes the messages of one request, and gathers its documents."""

    __slots__ = ("_losses", "_media", "_out", "_own", "_request", "documents")

    def __init__(self, request: Conversation, losses: Losses) -> None:
        """Start with nothing written."""
        self._request = request
        self._own = request.dialect == NAME
        self._losses = losses
        self._out: list[JsonObject] = []
        self._media: list[JsonObject] = []
        self.documents: list[Json] = []

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
        if message.role == "assistant":
            self._assistant(message, parts)
            return
        content = self._content(parts)
        if content or self._own:
            self._append({"role": _ROLES.get(message.role, message.role), "content": content}, message)

    def _append(self, written: JsonObject, message: Message) -> None:
        if message.name is not None:
            self._losses.drop("messages.name")
        if self._own:
            written |= message.rest
        else:
            self._drop_rest(message.rest)
        self._out.append(written)

    def _drop_rest(self, rest: JsonObject) -> None:
        place = messages_name(self._request.dialect)
        for name in rest:
            self._losses.drop(f"{place}.{name}")

    def _content(self, parts: Sequence[Part]) -> str | list[JsonObject]:
        """Give content: a string where there is nothing but one plain text."""
        written = [block for part in parts if (block := self._block(part)) is not None]
        if len(written) == 1 and written[0].keys() == {"type", "text"}:
            return written[0]["text"]
        return written or ""

    def _block(self, part: Part) -> JsonObject | None:
        if isinstance(part, Audio):
            refuse_content(self._request, "this provider takes no sound; send words or pictures")
        match part:
            case Text():
                return self._text(part)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text else None
            case Reasoning():
                return self._thinking(part)
            case Image():
                if part.file_id is not None:
                    refuse_content(self._request, "a picture by file id cannot be sent to this provider")
                self._note_cache(part.cache)
                return self._extended(image_block(part), part.rest)
            case File():
                self._file(part)
                return None
            case Opaque():
                if part.dialect == NAME:
                    return part.value
                self._losses.drop(part_type(part))
                return None
            case ToolCall() | ToolResult():
                return None

    def _text(self, part: Text) -> JsonObject | None:
        if self._own and DOCUMENT in part.origin:
            return part.origin[DOCUMENT]
        if part.signature is not None:
            self._losses.drop(field_name(self._request.dialect, "thinking"))
        if not part.text and not self._own:
            return None
        self._note_cache(part.cache)
        return self._extended({"type": "text", "text": part.text}, part.rest)

    def _thinking(self, part: Reasoning) -> JsonObject | None:
        if self._own:
            return {"type": "thinking", "thinking": part.text} | part.rest
        if part.text or part.summary or part.encrypted:
            self._losses.drop(field_name(self._request.dialect, "thinking"))
        return None

    def _extended(self, written: JsonObject, rest: JsonObject) -> JsonObject:
        if self._own:
            return merged(written, rest)
        self._drop_rest(rest)
        return written

    def _note_cache(self, cache: JsonObject | None) -> None:
        if cache is not None:
            self._losses.drop("cache_control")

    def _file(self, part: File) -> None:
        if self._own and DOCUMENT in part.origin:
            self.documents.append(part.origin[DOCUMENT])
            return
        self._note_cache(part.cache)
        words = part.plain if part.plain is not None else plain_text(part.media_type, part.data, part.url)
        if words is None:
            refuse_content(
                self._request,
                "of documents this provider takes plain text, inline; send the words, or choose another model",
            )
        self.documents.append(document_object(words, part.filename))

    # --- assistant

    def _assistant(self, message: Message, parts: Sequence[Part]) -> None:
        calls = [part for part in parts if isinstance(part, ToolCall)]
        said = [part for part in parts if not isinstance(part, ToolCall | Image)]
        if any(isinstance(part, Image) for part in parts):
            self._losses.drop("content[image]")  # the API has pictures of users alone
        written: JsonObject = {"role": "assistant"}
        plan = self._plan(said, calls)
        if plan is not None:
            said.remove(plan)
            written["tool_plan"] = plan.text
        content = self._content(said)
        if content:
            written["content"] = content
        if calls:
            if not self._own and any(call.cache is not None for call in calls):
                self._losses.drop("cache_control")
            if any(call.signature is not None for call in calls):
                self._losses.drop(field_name(self._request.dialect, "thinking"))
            written["tool_calls"] = [call_object(call, own=self._own) for call in calls]
        citations = [one for part in parts if isinstance(part, Text) for one in own_citations(part.annotations)]
        if citations:
            written["citations"] = citations
        if len(written) > 1 or self._own:
            self._append(written, message)

    def _plan(self, said: Sequence[Part], calls: Sequence[ToolCall]) -> Text | None:
        texts = [part for part in said if isinstance(part, Text)]
        if self._own:
            return next((text for text in texts if PLAN in text.origin), None)
        return texts[0] if calls and len(texts) == 1 and texts[0].text else None

    # --- tool results

    def _tool_result(self, result: ToolResult, message: Message) -> None:
        texts = [part for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if not isinstance(part, Text)]
        if result.is_error:
            self._losses.drop("tool_result.is_error")
        self._note_cache(result.cache)
        written: JsonObject = {"role": "tool", "tool_call_id": result.call_id, "content": self._content(texts)}
        if self._own:
            written |= message.rest
        self._out.append(written)
        shown = [block for part in media if (block := self._block(part)) is not None]
        if shown:
            self._media += [{"type": "text", "text": f"Output of tool call {result.call_id}:"}, *shown]

    def _flush_media(self) -> None:
        if self._media:
            self._out.append({"role": "user", "content": self._media})
            self._media = []
