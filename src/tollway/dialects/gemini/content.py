"""Gemini's parts and the neutral parts they stand for.

Rules of this file:
- Names are read in `camelCase` and `snake_case`, as the API itself does; they are written in the first.
- A part of an unknown kind is `Opaque`, whole.
- Base64 is read in both alphabets and kept in the standard one.
- A tool call without an id gets one made of its place; that id is left out again on the way back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

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
from tollway.dialects.caller_fields import Fields, as_object, as_text
from tollway.dialects.carried_proof import CarriedProof, pack, standard_base64, unpack
from tollway.dialects.data_url import split_data_url
from tollway.dialects.field_names import part_type
from tollway.dialects.json_forms import arguments_object, camel_members, json_text, object_of

NAME: Final[DialectName] = "gemini"

MINTED: Final = "gemini_call_"
"""Begins every call id that is ours, not the provider's."""

ANY_SIGNATURE: Final = "skip_thought_signature_validator"
"""Google's word for "this call comes from another model": models from Gemini 3 on demand a signature."""

_EXTENSIONS: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "mp4": "video/mp4",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "txt": "text/plain",
}


# --- reading


def part_of(value: Json, path: str, call_id: str) -> Part:
    """Read one part; `call_id` names a tool call that has no id of its own."""
    fields = Fields(camel_members(value), path)
    whole = cast("JsonObject", camel_members(value))
    for name, reader in _KINDS.items():
        if whole.get(name) is not None:
            return reader(fields, call_id) or Opaque(NAME, cast("JsonObject", value))
    if "thoughtSignature" in whole:
        return _text(fields, call_id)
    return Opaque(NAME, cast("JsonObject", value))


def answer_part(value: Json, call_id: str) -> Part:
    """Read a provider's part; one that is not as documented is kept whole."""
    try:
        return part_of(value, "parts", call_id)
    except BadRequest:
        return Opaque(NAME, as_object(value))


def _signature(fields: Fields) -> str | None:
    found = fields.text("thoughtSignature")
    return None if not found else standard_base64(found)


def _text(fields: Fields, _call_id: str) -> Part:
    text, signature = fields.text("text") or "", _signature(fields)
    if not fields.flag("thought"):
        return Text(text, signature=signature, rest=fields.rest())
    proof = unpack(signature)
    if proof is not None:
        return Reasoning(summary=(text,) if text else (), encrypted=proof.encrypted, id=proof.id)
    return Reasoning(text, signature=signature, rest=fields.rest())


def _inline(fields: Fields, _call_id: str) -> Part | None:
    blob = Fields(camel_members(fields.take("inlineData")), fields.param("inlineData"))
    data, media_type = standard_base64(blob.required_text("data")), blob.required_text("mimeType")
    name, rest = blob.text("displayName"), fields.rest()
    if rest.get("thought"):
        return None  # a picture inside the thoughts: only this API has such a thing
    kind, _, form = media_type.partition("/")
    if kind == "image":
        return Image(data=data, media_type=media_type, rest=rest if name is None else rest | {"displayName": name})
    if kind == "audio":
        return Audio(data=data, format=form, rest=rest)
    return File(data=data, media_type=media_type, filename=name, rest=rest)


def _file(fields: Fields, _call_id: str) -> Part:
    file = Fields(camel_members(fields.take("fileData")), fields.param("fileData"))
    url, media_type = file.required_text("fileUri"), file.text("mimeType")
    name, rest = file.text("displayName"), fields.rest()
    if media_type is not None and media_type.startswith("image/"):
        return Image(url=url, media_type=media_type, rest=rest if name is None else rest | {"displayName": name})
    return File(url=url, media_type=media_type, filename=name, rest=rest)


def _call(fields: Fields, call_id: str) -> Part:
    call = Fields(camel_members(fields.take("functionCall")), fields.param("functionCall"))
    given, name = call.text("id") or call_id, call.required_text("name")
    arguments = json_text(call.object("args") or {})
    signature = _signature(fields)
    return ToolCall(given, name, arguments, signature=signature, rest=_both(fields, "functionCall", call))


def _result(fields: Fields, call_id: str) -> Part:
    result = Fields(camel_members(fields.take("functionResponse")), fields.param("functionResponse"))
    media = [
        part_of(item, f"{result.param('parts')}[{position}]", "")
        for position, item in enumerate(result.list("parts") or ())
    ]
    response = result.object("response") or {}
    failed = response.keys() == {"error"}
    text = json_text(response)
    return ToolResult(
        call_id=result.text("id") or call_id,
        parts=(Text(text), *media),
        name=result.text("name"),
        is_error=failed,
        structured=True,
        rest=_both(fields, "functionResponse", result),
    )


def _both(part: Fields, name: str, inner: Fields) -> JsonObject:
    """Keep what is left of a part and of the object inside it."""
    left = inner.rest()
    return part.rest() | {name: left} if left else part.rest()


def with_rest(part: JsonObject, rest: JsonObject) -> JsonObject:
    """Put back what was left of a part and of the object inside it."""
    if not rest:
        return part
    found = part | rest
    for name in ("functionCall", "functionResponse"):
        if name in part and name in rest:
            found[name] = part[name] | rest[name]
    return found


_KINDS: Final[Mapping[str, Callable[[Fields, str], Part | None]]] = {
    "functionCall": _call,
    "functionResponse": _result,
    "inlineData": _inline,
    "fileData": _file,
    "text": _text,
}
"""Reader of each known part; None from one means that no neutral part says the same."""


# --- writing


class PartWriter:
    """Writes parts of a request, noting what the API cannot carry."""

    __slots__ = ("_names", "_own", "_sign", "lost")

    def __init__(self, *, own: bool, sign: bool, names: Mapping[str, str]) -> None:
        """Start.

        Args:
            own: the parts were read from this dialect, so nothing needs mending.
            sign: the model demands a signature on the first call of each turn.
            names: tool names by call id, for results that do not say theirs.
        """
        self._own = own
        self._sign = sign
        self._names = names
        self.lost: list[str] = []

    def parts(self, parts: Sequence[Part]) -> list[JsonObject]:
        """Write parts in order."""
        found: list[JsonObject] = []
        unsigned = self._sign
        for part in parts:
            written = self._part(part)
            if isinstance(part, ToolCall):
                if unsigned and part.signature is None:
                    written[0]["thoughtSignature"] = ANY_SIGNATURE
                unsigned = False
            found.extend(written)
        return found

    def _rest(self, rest: JsonObject) -> JsonObject:
        return rest if self._own else {}

    def _part(self, part: Part) -> list[JsonObject]:
        match part:
            case Text():
                if not part.text and part.signature is None and not self._own:
                    return []  # the API refuses empty parts, other APIs send them freely
                return [signed({"text": part.text}, part.signature) | self._rest(part.rest)]
            case Refusal():
                return [{"text": part.text}] if part.text else []
            case Image() | File():
                self._know_file(part.file_id)
                return [_media_part(part, own=self._own) | self._rest(without_name(part.rest))]
            case Audio():
                return [inline_part(f"audio/{part.format}", part.data) | self._rest(part.rest)]
            case Reasoning():
                return self._reasoning(part)
            case ToolResult():
                return self._result(part)
            case Opaque():
                if part.dialect == NAME:
                    return [part.value]
                self.lost.append(part_type(part))
                return []
            case ToolCall():
                return [with_rest(call_part(part), self._rest(part.rest))]

    def _know_file(self, file_id: str | None) -> None:
        if file_id is not None:
            raise BadRequest(
                f"The file {file_id!r} lies with another provider; send its content instead of its id.",
                code="unsupported_parameter",
                param="file_id",
            )

    def _reasoning(self, part: Reasoning) -> list[JsonObject]:
        if self._own and unpack(part.signature) is None and part.encrypted is None:
            return [signed({"text": part.text, "thought": True}, part.signature) | part.rest]
        # Thoughts of another provider mean nothing here; what the API wants back rides on the calls.
        if part.text or part.summary or part.encrypted:
            self.lost.append("thinking")
        return []

    def _result(self, part: ToolResult) -> list[JsonObject]:
        response: JsonObject = {"name": part.name or self._names.get(part.call_id, "unknown")}
        if not part.call_id.startswith(MINTED):
            response = {"id": part.call_id} | response
        response["response"] = _response(part)
        media = [written for one in part.parts if not isinstance(one, Text) for written in self._part(one)]
        if self._own and media:
            response["parts"] = media
            media = []
        return [with_rest({"functionResponse": response}, self._rest(part.rest)), *media]


def signed(part: JsonObject, signature: str | None) -> JsonObject:
    """Put a thought signature on a part."""
    return part if signature is None else part | {"thoughtSignature": signature}


def call_part(part: ToolCall) -> JsonObject:
    """Write a tool call."""
    call: JsonObject = {"name": part.name, "args": arguments_object(part.arguments)}
    if not part.id.startswith(MINTED):
        call = {"id": part.id} | call
    return signed({"functionCall": call}, part.signature)


def reasoning_parts(part: Reasoning) -> list[JsonObject]:
    """Write an answer's thinking; another provider's proof of it rides in the signature."""
    signature = part.signature
    if signature is None and part.encrypted is not None:
        signature = pack(CarriedProof(encrypted=part.encrypted, id=part.id))
    text = part.text or "\n\n".join(part.summary)
    return [signed({"text": text, "thought": True}, signature)] if text or signature else []


def inline_part(media_type: str, data: str) -> JsonObject:
    """Write inline bytes."""
    return {"inlineData": {"mimeType": media_type, "data": data}}


def without_name(rest: JsonObject) -> JsonObject:
    """Leave out what belongs inside `inlineData` and `fileData`."""
    return {name: value for name, value in rest.items() if name != "displayName"}


def media_type_of(name: str | None) -> str | None:
    """Guess a media type from a file's name or address."""
    path = (name or "").partition("?")[0].partition("#")[0]
    return _EXTENSIONS.get(path.rpartition(".")[2].lower())


def _media_part(part: Image | File, *, own: bool) -> JsonObject:
    if isinstance(part, File) and part.plain is not None:
        return {"text": part.plain}
    name = part.filename if isinstance(part, File) else as_text(part.rest.get("displayName")) or None
    fallback = "image/jpeg" if isinstance(part, Image) else "application/pdf"
    # Only Vertex takes a display name, so other APIs' file names are not sent.
    display: JsonObject = {"displayName": name} if own and name is not None else {}
    inline = split_data_url(part.url)
    if inline is not None:
        return inline_part(*inline)
    if part.data is not None:
        found = inline_part(part.media_type or media_type_of(name) or fallback, part.data)
        return {"inlineData": found["inlineData"] | display}
    file: JsonObject = {"fileUri": part.url}
    media_type = part.media_type if own else part.media_type or media_type_of(part.url) or fallback
    if media_type is not None:
        file["mimeType"] = media_type
    return {"fileData": file | display}


def _response(part: ToolResult) -> JsonObject:
    """A result as the object the API demands.

    Text that is a JSON object is sent as that object; any other text under `output`, or under `error`
    when the tool failed: the two names the API's documentation gives a meaning.
    """
    text = "\n".join(one.text for one in part.parts if isinstance(one, Text))
    found = object_of(text)
    if part.structured and found is not None:
        return found
    if part.is_error:
        return {"error": text if found is None else found}
    return {"output": text} if found is None else found


def named_calls(messages: Sequence[Sequence[Part]]) -> dict[str, str]:
    """Give the tool's name of every call id."""
    return {part.id: part.name for parts in messages for part in parts if isinstance(part, ToolCall)}
