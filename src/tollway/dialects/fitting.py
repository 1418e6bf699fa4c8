"""Fits a request to what one provider takes, before any dialect writes it.

Rules of this file:
- It looks at the neutral conversation and the provider's data alone, so it serves every pair of dialects.
  Requests that pass unread never come here: their provider answers for itself.
- What the provider cannot take and the answer rests on (a picture, a stop sequence, a schema) is refused, with
  the caller's own name of the field and what would mend it. What only shapes the answer is dropped and reported.
- Ids of tool calls are the caller's to choose, so one that a provider refuses is replaced: the call and its result
  carry the same digest of the old id. The answer's own ids come from the provider and pass unchanged.
"""

import hashlib
import re
import string
from collections.abc import Iterator
from typing import Final

import msgspec

from tollway.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Losses,
    Message,
    OutputFormat,
    Part,
    ToolCall,
    ToolResult,
)
from tollway.dialects.carrying import refuse_content, refuse_field
from tollway.dialects.field_names import field_name
from tollway.interfaces.provider import ALL_MEDIA, Medium, OutputForm, Provider

_LETTERS: Final = string.ascii_letters + string.digits

_REFUSED: Final[dict[Medium, str]] = {
    "image": "this provider takes no pictures; leave them out, or choose another model",
    "image-address": "this provider fetches no pictures by address; send the picture itself, as base64",
    "audio": "this provider takes no sound; leave it out, or choose another model",
    "file": "this provider takes no documents; send their text, or choose another model",
}


def fitted(request: Conversation, provider: Provider, losses: Losses) -> Conversation:
    """Give the request as `provider` can take it.

    Raises:
        BadRequest: it needs what the provider does not have; `param` names the caller's field.
    """
    if provider.media != ALL_MEDIA:
        _check_media(request, provider.media)
    _check_limits(request, provider)
    request = _with_output(request, provider, losses)
    if provider.tool_call_id_length:
        request = _with_call_ids(request, provider.tool_call_id_length)
    return request


def _check_media(request: Conversation, taken: frozenset[Medium]) -> None:
    for part in _parts(request):
        medium = _medium(part)
        if medium is None or medium in taken:
            continue
        refuse_content(request, _REFUSED["image" if medium == "image-address" and "image" not in taken else medium])


def _parts(request: Conversation) -> Iterator[Part]:
    for message in request.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.parts


def _medium(part: Part) -> Medium | None:
    match part:
        case Image():
            return "image-address" if part.url is not None else "image"
        case Audio():
            return "audio"
        case File():
            return "file" if part.plain is None else None  # plain text is written as words
        case _:
            return None


def _check_limits(request: Conversation, provider: Provider) -> None:
    limits = provider.limits
    if limits.stop_sequences is not None and len(request.stop) > limits.stop_sequences:
        _refuse_number(request, "stop", len(request.stop), limits.stop_sequences)
    if limits.tools is not None and len(request.tools) > limits.tools:
        own = sum(tool.builtin is None for tool in request.tools)  # another API's built-in tools do not reach it
        if own > limits.tools:
            _refuse_number(request, "tools", own, limits.tools)


def _refuse_number(request: Conversation, field: str, given: int, most: int) -> None:
    refuse_field(request, field, f"holds {given}, and this provider takes at most {most}; send fewer")


def _with_output(request: Conversation, provider: Provider, losses: Losses) -> Conversation:
    output = request.output
    if output is None or output.kind == "text":
        return request
    form: OutputForm = "json" if output.schema is None else "schema"
    if form in provider.output_forms:
        return request
    if form == "schema":
        refuse_field(request, "output", "this provider holds no answer to a JSON Schema; choose another model")
    losses.drop(field_name(request.dialect, "output"))
    return msgspec.structs.replace(request, output=OutputFormat("text"))


def _with_call_ids(request: Conversation, length: int) -> Conversation:
    taken = re.compile(rf"[A-Za-z0-9]{{{length}}}")
    messages = tuple(_with_ids(message, taken, length) for message in request.messages)
    return msgspec.structs.replace(request, messages=messages)


def _with_ids(message: Message, taken: re.Pattern[str], length: int) -> Message:
    if not any(isinstance(part, ToolCall | ToolResult) for part in message.parts):
        return message
    return msgspec.structs.replace(message, parts=tuple(_with_id(part, taken, length) for part in message.parts))


def _with_id(part: Part, taken: re.Pattern[str], length: int) -> Part:
    match part:
        case ToolCall() if not taken.fullmatch(part.id):
            return msgspec.structs.replace(part, id=short_id(part.id, length))
        case ToolResult() if not taken.fullmatch(part.call_id):
            return msgspec.structs.replace(part, call_id=short_id(part.call_id, length))
        case _:
            return part


def short_id(identity: str, length: int) -> str:
    """Give the id of `length` letters and digits that stands for `identity`, the same one every time.

    Nine characters tell 10^16 ids apart; the calls of one conversation are a few hundred.
    """
    number = int.from_bytes(hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest())
    letters: list[str] = []
    for _ in range(length):
        number, index = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[index])
    return "".join(letters)
