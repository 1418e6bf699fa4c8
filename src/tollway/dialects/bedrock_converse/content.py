"""Converse's content blocks and the neutral parts they stand for.

Rules of this file:
- A block is an object with one member, whose name says what it is. One that no neutral part stands
  for is `Opaque`, whole; so is one whose content lies in S3, where nobody else can read it.
- A `cachePoint` marks what stands before it, and becomes that part's cache mark.
- `guardContent` is the words or the picture inside it; `rest` remembers what is to be checked.
- A `reasoningContent` whose signature is a carried proof is unpacked: another provider's proof comes
  back out as what it was.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

import msgspec

from tollway.core.conversation import (
    Audio,
    DialectName,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.bedrock_converse.media import DOCUMENTS, IMAGES, VIDEOS
from tollway.dialects.caller_fields import Fields, as_object, wrong_type
from tollway.dialects.carried_proof import unpack
from tollway.dialects.json_forms import json_text

NAME: Final[DialectName] = "bedrock-converse"

GUARDED: Final = "guardContent"
"""Member of a part's `rest`: what `guardContent` said beside the words or the picture."""


def parts_of(content: Json, path: str) -> tuple[Part, ...]:
    """Read a caller's content: a list of blocks."""
    if not isinstance(content, list):
        wrong_type(path, "an array of content blocks", content)
    blocks = cast("list[Json]", content)
    return _gathered(part_of(block, f"{path}[{position}]") for position, block in enumerate(blocks))


def answer_parts(blocks: Iterable[Json]) -> tuple[Part, ...]:
    """Read a provider's blocks; one that is not as documented is kept whole."""
    return _gathered(_lenient(cast("JsonObject", block)) for block in blocks if isinstance(block, dict))


def part_of(block: Json, path: str) -> Part:
    """Read one block."""
    if not isinstance(block, dict):
        wrong_type(path, "an object", block)
    whole = cast("JsonObject", block)
    kinds = [name for name, value in whole.items() if value is not None]
    if not kinds:
        raise BadRequest(f"{path}: expected a content block, got an empty object", code="invalid_type", param=path)
    reader = _BLOCKS.get(kinds[0]) if len(kinds) == 1 else None
    found = None if reader is None else reader(whole[kinds[0]], f"{path}.{kinds[0]}")
    return Opaque(NAME, whole) if found is None else found


def cache_mark(cache_point: JsonObject) -> JsonObject:
    """Read a `cachePoint` as the mark that neutral parts carry."""
    lifetime = cache_point.get("ttl")
    return {"type": "ephemeral"} | ({} if lifetime is None else {"ttl": lifetime})


def cache_point(mark: JsonObject) -> JsonObject:
    """Write a cache mark as a block."""
    lifetime = mark.get("ttl")
    return {"cachePoint": {"type": "default"} | ({} if lifetime is None else {"ttl": lifetime})}


def _lenient(block: JsonObject) -> Part:
    try:
        return part_of(block, "content")
    except BadRequest:
        return Opaque(NAME, block)


def _gathered(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Put cache points on what they stand behind, and carried proofs on the call that follows them."""
    found: list[Part] = []
    pending: str | None = None
    for part in parts:
        if isinstance(part, Opaque) and part.value.keys() == {"cachePoint"} and found and _takes_mark(found[-1]):
            mark = cache_mark(as_object(part.value["cachePoint"]))
            found[-1] = msgspec.structs.replace(found[-1], cache=mark)
        elif isinstance(part, Reasoning) and (proof := unpack(part.signature)) is not None:
            if proof.part_signature is not None:
                pending = proof.part_signature
                continue
            found.append(Reasoning(summary=(part.text,) if part.text else (), encrypted=proof.encrypted, id=proof.id))
        elif pending is not None and isinstance(part, ToolCall):
            found.append(msgspec.structs.replace(part, signature=pending))
            pending = None
        else:
            found.append(part)
    return tuple(found)


def _takes_mark(part: Part) -> bool:
    return isinstance(part, Text | Image | File | ToolCall | ToolResult) and part.cache is None


# --- blocks to parts


def _text(value: Json, path: str) -> Part:
    if not isinstance(value, str):
        wrong_type(path, "a string", value)
    return Text(value)


def _image(value: Json, path: str) -> Part | None:
    fields, source = _sourced(value, path)
    data = source.text("bytes")
    if data is None:
        return None
    word = fields.required_text("format")
    return Image(data=data, media_type=IMAGES.get(word, f"image/{word}"), rest=fields.rest())


def _document(value: Json, path: str) -> Part | None:
    fields, source = _sourced(value, path)
    data, plain = source.text("bytes"), source.text("text")
    if data is None and plain is None:
        return None
    word = fields.text("format")
    media_type = "text/plain" if word is None else DOCUMENTS.get(word, f"application/{word}")
    return File(
        data=data, plain=plain, media_type=media_type, filename=fields.required_text("name"), rest=fields.rest()
    )


def _video(value: Json, path: str) -> Part | None:
    fields, source = _sourced(value, path)
    data = source.text("bytes")
    if data is None:
        return None
    word = fields.required_text("format")
    return File(data=data, media_type=VIDEOS.get(word, f"video/{word}"), rest=fields.rest())


def _audio(value: Json, path: str) -> Part | None:
    fields, source = _sourced(value, path)
    data = source.text("bytes")
    return None if data is None else Audio(data, fields.required_text("format"), rest=fields.rest())


def _sourced(value: Json, path: str) -> tuple[Fields, Fields]:
    fields = Fields(value, path)
    return fields, Fields(fields.take("source"), f"{path}.source")


def _tool_call(value: Json, path: str) -> Part | None:
    fields = Fields(value, path)
    if fields.text("type") == "server_tool_use":
        return None  # the provider called it itself
    return ToolCall(
        id=fields.required_text("toolUseId"),
        name=fields.required_text("name"),
        arguments=json_text(fields.object("input") or {}),
        rest=fields.rest(),
    )


def _tool_result(value: Json, path: str) -> Part:
    fields = Fields(value, path)
    content = fields.list("content") or []
    parts = tuple(_result_part(block, f"{path}.content[{position}]") for position, block in enumerate(content))
    return ToolResult(
        call_id=fields.required_text("toolUseId"),
        parts=parts,
        is_error=fields.text("status") == "error",
        structured=len(content) == 1 and as_object(content[0]).keys() == {"json"},
        rest=fields.rest(),
    )


def _result_part(block: Json, path: str) -> Part:
    if isinstance(block, dict) and cast("JsonObject", block).keys() == {"json"}:
        return Text(json_text(block["json"]))
    return part_of(block, path)


def _reasoning(value: Json, path: str) -> Part | None:
    fields = Fields(value, path)
    redacted = fields.text("redactedContent")
    if redacted is not None:
        return Reasoning(encrypted=redacted, rest=fields.rest())
    text = fields.fields("reasoningText")
    if text is None:
        return None
    words, signature = text.text("text") or "", text.text("signature")
    return Reasoning(words, signature=signature, rest=fields.rest())


def _guarded(value: Json, path: str) -> Part | None:
    fields = Fields(value, path)
    text = fields.fields("text")
    if text is not None:
        words = text.required_text("text")
        return Text(words, rest={GUARDED: text.rest()})
    image = fields.take("image")
    found = None if image is None else _image(image, f"{path}.image")
    return None if found is None else msgspec.structs.replace(cast("Image", found), rest={GUARDED: {}})


def _cited(value: Json, path: str) -> Part:
    fields = Fields(value, path)
    pieces = [as_object(piece).get("text") for piece in fields.list("content") or ()]
    words = "".join(piece for piece in pieces if isinstance(piece, str))
    return Text(words, annotations=tuple(fields.list("citations") or ()), rest=fields.rest())


_BLOCKS: Final[Mapping[str, Callable[[Json, str], Part | None]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "video": _video,
    "audio": _audio,
    "toolUse": _tool_call,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "guardContent": _guarded,
    "citationsContent": _cited,
}
"""Reader of each known block; None from one means that no neutral part says the same."""


def own_citations(annotations: Iterable[Json]) -> list[Json]:
    """Keep the citations that are of this API's shape."""
    return [one for one in annotations if isinstance(as_object(one).get("location"), dict)]


def base64_of(text: str) -> str:
    """Write plain text as the base64 that a document's bytes are."""
    return base64.b64encode(text.encode()).decode()
