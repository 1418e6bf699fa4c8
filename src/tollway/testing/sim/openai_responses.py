"""OpenAI's Responses: create (plain and streamed), fetch and delete."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from tollway.testing.http_messages import Headers
from tollway.testing.sim import models, openai_errors
from tollway.testing.sim import openai_responses_body as bodies
from tollway.testing.sim.answers import Ask, Tool, ToolUse, answer
from tollway.testing.sim.exchange import SSE_TYPE, Answer, Exchange, sse_event
from tollway.testing.sim.json_samples import Json, decode
from tollway.testing.sim.openai_chat_request import reasoning_budget
from tollway.testing.sim.openai_errors import RequestError
from tollway.testing.sim.openai_responses_body import Item, ResponsesRequest, Spoken, ToolEntry
from tollway.testing.sim.openai_responses_events import events

STORE_LIMIT: Final = 256
SMALLEST_OUTPUT: Final = 16

DECODER: Final = msgspec.json.Decoder(ResponsesRequest)


class Kept(msgspec.Struct, frozen=True):
    """A response kept for later calls: its body, and the size of its conversation."""

    body: bytes
    chars: int
    messages: int


class Store:
    """The last responses, by id. Old ones are forgotten: the simulator runs for long."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def keep(self, name: str, kept: Kept) -> None:
        """Remember a response."""
        self._kept[name] = kept
        if len(self._kept) > STORE_LIMIT:
            self._kept.popitem(last=False)

    def find(self, name: str) -> Kept | None:
        """The response of this id, if it is still known."""
        return self._kept.get(name)

    def forget(self, name: str) -> bool:
        """Delete a response; whether there was one."""
        return self._kept.pop(name, None) is not None


def create(exchange: Exchange, store: Store) -> Answer:
    """Answer `POST /v1/responses`."""
    try:
        asked = openai_errors.read(DECODER, exchange.request.body)
        spoken = prepare(exchange, asked, store)
    except RequestError as error:
        return openai_errors.refuse(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return openai_errors.troubled(exchange, status)
    plain, streamed = openai_errors.headers(exchange), openai_errors.headers(exchange, SSE_TYPE)
    return deliver(spoken, store, plain, streamed)


def deliver(spoken: Spoken, store: Store, plain: Headers, streamed: Headers) -> Answer:
    """Keep the response if it may be kept, and send it in the way that was asked for."""
    exchange, asked = spoken.exchange, spoken.asked
    body = msgspec.json.encode(bodies.finished(spoken))
    if asked.store is not False:
        chars = spoken.input_chars + len(spoken.reply.text)
        store.keep(spoken.id, Kept(body, chars, spoken.messages + 1))
    if not asked.stream:
        return exchange.plain_bytes(body, plain)
    framed = [sse_event(str(event["type"]), event) for event in events(spoken)]
    trouble: dict[str, object] = {
        "type": "error",
        "code": "server_error",
        "message": openai_errors.STATUSES[500][2],
        "param": None,
        "sequence_number": exchange.behaviour.amount,
    }
    return exchange.stream(framed, streamed, error=sse_event("error", trouble))


def fetch(exchange: Exchange, store: Store, name: str) -> Answer:
    """Answer `GET /v1/responses/{id}` and `DELETE /v1/responses/{id}`."""
    kept = store.find(name)
    if kept is None:
        message = f"Response with id '{name}' not found."
        return openai_errors.refuse(exchange, RequestError(message, status=404, param="id"))
    if exchange.request.method == "DELETE":
        store.forget(name)
        gone = {"id": name, "object": "response", "deleted": True}
        return exchange.plain(gone, openai_errors.headers(exchange))
    return exchange.plain_bytes(kept.body, openai_errors.headers(exchange))


def prepare(
    exchange: Exchange,
    asked: ResponsesRequest,
    store: Store,
    *,
    served_by: Callable[[str], str | None] = models.openai_served,
) -> Spoken:
    """Check the request and make the reply.

    Raises:
        RequestError: something required is missing, out of range, or not known.
    """
    items = _checked(asked)
    model = exchange.settle(asked.model or "")
    served = served_by(model)
    if served is None:
        # This endpoint says 400 where the chat endpoint says 404.
        message = f"The requested model '{asked.model}' does not exist."
        raise RequestError(message, code="model_not_found", param="model")
    try:
        ask = _ask(asked, items, served)
    except msgspec.ValidationError as error:
        # `tools` and `tool_choice` are told back as they came, so they are read only here.
        raise RequestError(f"Invalid tools or tool_choice: {error}.", code="invalid_type") from error
    ask.refuse = exchange.behaviour.kind == "refuse"
    if asked.previous_response_id is not None:
        before = store.find(asked.previous_response_id)
        if before is None:
            message = f"Previous response with id '{asked.previous_response_id}' not found."
            code = "previous_response_not_found"
            raise RequestError(message, code=code, param="previous_response_id")
        ask.input_chars += before.chars
        ask.messages += before.messages
    return Spoken(
        id=exchange.mint("resp_", digits=48),
        exchange=exchange,
        asked=asked,
        served=served,
        reply=answer(ask),
        input_chars=ask.input_chars,
        messages=ask.messages,
    )


def _checked(asked: ResponsesRequest) -> list[Item]:
    if not asked.model:
        message = "Missing required parameter: 'model'."
        raise RequestError(message, code="missing_required_parameter", param="model")
    if asked.input is None and asked.previous_response_id is None:
        message = "Missing required parameter: 'input'."
        raise RequestError(message, code="missing_required_parameter", param="input")
    if asked.temperature is not None and not 0 <= asked.temperature <= 2:
        edge, word = ("below", "min") if asked.temperature < 0 else ("above", "max")
        message = f"Invalid 'temperature': expected a value from 0 to 2, got {asked.temperature:g}."
        raise RequestError(message, code=f"decimal_{edge}_{word}_value", param="temperature")
    if asked.max_output_tokens is not None and asked.max_output_tokens < SMALLEST_OUTPUT:
        message = f"Invalid 'max_output_tokens': expected at least {SMALLEST_OUTPUT}, got {asked.max_output_tokens}."
        raise RequestError(message, code="integer_below_min_value", param="max_output_tokens")
    if asked.background:
        message = "Background responses are not simulated."
        raise RequestError(message, code="unsupported_parameter", param="background")
    if isinstance(asked.input, str):
        return [Item(role="user", content=asked.input)]
    return asked.input or []


def _ask(asked: ResponsesRequest, items: list[Item], served: str) -> Ask:
    prompts = [item for item in items if item.role == "user"]
    told = [item.text for item in items if item.role in {"system", "developer"}]
    results: list[str] = []
    for item in reversed(items):
        if item.type not in {"function_call_output", "custom_tool_call_output"}:
            break
        results.insert(0, item.output_text)
    functions = [entry for entry in bodies.tools(asked) if entry.type == "function"]
    chars = sum(len(item.text) + len(item.output_text) + len(item.arguments) for item in items)
    chars += sum(len(entry.name) + len(bytes(entry.parameters)) for entry in functions)
    mode, named = _tool_choice(asked)
    return Ask(
        prompt=prompts[-1].text if prompts else "",
        system="\n".join([asked.instructions or "", *told]).strip(),
        input_chars=chars + len(asked.instructions or ""),
        messages=len(items) + (1 if asked.instructions else 0),
        images=sum(item.images for item in items),
        tools=[Tool(e.name, decode(e.parameters), e.description or "") for e in functions],
        tool_use=mode,
        tool_named=named,
        parallel=asked.parallel_tool_calls is not False,
        tool_results=results,
        json_object=_format_type(asked) == "json_object",
        schema=_schema(asked),
        reasoning_tokens=reasoning_budget(served, asked.reasoning.effort if asked.reasoning is not None else None),
        max_tokens=asked.max_output_tokens,
    )


def _format_type(asked: ResponsesRequest) -> str:
    form = asked.text.format if asked.text is not None else None
    return form.type if form is not None else "text"


def _schema(asked: ResponsesRequest) -> Json:
    form = asked.text.format if asked.text is not None else None
    return decode(form.schema) if form is not None and form.type == "json_schema" else None


def _tool_choice(asked: ResponsesRequest) -> tuple[ToolUse, str | None]:
    raw = bytes(asked.tool_choice)
    if not raw or raw.startswith(b'"'):
        word = decode(raw) if raw else "auto"
        return "none" if word == "none" else "required" if word == "required" else "auto", None
    choice = msgspec.json.decode(raw, type=ToolEntry)
    if choice.type == "function":
        return "required", choice.name
    return "required" if choice.mode == "required" else "auto", None
