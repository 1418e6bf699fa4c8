"""Anthropic content blocks and the neutral parts they stand for.

Rules of this file:
- A block of an unknown type, or a known one with a source nobody else has, is `Opaque`, whole.
- A thinking block whose signature is a carried proof is unpacked: another provider's proof comes
  back out as what it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_object, as_text, wrong_type
from tollway.dialects.carried_proof import CarriedProof, pack, unpack
from tollway.dialects.data_url import plain_text, split_data_url
from tollway.dialects.field_names import part_type
from tollway.dialects.json_forms import arguments_object, json_text

NAME: Final[DialectName] = "anthropic-messages"

_CITATIONS: Final = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    }
)


# --- blocks to parts


def parts_of(content: Json, path: str) -> tuple[Part, ...]:
    """Read a caller's content: a string or a list of blocks."""
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        wrong_type(path, "a string or an array of content blocks", content)
    blocks = cast("list[Json]", content)
    return _with_proofs(part_of(block, f"{path}[{position}]") for position, block in enumerate(blocks))


def answer_parts(blocks: Iterable[Json]) -> tuple[Part, ...]:
    """Read a provider's blocks; one that is not as documented is kept whole."""
    return _with_proofs(_lenient(cast("JsonObject", block)) for block in blocks if isinstance(block, dict))


def _lenient(block: JsonObject) -> Part:
    try:
        return part_of(block, "content")
    except BadRequest:
        return Opaque(NAME, block)


def _with_proofs(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Put a carried tool-call signature back on the call that follows it."""
    found: list[Part] = []
    pending: str | None = None
    for part in parts:
        if isinstance(part, Reasoning) and (proof := unpack(part.signature)) is not None:
            if proof.part_signature is not None:
                pending = proof.part_signature
                continue
            summary = (part.text,) if part.text else ()
            found.append(Reasoning(summary=summary, encrypted=proof.encrypted, id=proof.id))
            continue
        if pending is not None and isinstance(part, ToolCall):
            found.append(msgspec.structs.replace(part, signature=pending))
            pending = None
            continue
        found.append(part)
    return tuple(found)


def part_of(block: Json, path: str) -> Part:
    """Read one block."""
    fields = Fields(block, path)
    whole = cast("JsonObject", block)
    # The API itself takes a block without a type for text.
    kind = fields.text("type") or ("text" if "text" in whole else None)
    reader = None if kind is None else _BLOCKS.get(kind)
    if reader is not None:
        return reader(fields) or Opaque(NAME, whole)
    if kind is None:
        raise BadRequest(f"{path}.type: required", code="missing_required_parameter", param=f"{path}.type")
    return Opaque(NAME, whole)


def _text(fields: Fields) -> Part:
    return Text(
        fields.required_text("text"),
        annotations=tuple(fields.list("citations") or ()),
        cache=fields.object("cache_control"),
        rest=fields.rest(),
    )


def _image(fields: Fields) -> Part | None:
    source = Fields(fields.take("source"), fields.param("source"))
    match source.required_text("type"):
        case "base64":
            found = Image(data=source.required_text("data"), media_type=source.required_text("media_type"))
        case "url":
            found = Image(url=source.required_text("url"))
        case "file":
            found = Image(file_id=source.required_text("file_id"))
        case _:
            return None
    return msgspec.structs.replace(found, cache=fields.object("cache_control"), rest=fields.rest())


def _document(fields: Fields) -> Part | None:
    source = Fields(fields.take("source"), fields.param("source"))
    match source.required_text("type"):
        case "base64":
            media_type = source.text("media_type") or "application/pdf"
            found = File(data=source.required_text("data"), media_type=media_type)
        case "text":
            found = File(plain=source.required_text("data"), media_type=source.text("media_type") or "text/plain")
        case "url":
            found = File(url=source.required_text("url"))
        case "file":
            found = File(file_id=source.required_text("file_id"))
        case _:
            return None
    title, cache = fields.text("title"), fields.object("cache_control")
    return msgspec.structs.replace(found, filename=title, cache=cache, rest=fields.rest())


def _tool_call(fields: Fields) -> Part:
    return ToolCall(
        id=fields.required_text("id"),
        name=fields.required_text("name"),
        arguments=json_text(fields.object("input") or {}),
        cache=fields.object("cache_control"),
        rest=fields.rest(),
    )


def _tool_result(fields: Fields) -> Part:
    content = fields.take("content")
    return ToolResult(
        call_id=fields.required_text("tool_use_id"),
        parts=() if content is None else parts_of(content, fields.param("content")),
        is_error=fields.flag("is_error") or False,
        cache=fields.object("cache_control"),
        rest=fields.rest(),
    )


def _thinking(fields: Fields) -> Part:
    return Reasoning(fields.text("thinking") or "", signature=fields.text("signature"), rest=fields.rest())


def _redacted_thinking(fields: Fields) -> Part:
    return Reasoning(encrypted=fields.required_text("data"), rest=fields.rest())


_BLOCKS: Final[Mapping[str, Callable[[Fields], Part | None]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_use": _tool_call,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
}
"""Reader of each known block; None from one means that no neutral part says the same."""


# --- parts to blocks


class BlockWriter:
    """Writes parts as request blocks, noting what the API cannot carry."""

    __slots__ = ("_own", "lost")

    def __init__(self, *, own: bool) -> None:
        """Start; `own` says that the parts were read from this dialect, so nothing needs mending."""
        self._own = own
        self.lost: list[str] = []

    def blocks(self, parts: Sequence[Part]) -> list[JsonObject]:
        """Write parts in order."""
        found: list[JsonObject] = []
        for part in parts:
            block = self.block(part)
            if block is not None:
                found.append(block)
        return found

    def block(self, part: Part) -> JsonObject | None:
        """Write one part; None where it is lost or empty."""
        match part:
            case Text():
                return self._text(part)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text else None
            case Image():
                self._know_file(part.file_id)
                return _marked({"type": "image", "source": _image_source(part)}, part.cache, self._rest(part.rest))
            case File():
                self._know_file(part.file_id)
                self._readable(part.media_type)
                return _marked(_document_block(part), part.cache, self._rest(part.rest))
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return _marked(tool_use_block(part), part.cache, self._rest(part.rest))
            case ToolResult():
                return self._tool_result(part)
            case Opaque():
                if part.dialect == NAME:
                    return part.value
                self.lost.append(part_type(part))
                return None
            case Audio():
                raise _unheard("audio")

    def _know_file(self, file_id: str | None) -> None:
        if file_id is not None and not self._own:
            raise BadRequest(
                f"The file {file_id!r} lies with another provider; send its content instead of its id.",
                code="unsupported_parameter",
                param="file_id",
            )

    def _readable(self, media_type: str | None) -> None:
        """Refuse sound and film: leaving out what the user showed would change the question."""
        kind = (media_type or "").partition("/")[0]
        if kind in {"audio", "video"}:
            raise _unheard(kind)

    def _rest(self, rest: JsonObject) -> JsonObject:
        return rest if self._own else {}

    def _text(self, part: Text) -> JsonObject | None:
        if not part.text and not self._own:
            return None  # the API refuses empty text blocks, other APIs send them freely
        block: JsonObject = {"type": "text", "text": part.text}
        citations = own_citations(part.annotations)
        if citations:
            block["citations"] = citations
        return _marked(block, part.cache, self._rest(part.rest))

    def _reasoning(self, part: Reasoning) -> JsonObject | None:
        if part.signature is not None and (self._own or unpack(part.signature) is None):
            return {"type": "thinking", "thinking": part.text, "signature": part.signature} | self._rest(part.rest)
        if part.encrypted is not None and part.id is None and not part.summary:
            return {"type": "redacted_thinking", "data": part.encrypted} | self._rest(part.rest)
        # Anthropic takes back only thinking that it signed itself.
        if part.text or part.summary or part.encrypted:
            self.lost.append("thinking")
        return None

    def _tool_result(self, part: ToolResult) -> JsonObject:
        block: JsonObject = {"type": "tool_result", "tool_use_id": tool_use_id(part.call_id)}
        if part.parts:
            block["content"] = text_or_blocks(self.blocks(part.parts))
        if part.is_error:
            block["is_error"] = True
        return _marked(block, part.cache, self._rest(part.rest))


def _unheard(kind: str) -> BadRequest:
    return BadRequest(
        f"An Anthropic model takes no {kind}; choose another model, or send words or pictures.",
        code="unsupported_parameter",
        param="messages",
    )


def own_citations(annotations: Sequence[Json]) -> list[Json]:
    """Keep the citations that are of this API's shapes."""
    return [one for one in annotations if as_text(as_object(one).get("type")) in _CITATIONS]


def tool_use_id(call_id: str) -> str:
    """Give a call id the alphabet that the API demands: letters, digits, `_` and `-`."""
    if call_id.isascii() and call_id.replace("_", "").replace("-", "").isalnum():
        return call_id
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in call_id) or "call"


def tool_use_block(part: ToolCall) -> JsonObject:
    """Write a tool call."""
    arguments: JsonObject = {"input": part.arguments} if part.custom else arguments_object(part.arguments)
    return {"type": "tool_use", "id": tool_use_id(part.id), "name": part.name, "input": arguments}


def text_or_blocks(blocks: list[JsonObject]) -> str | list[JsonObject]:
    """Write a lone plain text block as a string, which every server of this API takes."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks


def proof_block(text: str, proof: CarriedProof) -> JsonObject:
    """Write another provider's proof as a thinking block, which callers send back unchanged."""
    return {"type": "thinking", "thinking": text, "signature": pack(proof)}


def _image_source(part: Image) -> JsonObject:
    inline = split_data_url(part.url)
    if inline is not None:
        return _inline_image(*inline)
    if part.data is not None:
        return _inline_image(part.media_type or "image/png", part.data)
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "file", "file_id": part.file_id}


def _inline_image(media_type: str, data: str) -> JsonObject:
    # The API refuses `image/jpg`, which others let pass.
    known = "image/jpeg" if media_type == "image/jpg" else media_type
    return {"type": "base64", "media_type": known, "data": data}


def _document_block(part: File) -> JsonObject:
    inline = split_data_url(part.url)
    plain = part.plain if part.plain is not None else plain_text(part.media_type, part.data)
    if plain is not None:
        source: JsonObject = {"type": "text", "media_type": "text/plain", "data": plain}
    elif inline is not None:
        source = {"type": "base64", "media_type": inline[0], "data": inline[1]}
    elif part.data is not None:
        source = {"type": "base64", "media_type": part.media_type or "application/pdf", "data": part.data}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "file", "file_id": part.file_id}
    block: JsonObject = {"type": "document", "source": source}
    if part.filename is not None:
        block["title"] = part.filename
    return block


def _marked(block: JsonObject, cache: JsonObject | None, rest: JsonObject) -> JsonObject:
    if cache is not None:
        block["cache_control"] = cache
    return block | rest if rest else block
