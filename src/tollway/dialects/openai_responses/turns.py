"""Turns that the gateway keeps, in this API's words: `previous_response_id`, `conversation`, and questions about them.

Rules of this file:
- `instructions` are never part of what is kept: "the instructions from a previous response will not be carried over to
  the next response". Neither are tools and settings.
- The id of an output item names its response: `msg_tollway<secret><n>` is item n of `resp_tollway_<secret>`, so that an
  `item_reference` can be followed without an index.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.conversation import Conversation, KeptTurn
from tollway.core.errors import BadRequest, CallerError, NotFound
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, decode_request, wrong_type
from tollway.dialects.openai_responses.tools import NAME
from tollway.interfaces.kept_turns import KeptThing, KeptTurns, Page, TurnAsked

_PREFIXES: Final[Mapping[KeptThing, str]] = {"turn": "resp_tollway_", "thread": "conv_tollway_"}
_WORDS: Final[Mapping[KeptThing, str]] = {"turn": "Response", "thread": "Conversation"}
_SECRET: Final = re.compile(r"[0-9a-f]{32}")
_ITEM: Final = re.compile(r"[a-z]+_tollway([0-9a-f]{32})i?[0-9]{1,6}")
_ITEM_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
_ENCRYPTED: Final = "reasoning.encrypted_content"
_MOST_LISTED: Final = 100
_MOST_ADDED: Final = 20
_MOST_METADATA: Final = 16
_ORDERS: Final = ("asc", "desc")

_Items = list[msgspec.Raw]
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Output(msgspec.Struct):
    output: _Items = []


_output: Final = msgspec.json.Decoder(_Output)


class ResponseTurns:
    """The `KeptTurns` of Responses."""

    def asked(self, members: Mapping[str, msgspec.Raw]) -> TurnAsked:
        """Read `store`, `previous_response_id` and `conversation`."""
        previous = _text(members.get("previous_response_id"), "previous_response_id")
        thread = _conversation_id(members.get("conversation"))
        if previous and thread:
            raise BadRequest(
                "previous_response_id: cannot be used in conjunction with `conversation`; leave one of them out",
                code="mutually_exclusive_parameters",
                param="previous_response_id",
            )
        store = members.get("store")
        return TurnAsked(store is None or bytes(store) != b"false", previous, thread)

    def items(self, members: Mapping[str, msgspec.Raw]) -> _Items:
        """Give the items of `input`; a string is a user's message."""
        given = bytes(members.get("input", b""))
        if given[:1] == b'"':
            content = [{"type": "input_text", "text": msgspec.json.decode(given)}]
            return [_raw({"type": "message", "role": "user", "content": content})]
        if given[:1] != b"[":
            return []
        return [msgspec.Raw(bytes(one)) for one in _items.decode(given)]

    def references(self, items: Iterable[msgspec.Raw]) -> Mapping[int, tuple[str, str]]:
        """Find `item_reference`s to what is kept here."""
        found: dict[int, tuple[str, str]] = {}
        for index, one in enumerate(items):
            if b"item_reference" not in bytes(one):
                continue
            item = as_object(msgspec.json.decode(one))
            identity = item.get("id")
            match = _ITEM.fullmatch(identity) if isinstance(identity, str) else None
            if match is not None and (item.get("type") is None or item.get("type") == "item_reference"):
                found[index] = (self.new_id("turn", match[1]), match[0])
        return found

    def body(self, members: Mapping[str, msgspec.Raw], items: Sequence[msgspec.Raw]) -> bytes:
        """Write the request with `items` as its input."""
        left = {name: raw for name, raw in members.items() if name not in {"previous_response_id", "conversation"}}
        if items or "input" in members:
            left["input"] = msgspec.Raw(b"[%b]" % b",".join(bytes(one) for one in items))
        return msgspec.json.encode(left)

    def kept(self, request: Conversation, turn: KeptTurn, provider_dialect: str) -> Conversation:
        """Tell a provider of this API to keep nothing, and to give its thinking in a form that can be sent back."""
        if provider_dialect != NAME:
            return msgspec.structs.replace(request, kept=turn, store=None)
        include = as_list(request.specific.get("include"))
        if _ENCRYPTED not in include:
            include = [*include, _ENCRYPTED]
        specific = {**request.specific, "include": include}
        return msgspec.structs.replace(request, kept=turn, store=False, specific=specific)

    def refuse_unkept(self, members: Mapping[str, msgspec.Raw]) -> None:
        """Refuse references to turns that nobody keeps."""
        asked = self.asked(members)
        if asked.previous or asked.thread:
            name = "previous_response_id" if asked.previous else "conversation"
            raise BadRequest(
                f"{name}: the model's provider keeps no responses, and this gateway keeps none for it; send the "
                "earlier items as `input`, or ask the gateway's operator to set `response_state` on this LLM proxy",
                code="unsupported_parameter",
                param=name,
            )

    def new_id(self, thing: KeptThing, secret: str) -> str:
        """Write an id."""
        return _PREFIXES[thing] + secret

    def made(self, thing: KeptThing, identity: str) -> bool:
        """Tell whether an id is one of `new_id`."""
        prefix = _PREFIXES[thing]
        return identity.startswith(prefix) and _SECRET.fullmatch(identity, len(prefix)) is not None

    def output(self, answer: bytes) -> _Items:
        """Give the output items."""
        return [msgspec.Raw(bytes(one)) for one in _output.decode(answer).output]

    def unkept(self, answer: bytes) -> bytes:
        """Say `store: false`."""
        members = _object.decode(answer)
        members["store"] = msgspec.Raw(b"false")
        return msgspec.json.encode(members)

    def named(self, items: Sequence[msgspec.Raw], owner: str) -> list[tuple[str, msgspec.Raw]]:
        """Give each item id and status, and write short messages out."""
        secret = owner.rpartition("_")[2]
        named: list[tuple[str, msgspec.Raw]] = []
        for index, one in enumerate(items):
            item = _written_out(as_object(msgspec.json.decode(one)))
            identity = item.get("id")
            if not isinstance(identity, str) or not identity:
                identity = f"{_ITEM_PREFIXES.get(as_text(item.get('type')), 'item')}_tollway{secret}i{index}"
                item = {"id": identity, **{name: value for name, value in item.items() if name != "id"}}
            named.append((identity, _raw(item)))
        return named

    def page(self, query: Mapping[str, str]) -> Page:
        """Read `after`, `limit` and `order`. `include` adds nothing: all that is kept is shown."""
        order = query.get("order", "desc")
        if order not in _ORDERS:
            raise BadRequest("order: is none of asc, desc", code="invalid_value", param="order")
        written = query.get("limit", "20")
        limit = int(written) if written.isascii() and written.isdecimal() and len(written) < 4 else 0
        if not 1 <= limit <= _MOST_LISTED:
            raise BadRequest(f"limit: is no number from 1 to {_MOST_LISTED}", code="invalid_value", param="limit")
        return Page(query.get("after", ""), limit, order == "desc")

    def check_retrieval(self, query: Mapping[str, str]) -> None:
        """Refuse to stream an answer again."""
        for name in ("stream", "starting_after"):
            if query.get(name, "false").lower() != "false":
                raise BadRequest(
                    f"{name}: a response kept by the gateway cannot be streamed again; leave it out",
                    code="unsupported_parameter",
                    param=name,
                )

    def listed(self, items: Sequence[tuple[str, msgspec.Raw]], *, more: bool) -> bytes:
        """Write a `list`."""
        return msgspec.json.encode(
            {
                "object": "list",
                "data": [item for _, item in items],
                "first_id": items[0][0] if items else None,
                "last_id": items[-1][0] if items else None,
                "has_more": more,
            }
        )

    def deleted(self, thing: KeptThing, identity: str) -> bytes:
        """Write that something was deleted."""
        kind = "response" if thing == "turn" else "conversation.deleted"
        return msgspec.json.encode({"id": identity, "object": kind, "deleted": True})

    def unknown(self, thing: KeptThing, identity: str, item: str = "") -> CallerError:
        """Say it as OpenAI does."""
        if item:
            return NotFound(f"Item with id '{item}' not found.", param="id")
        return NotFound(f"{_WORDS[thing]} with id '{identity}' not found.", param="id")

    def unknown_previous(self, identity: str, why: str = "") -> CallerError:
        """Say it as OpenAI does, and what more is known."""
        return BadRequest(
            f"Previous response with id '{identity}' not found{f': {why}' if why else ''}.",
            code="previous_response_not_found",
            param="previous_response_id",
        )

    def not_running(self) -> CallerError:
        """Say it as OpenAI does."""
        return BadRequest("Cannot cancel a synchronous response: only those with `background` can be.", param="id")

    def thread(self, body: bytes, *, new: bool) -> tuple[JsonObject, _Items]:
        """Read `metadata`, and `items` of a new conversation."""
        fields = Fields(decode_request(body) if body else {})
        metadata = fields.object("metadata")
        if metadata is None and not new:
            raise BadRequest("metadata: required", code="missing_required_parameter", param="metadata")
        items = _added(fields.list("items") or []) if new else []
        _no_more(fields)
        return _checked(metadata or {}), items

    def thread_object(self, identity: str, told: Mapping[str, object], created_seconds: int) -> bytes:
        """Write a `conversation`."""
        return msgspec.json.encode(
            {"id": identity, "object": "conversation", "created_at": created_seconds, "metadata": told}
        )

    def added_items(self, body: bytes) -> _Items:
        """Read `items`."""
        fields = Fields(decode_request(body))
        items = fields.list("items")
        if not items:
            raise BadRequest("items: required, at least one", code="missing_required_parameter", param="items")
        _no_more(fields)
        return _added(items)


TURNS: Final[KeptTurns] = ResponseTurns()


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _text(raw: msgspec.Raw | None, name: str) -> str:
    value: Json = None if raw is None else msgspec.json.decode(raw)
    if value is not None and not isinstance(value, str):
        wrong_type(name, "a string", value)
    return value or ""


def _conversation_id(raw: msgspec.Raw | None) -> str:
    value: Json = None if raw is None else msgspec.json.decode(raw)
    if value is None or isinstance(value, str):
        return value or ""
    return Fields(value, "conversation").required_text("id")


def _written_out(item: JsonObject) -> JsonObject:
    """Give an item the members that an item of an answer has."""
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    item = {"type": kind, **{name: value for name, value in item.items() if name != "type"}}
    if kind == "message":
        spoken = "output_text" if item.get("role") == "assistant" else "input_text"
        content: Json = item.get("content")
        parts = [{"type": spoken, "text": content}] if isinstance(content, str) else as_list(content)
        item["content"] = [_part(as_object(part)) for part in parts]
    if kind in _ITEM_PREFIXES and kind not in {"reasoning", "custom_tool_call", "custom_tool_call_output"}:
        item.setdefault("status", "completed")
    return item


def _part(part: JsonObject) -> JsonObject:
    if part.get("type") == "output_text":
        return {"annotations": [], "logprobs": [], **part}
    return {"detail": "auto", **part} if part.get("type") == "input_image" else part


def _added(items: Sequence[Json]) -> _Items:
    if len(items) > _MOST_ADDED:
        raise BadRequest(
            f"items: at most {_MOST_ADDED} can be added at a time, here are {len(items)}",
            code="array_above_max_length",
            param="items",
        )
    for index, one in enumerate(items):
        fields = Fields(one, f"items[{index}]")
        if fields.text("type") is None and fields.text("role") is None:
            raise BadRequest(
                f"items[{index}]: needs a `type`, or a `role` for a message",
                code="missing_required_parameter",
                param=f"items[{index}]",
            )
    return [_raw(one) for one in items]


def _checked(metadata: JsonObject) -> JsonObject:
    if len(metadata) > _MOST_METADATA:
        raise BadRequest(f"metadata: has more than {_MOST_METADATA} pairs", code="invalid_value", param="metadata")
    for name, value in metadata.items():
        if len(name) > 64 or not isinstance(value, str) or len(value) > 512:
            raise BadRequest(
                "metadata: keys are strings of at most 64 characters, values strings of at most 512",
                code="invalid_value",
                param="metadata",
            )
    return metadata


def _no_more(fields: Fields) -> None:
    for name in fields.rest():
        raise BadRequest(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
