"""Reads a caller's `input` items into neutral messages.

Rules of this file:
- Items that belong to one assistant turn (thinking, a message, calls) become one message; the item
  ids stay on the parts, the id of its message item on the message.
- An item of an unknown type is `Opaque`, at its place. An `item_reference` is that too, but another
  dialect must refuse it, since what it stands for is known to one provider only.
"""

from typing import Final

from tollway.core.conversation import (
    Audio,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, wrong_type
from tollway.dialects.data_url import split_data_url
from tollway.dialects.openai_responses.proofs import unpacked
from tollway.dialects.openai_responses.tools import NAME

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "system": "system",
    "developer": "developer",
    "assistant": "assistant",
}


class ItemReader:
    """Reads one request's items."""

    def __init__(self) -> None:
        """Start with none."""
        self.messages: list[Message] = []
        self.essential: list[str] = []
        self._run: list[Part] = []
        self._run_id: str | None = None
        self._run_rest: JsonObject = {}
        self._run_spoke = False
        self._signature: str | None = None

    def read(self, value: Json) -> tuple[Message, ...]:
        """Read `input`.

        Raises:
            BadRequest: with `param` naming the field.
        """
        if isinstance(value, str):
            return (Message("user", (Text(value),)),)
        if not isinstance(value, list):
            wrong_type("input", "a string or an array of items", value)
        for index, one in enumerate(as_list(value)):
            self._item(one, f"input[{index}]")
        self._end_run()
        return tuple(self.messages)

    def _item(self, value: Json, where: str) -> None:
        fields = Fields(value, where)
        kind = fields.text("type")
        match kind:
            case None if "role" in value:
                self._message(fields, where)
            case "message":
                self._message(fields, where)
            case "function_call" | "custom_tool_call":
                self._run.append(self._call(fields, custom=kind == "custom_tool_call"))
            case "function_call_output" | "custom_tool_call_output":
                self._end_run()
                result = _result(fields, where, custom=kind == "custom_tool_call_output")
                self.messages.append(Message("tool", (result,), id=fields.text("id"), rest=_kept(fields)))
            case "reasoning":
                self._reasoning(fields)
            case None if "id" not in value:
                raise BadRequest(
                    f"{where}: needs a `type`, or a `role` for a message",
                    code="missing_required_parameter",
                    param=where,
                )
            case _:
                self._opaque(as_object(value), kind)

    def _message(self, fields: Fields, where: str) -> None:
        name = fields.required_text("role")
        role = _ROLES.get(name)
        if role is None:
            raise BadRequest(
                f"{where}.role: {name!r} is none of {', '.join(_ROLES)}", code="invalid_value", param=f"{where}.role"
            )
        identity = fields.text("id")
        parts = parse_content(fields.take("content"), f"{where}.content")
        rest = _kept(fields)
        if role != "assistant":
            self._end_run()
            self.messages.append(Message(role, parts, id=identity, rest=rest))
            return
        if self._run_spoke or any(isinstance(part, ToolCall | Opaque) for part in self._run):
            self._end_run()
        self._run += parts
        self._run_id, self._run_rest, self._run_spoke = identity, rest, True

    def _call(self, fields: Fields, *, custom: bool) -> ToolCall:
        signature, self._signature = self._signature, None
        return ToolCall(
            id=fields.required_text("call_id"),
            name=fields.required_text("name"),
            arguments=fields.text("input" if custom else "arguments") or "",
            custom=custom,
            item_id=fields.text("id"),
            signature=signature,
            rest=_kept(fields),
        )

    def _reasoning(self, fields: Fields) -> None:
        texts = [as_text(as_object(one).get("text")) for one in fields.list("content") or ()]
        summary = tuple(as_text(as_object(one).get("text")) for one in fields.list("summary") or ())
        part, signature = unpacked(
            Reasoning(
                text="".join(texts),
                summary=summary,
                encrypted=fields.text("encrypted_content"),
                id=fields.text("id"),
                rest=_kept(fields),
            )
        )
        self._signature = signature or self._signature
        if part is not None:
            if self._run_spoke:
                self._end_run()
            self._run.append(part)

    def _opaque(self, value: JsonObject, kind: str | None) -> None:
        if kind in {None, "item_reference"}:
            self.essential.append("input[item_reference]")
        part = Opaque(NAME, value)
        if kind is not None and kind.endswith("_output"):
            self._end_run()
            self.messages.append(Message("tool", (part,)))
        else:
            self._run.append(part)

    def _end_run(self) -> None:
        if self._run or self._run_spoke:
            self.messages.append(Message("assistant", tuple(self._run), id=self._run_id, rest=self._run_rest))
        self._run, self._run_id, self._run_rest, self._run_spoke = [], None, {}, False


def _kept(fields: Fields) -> JsonObject:
    """The members left over, without the status every finished item has and without nulls."""
    status = fields.take("status")
    rest = {name: value for name, value in fields.rest().items() if value is not None}
    return rest if status is None or status == "completed" else {**rest, "status": status}


def _result(fields: Fields, where: str, *, custom: bool) -> ToolResult:
    call_id = fields.required_text("call_id")
    output = fields.take("output")
    if output is None:
        raise BadRequest(f"{where}.output: required", code="missing_required_parameter", param=f"{where}.output")
    return ToolResult(call_id=call_id, parts=parse_content(output, f"{where}.output"), custom=custom)


def parse_content(value: Json, where: str) -> tuple[Part, ...]:
    """Read a message's content or a tool's output: a string or a list of parts."""
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        wrong_type(where, "a string or an array of content parts", value)
    return tuple(_part(one, f"{where}[{index}]") for index, one in enumerate(as_list(value)))


def _part(value: Json, where: str) -> Part:
    fields = Fields(value, where)
    match fields.required_text("type"):
        case "input_text" | "text":
            return Text(fields.required_text("text"), rest=fields.rest())
        case "output_text":
            annotations = tuple(fields.list("annotations") or ())
            if not fields.list("logprobs"):  # an empty list says nothing
                return Text(fields.required_text("text"), annotations=annotations, rest=fields.rest())
            logprobs = as_object(value)["logprobs"]
            text = fields.required_text("text")
            return Text(text, annotations=annotations, rest={**fields.rest(), "logprobs": logprobs})
        case "refusal":
            return Refusal(fields.required_text("refusal"))
        case "input_image":
            return _image(fields)
        case "input_file":
            return _file(fields)
        case "input_audio":
            inner = Fields(fields.take("input_audio"), f"{where}.input_audio")
            return Audio(data=inner.required_text("data"), format=inner.required_text("format"), rest=fields.rest())
        case _:
            return Opaque(NAME, dict(value))


def _image(fields: Fields) -> Image:
    url, file_id, detail = fields.text("image_url"), fields.text("file_id"), fields.text("detail")
    if url is None and file_id is None:
        name = fields.param("image_url")
        raise BadRequest(f"{name}: required, unless `file_id` is given", code="missing_required_parameter", param=name)
    inline = split_data_url(url)
    if inline is None:
        return Image(url=url, file_id=file_id, detail=detail, rest=fields.rest())
    return Image(media_type=inline[0], data=inline[1], file_id=file_id, detail=detail, rest=fields.rest())


def _file(fields: Fields) -> File:
    data = fields.text("file_data")
    inline = split_data_url(data)
    return File(
        url=fields.text("file_url"),
        data=inline[1] if inline else data,
        media_type=inline[0] if inline else None,
        filename=fields.text("filename"),
        file_id=fields.text("file_id"),
        rest=fields.rest(),
    )
