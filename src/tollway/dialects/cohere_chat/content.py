"""Cohere's messages and the neutral parts they stand for.

Rules of this file:
- A content block of an unknown type is `Opaque`, whole.
- The `tool_plan` beside tool calls is words of the model like any other; the mark in `origin` brings
  it back to its own field.
- A document, of the request or of a tool's result, is its words for every other API, and comes back
  whole from `origin` to this one.
"""

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from tollway.core.conversation import DialectName, File, Image, Opaque, Part, Reasoning, Text, ToolCall
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_count, as_object, as_text, wrong_type
from tollway.dialects.data_url import data_url, split_data_url
from tollway.dialects.json_forms import json_text

NAME: Final[DialectName] = "cohere-chat"
PLAN: Final = "tool_plan"
"""Marks, in a text's `origin`, what came as a tool plan."""
DOCUMENT: Final = "document"
"""Holds, in `origin`, a document as written."""

_WORDS: Final = ("text", "snippet", "content")
"""Members of a document's data that hold its words, by custom."""


def parts_of(content: Json, path: str) -> tuple[Part, ...]:
    """Read a caller's content: a string or a list of blocks."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        wrong_type(path, "a string or an array of content blocks", content)
    blocks = cast("list[Json]", content)
    return tuple(part_of(block, f"{path}[{position}]") for position, block in enumerate(blocks))


def part_of(block: Json, path: str) -> Part:
    """Read one block."""
    fields = Fields(block, path)
    match fields.required_text("type"):
        case "text":
            return Text(fields.required_text("text"), rest=fields.rest())
        case "thinking":
            return Reasoning(fields.required_text("thinking"), rest=fields.rest())
        case "image_url":
            image = Fields(fields.take("image_url"), fields.param("image_url"))
            url, detail = image.required_text("url"), image.text("detail")
            rest = _nested_rest(fields, "image_url", image)
            inline = split_data_url(url)
            if inline is None:
                return Image(url=url, detail=detail, rest=rest)
            return Image(media_type=inline[0], data=inline[1], detail=detail, rest=rest)
        case "document":
            return Text(document_words(fields.object("document") or {}), origin={DOCUMENT: as_object(block)})
        case _:
            return Opaque(NAME, as_object(block))


def answer_parts(message: JsonObject) -> list[Part]:
    """Read what a provider said: thinking, words and plan; a block that is not as documented is kept whole."""
    found: list[Part] = []
    content = message.get("content")
    blocks = cast("list[Json]", content) if isinstance(content, list) else []
    for block in blocks:
        value = as_object(block)
        try:
            found.append(part_of(value, "content"))
        except BadRequest:
            found.append(Opaque(NAME, value))
    if isinstance(content, str) and content:
        found.append(Text(content))
    plan = as_text(message.get("tool_plan"))
    if plan:
        found.append(Text(plan, origin={PLAN: True}))
    return found


def with_citations(parts: Sequence[Part], citations: Sequence[Json]) -> list[Part]:
    """Put each citation on the text it lies in: the block it names, else the first text."""
    found = list(parts)
    for citation in citations:
        position = as_count(as_object(citation).get("content_index"))
        if position >= len(found) or not isinstance(found[position], Text):
            position = next((at for at, part in enumerate(found) if isinstance(part, Text)), -1)
        part = found[position] if position >= 0 else None
        if isinstance(part, Text):
            found[position] = msgspec.structs.replace(part, annotations=(*part.annotations, citation))
    return found


def own_citations(annotations: Sequence[Json]) -> list[Json]:
    """Keep the citations that are of this API's shape."""
    return [one for one in annotations if "sources" in as_object(one)]


def read_call(value: Json, path: str) -> ToolCall:
    """Read a tool call of a caller's history."""
    fields = Fields(value, path)
    fields.take("type")
    function = Fields(fields.take("function"), f"{path}.function")
    return ToolCall(
        id=fields.required_text("id"),
        name=function.required_text("name"),
        arguments=function.text("arguments") or "",
        rest=_nested_rest(fields, "function", function),
    )


def call_object(call: ToolCall, *, own: bool) -> JsonObject:
    """Write a tool call; `own`: its extra members are of this API."""
    # An empty string is not JSON; the API demands "a JSON object string".
    function: JsonObject = {"name": call.name, "arguments": call.arguments or "{}"}
    found: JsonObject = {"id": call.id, "type": "function", "function": function}
    return merged(found, call.rest) if own else found


def _nested_rest(outer: Fields, name: str, inner: Fields) -> JsonObject:
    """Keep what is unknown of an object and of the one inside it."""
    return outer.rest() | ({name: inner.rest()} if inner.rest() else {})


def merged(written: JsonObject, rest: JsonObject) -> JsonObject:
    """Put unknown members back where they came from, inside a known object too."""
    found = dict(written)
    for name, value in rest.items():
        before = found.get(name)
        found[name] = cast("JsonObject", before) | value if isinstance(before, dict) else value
    return found


def image_block(part: Image) -> JsonObject:
    """Write a picture that has an address or content."""
    url = part.url if part.data is None else data_url(part.media_type or "image/png", part.data)
    image: JsonObject = {"url": url}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


# --- documents


def read_document(value: Json, path: str) -> File:
    """Read a document of the request: a string, or an object with `data`."""
    if isinstance(value, str):
        return File(plain=value, media_type="text/plain", origin={DOCUMENT: value})
    whole = Fields(value, path)
    title = as_text(as_object(as_object(value).get("data")).get("title"))
    name = title or whole.text("id")
    return File(
        plain=document_words(as_object(value)),
        media_type="text/plain",
        filename=name,
        origin={DOCUMENT: as_object(value)},
    )


def document_words(document: JsonObject) -> str:
    """Give a document's words: its text where it holds nothing else but a title, else its whole data as JSON."""
    data = as_object(document.get("data"))
    words = [name for name in _WORDS if isinstance(data.get(name), str)]
    if len(words) == 1 and data.keys() <= {words[0], "title"}:
        return data[words[0]]
    return json_text(data)


def document_object(words: str, name: str | None) -> JsonObject:
    """Write plain words as a document of the request."""
    data: JsonObject = {"text": words}
    if name is not None:
        data["title"] = name
    return {"data": data}
