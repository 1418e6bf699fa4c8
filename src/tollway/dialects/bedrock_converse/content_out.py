"""Writes neutral parts as Converse's content blocks, noting what the API cannot carry.

Rules of this file:
- Pictures, documents, films and sound lie in the request; an address or another provider's file id
  cannot be written, and leaving it out would change the question: it is refused.
- Empty words are left out: the API refuses blank text.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from tollway.core.conversation import (
    Audio,
    Conversation,
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
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.bedrock_converse.content import GUARDED, NAME, base64_of, cache_point, own_citations
from tollway.dialects.bedrock_converse.media import DOCUMENTS, IMAGES, SOUNDS, VIDEOS, document_name, format_of
from tollway.dialects.carried_proof import unpack
from tollway.dialects.carrying import refuse_content
from tollway.dialects.data_url import split_data_url
from tollway.dialects.field_names import part_type
from tollway.dialects.json_forms import arguments_object, object_of

_LONGEST_ID: Final = 64
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_-]")


class BlockWriter:
    """Writes the parts of one request."""

    __slots__ = ("_own", "_request", "lost")

    def __init__(self, request: Conversation) -> None:
        """Start. Parts that were read from this dialect need no mending."""
        self._request = request
        self._own = request.dialect == NAME
        self.lost: list[str] = []

    def blocks(self, parts: Sequence[Part]) -> list[JsonObject]:
        """Write parts in order, each with its cache point behind it."""
        found: list[JsonObject] = []
        for part in parts:
            block = self._block(part)
            if block is None:
                continue
            found.append(block)
            mark = getattr(part, "cache", None)
            if mark is not None:
                found.append(cache_point(mark))
        return found

    def _block(self, part: Part) -> JsonObject | None:
        match part:
            case Text():
                return self._text(part)
            case Refusal():
                return {"text": part.text} if part.text.strip() else None
            case Image():
                return self._image(part)
            case File():
                return self._file(part)
            case Audio():
                return self._audio(part)
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return {"toolUse": tool_use(part) | self._rest(part.rest)}
            case ToolResult():
                return self._tool_result(part)
            case Opaque():
                if part.dialect == NAME:
                    return part.value
                self.lost.append(part_type(part))
                return None

    def _rest(self, rest: JsonObject) -> JsonObject:
        return {name: value for name, value in rest.items() if name != GUARDED} if self._own else {}

    def _text(self, part: Text) -> JsonObject | None:
        if not part.text.strip() and not self._own:
            return None
        guarded = part.rest.get(GUARDED) if self._own else None
        if guarded is not None:
            return {"guardContent": {"text": {"text": part.text} | guarded}}
        return text_block(part.text, own_citations(part.annotations))

    def _image(self, part: Image) -> JsonObject:
        inline = split_data_url(part.url)
        media_type, data = inline or (part.media_type or "image/png", part.data)
        word = format_of(media_type, IMAGES) or (media_type.rpartition("/")[2] if self._own else None)
        if data is None or word is None:
            refuse_content(
                self._request,
                "Amazon Bedrock takes pictures inline, as PNG, JPEG, GIF or WebP; send the picture itself as base64",
            )
        block: JsonObject = {"format": word, "source": {"bytes": data}} | self._rest(part.rest)
        return {"guardContent": {"image": block}} if self._own and GUARDED in part.rest else {"image": block}

    def _file(self, part: File) -> JsonObject:
        inline = split_data_url(part.url)
        media_type, data = inline or (part.media_type, part.data)
        if (media_type or "").startswith("video/"):
            word = format_of(media_type, VIDEOS)
            if word is None or data is None:
                refuse_content(self._request, "Amazon Bedrock takes films inline, as one of its formats, as base64")
            return {"video": {"format": word, "source": {"bytes": data}} | self._rest(part.rest)}
        word = format_of(media_type or "application/pdf", DOCUMENTS)
        if self._own and part.plain is not None:
            source: JsonObject = {"text": part.plain}
        elif part.plain is not None:
            source = {"bytes": base64_of(part.plain)}
            word = word or "txt"
        elif data is not None and word is not None:
            source = {"bytes": data}
        else:
            refuse_content(
                self._request,
                "Amazon Bedrock takes documents inline, as PDF, CSV, Word, Excel, HTML, Markdown or text; "
                "send the document itself as base64",
            )
        name = part.filename or "document" if self._own else document_name(part.filename)
        return {"document": {"format": word, "name": name, "source": source} | self._rest(part.rest)}

    def _audio(self, part: Audio) -> JsonObject:
        if part.format not in SOUNDS:
            refuse_content(self._request, f"Amazon Bedrock takes no sound in the format {part.format!r}")
        return {"audio": {"format": part.format, "source": {"bytes": part.data}} | self._rest(part.rest)}

    def _reasoning(self, part: Reasoning) -> JsonObject | None:
        if self._own and part.encrypted is not None and part.id is None:
            return {"reasoningContent": {"redactedContent": part.encrypted} | self._rest(part.rest)}
        if self._own or (part.signature is not None and unpack(part.signature) is None):
            text: JsonObject = {"text": part.text}
            if part.signature is not None:
                text["signature"] = part.signature
            return {"reasoningContent": {"reasoningText": text} | self._rest(part.rest)}
        # A model takes back only thinking that it signed itself.
        if part.text or part.summary or part.encrypted:
            self.lost.append("thinking")
        return None

    def _tool_result(self, part: ToolResult) -> JsonObject:
        content: list[JsonObject] = []
        for one in part.parts:
            value = object_of(one.text) if isinstance(one, Text) and part.structured else None
            if isinstance(one, Text) and value is not None:
                content.append({"json": value})
            else:
                content.extend(self.blocks([one]))
        block: JsonObject = {"toolUseId": tool_use_id(part.call_id), "content": content}
        if part.is_error:
            block["status"] = "error"
        return {"toolResult": block | self._rest(part.rest)}


def text_block(text: str, citations: list[Json]) -> JsonObject:
    """Write words, with what they rest on."""
    if citations:
        return {"citationsContent": {"content": [{"text": text}], "citations": citations}}
    return {"text": text}


def tool_use(part: ToolCall) -> JsonObject:
    """Write a tool call."""
    arguments: JsonObject = {"input": part.arguments} if part.custom else arguments_object(part.arguments)
    return {"toolUseId": tool_use_id(part.id), "name": part.name, "input": arguments}


def tool_use_id(call_id: str) -> str:
    """Give a call id the alphabet and the length that the API demands; the same id stays the same."""
    found = _NOT_IN_IDS.sub("_", call_id) or "call"
    if len(found) <= _LONGEST_ID:
        return found
    return found[:47] + "_" + hashlib.sha256(call_id.encode()).hexdigest()[:16]
