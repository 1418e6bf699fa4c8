"""Content parts of Chat messages, and where earlier thinking and foreign signatures ride.

Rules of this file:
- Thinking rides on an assistant message: its words as `reasoning_content`, and what must come back
  unchanged (signatures, encrypted thinking) as `reasoning_details`, a list of
  `{type: reasoning.text | reasoning.summary | reasoning.encrypted, …}`. The names are those that
  other servers of this API already use, so their clients send them back without help.
- `thinking_blocks` (`{type: thinking | redacted_thinking, …}`) is read too, never written.
- Gemini's thought signature rides as `extra_content.google.thought_signature`, on the tool call it
  belongs to, or on the message for its text: Google's own convention for this API.
"""

from typing import Final

from tollway.core.conversation import Audio, DialectName, File, Image, Opaque, Part, Reasoning, Refusal, Text
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, wrong_type
from tollway.dialects.data_url import data_url, split_data_url

NAME: Final[DialectName] = "openai-chat"

_EXTENSION_BY_TYPE: Final = {"application/pdf": "pdf", "text/plain": "txt", "text/csv": "csv", "text/html": "html"}


def parse_content(value: Json, where: str) -> tuple[Part, ...]:
    """Read `content` as a caller wrote it: a string, a list of parts, or nothing."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        wrong_type(where, "a string or an array of content parts", value)
    return tuple(_part(one, f"{where}[{index}]") for index, one in enumerate(as_list(value)))


def _part(value: Json, where: str) -> Part:
    if isinstance(value, str):
        return Text(value)
    fields = Fields(value, where)
    match fields.required_text("type"):
        case "text":
            return Text(fields.required_text("text"), cache=fields.object("cache_control"), rest=fields.rest())
        case "refusal":
            return Refusal(fields.required_text("refusal"))
        case "image_url":
            return _image(fields)
        case "input_audio":
            inner = Fields(fields.take("input_audio"), f"{where}.input_audio")
            return Audio(
                data=inner.required_text("data"),
                format=inner.required_text("format"),
                rest=inner.rest() | fields.rest(),
            )
        case "file":
            return _file(fields, where)
        case _:
            return Opaque(NAME, dict(value))


def _image(fields: Fields) -> Image:
    address = fields.take("image_url")
    inner = Fields({"url": address} if isinstance(address, str) else address, fields.param("image_url"))
    url = inner.required_text("url")
    detail = inner.text("detail")
    cache = fields.object("cache_control")
    inline = split_data_url(url)
    if inline is None:
        return Image(url=url, detail=detail, cache=cache, rest=fields.rest())
    return Image(media_type=inline[0], data=inline[1], detail=detail, cache=cache, rest=fields.rest())


def _file(fields: Fields, where: str) -> File:
    inner = Fields(fields.take("file"), f"{where}.file")
    file_id, filename = inner.text("file_id"), inner.text("filename")
    data = inner.text("file_data")
    inline = split_data_url(data)
    is_address = data is not None and inline is None and data.startswith(("http://", "https://"))
    return File(
        url=data if is_address else None,
        data=inline[1] if inline else None if is_address else data,
        media_type=inline[0] if inline else None,
        filename=filename,
        file_id=file_id,
        cache=fields.object("cache_control"),
        rest=fields.rest(),
    )


def image_object(part: Image) -> JsonObject:
    """Write the inner `image_url` object."""
    url = part.url if part.url is not None else data_url(part.media_type or "image/png", part.data or "")
    return {"url": url} if part.detail is None else {"url": url, "detail": part.detail}


def file_object(part: File) -> JsonObject:
    """Write the inner `file` object."""
    if part.file_id is not None:
        return {"file_id": part.file_id}
    media_type = part.media_type or "application/pdf"
    if part.url is not None:
        data = part.url
    elif part.media_type is None and part.data is not None:
        data = part.data
    else:
        data = data_url(media_type, part.data or "")
    name = part.filename or f"document.{_EXTENSION_BY_TYPE.get(media_type, 'bin')}"
    return {"filename": name, "file_data": data}


def document_part(part: File) -> JsonObject:
    """Write a document as servers want it that take one by address only, be it an address that holds it."""
    url = part.url or data_url(part.media_type or "application/pdf", part.data or "")
    named: JsonObject = {} if part.filename is None else {"document_name": part.filename}
    return {"type": "document_url", "document_url": url, **named}


# --- thinking


def parse_reasoning(message: JsonObject) -> tuple[Reasoning, ...]:
    """Take the thinking out of a message (members that were understood are removed from it)."""
    words = ""
    for name in ("reasoning_content", "reasoning"):
        value = message.get(name)
        if value is None or isinstance(value, str):
            words = words or value or ""
            message.pop(name, None)
    details = as_list(message.pop("reasoning_details", None))
    blocks = as_list(message.pop("thinking_blocks", None))
    found = tuple(part for one in (*details, *blocks) if (part := _detail(as_object(one))) is not None)
    if not found:
        return (Reasoning(text=words),) if words else ()
    said = "".join(part.text + "".join(part.summary) for part in found)
    if words and not said:
        return (Reasoning(text=words), *found)
    return found


def _detail(detail: JsonObject) -> Reasoning | None:
    identity = detail.get("id")
    item_id = identity if isinstance(identity, str) else None
    match detail.get("type"):
        case "reasoning.text":
            return Reasoning(text=as_text(detail.get("text")), signature=_word(detail.get("signature")), id=item_id)
        case "reasoning.summary":
            return Reasoning(summary=(as_text(detail.get("summary")),), id=item_id)
        case "reasoning.encrypted":
            return Reasoning(encrypted=_word(detail.get("data")), id=item_id)
        case "thinking":
            return Reasoning(text=as_text(detail.get("thinking")), signature=_word(detail.get("signature")))
        case "redacted_thinking":
            return Reasoning(encrypted=_word(detail.get("data")))
        case _:
            return None


def _word(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def reasoning_words(parts: tuple[Reasoning, ...]) -> str:
    """All that was thought, as `reasoning_content` shows it."""
    pieces = [piece for part in parts for piece in (part.text, *part.summary) if piece]
    return "\n\n".join(pieces)


def reasoning_details(part: Reasoning, index: int) -> list[JsonObject]:
    """Write what must come back unchanged; empty for plain thinking, which `reasoning_content` holds."""
    if part.signature is None and part.encrypted is None and part.id is None:
        return []
    identity: JsonObject = {} if part.id is None else {"id": part.id}
    details: list[JsonObject] = [
        {"type": "reasoning.summary", "summary": summary, **identity} for summary in part.summary
    ]
    if part.text or part.signature is not None:
        signed: JsonObject = {} if part.signature is None else {"signature": part.signature}
        details.append({"type": "reasoning.text", "text": part.text, **signed, **identity})
    if part.encrypted is not None:
        details.append({"type": "reasoning.encrypted", "data": part.encrypted, **identity})
    return [{**detail, "index": index + offset} for offset, detail in enumerate(details)]


# --- signatures of Gemini


def google_signature(value: JsonObject) -> str | None:
    """Take the thought signature out of `extra_content` (removed when nothing else is in it)."""
    extra = as_object(value.get("extra_content"))
    google = as_object(extra.get("google"))
    signature = google.get("thought_signature")
    if not isinstance(signature, str):
        return None
    left = {name: one for name, one in google.items() if name != "thought_signature"}
    others = {name: one for name, one in extra.items() if name != "google"} | ({"google": left} if left else {})
    if others:
        value["extra_content"] = others
    else:
        del value["extra_content"]
    return signature


def extra_content(signature: str) -> JsonObject:
    """Write a thought signature."""
    return {"google": {"thought_signature": signature}}
