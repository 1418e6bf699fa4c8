"""The event sequence of a streamed response, numbered from zero."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.testing.sim import openai_responses_body as bodies
from tollway.testing.sim.answers import Call
from tollway.testing.sim.exchange import OBFUSCATION
from tollway.testing.sim.openai_responses_body import Object, Spoken


def events(spoken: Spoken) -> Iterator[Object]:
    """Every event in order, with its sequence number."""
    for number, event in enumerate(_events(spoken)):
        event["sequence_number"] = number
        yield event


def _events(spoken: Spoken) -> Iterator[Object]:
    reply = spoken.reply
    yield {"type": "response.created", "response": bodies.started(spoken)}
    yield {"type": "response.in_progress", "response": bodies.started(spoken)}
    index = 0
    if reply.reasoning:
        yield from _reasoning(spoken, index)
        index += 1
    if reply.pieces or not (reply.calls or reply.finish == "length"):
        yield from _message(spoken, index)
        index += 1
    for i, call in enumerate(reply.calls):
        yield from _call(spoken, index + i, i, call)
    cut = reply.finish == "length"
    name = "response.incomplete" if cut else "response.completed"
    yield {"type": name, "response": bodies.finished(spoken)}


def _added(index: int, item: Object) -> Object:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(index: int, item: Object) -> Object:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _reasoning(spoken: Spoken, index: int) -> Iterator[Object]:
    item = bodies.reasoning_item(spoken, done=False)
    yield _added(index, item)
    if bodies.wants_summary(spoken):
        place: Object = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        empty = {"type": "summary_text", "text": ""}
        yield {"type": "response.reasoning_summary_part.added", **place, "part": empty}
        for piece in spoken.reply.reasoning:
            yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
        text = spoken.reply.reasoning_text
        yield {"type": "response.reasoning_summary_text.done", **place, "text": text}
        whole = bodies.summary_part(spoken)
        yield {"type": "response.reasoning_summary_part.done", **place, "part": whole}
    yield _done(index, bodies.reasoning_item(spoken, done=True))


def _message(spoken: Spoken, index: int) -> Iterator[Object]:
    item = bodies.message_item(spoken, done=False)
    yield _added(index, item)
    place: Object = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = bodies.content_part(spoken, done=False)
    yield {"type": "response.content_part.added", **place, "part": part}
    if spoken.reply.finish == "refusal":
        yield from _refusal_text(spoken, place)
    else:
        yield from _output_text(spoken, place)
    part = bodies.content_part(spoken, done=True)
    yield {"type": "response.content_part.done", **place, "part": part}
    yield _done(index, bodies.message_item(spoken, done=True))


def _output_text(spoken: Spoken, place: Object) -> Iterator[Object]:
    options = spoken.asked.stream_options
    padded = options is None or options.include_obfuscation is not False
    for at, piece in enumerate(spoken.reply.pieces):
        event: Object = {"type": "response.output_text.delta", **place, "delta": piece}
        event["logprobs"] = bodies.logprobs(spoken, [piece])
        if padded:
            event["obfuscation"] = OBFUSCATION[: 3 + at % 13]
        yield event
    whole: Object = {"text": spoken.reply.text}
    whole["logprobs"] = bodies.logprobs(spoken, spoken.reply.pieces)
    yield {"type": "response.output_text.done", **place, **whole}


def _refusal_text(spoken: Spoken, place: Object) -> Iterator[Object]:
    for piece in spoken.reply.pieces:
        yield {"type": "response.refusal.delta", **place, "delta": piece}
    yield {"type": "response.refusal.done", **place, "refusal": spoken.reply.text}


def _call(spoken: Spoken, index: int, number: int, call: Call) -> Iterator[Object]:
    item = bodies.call_item(spoken, number, call, done=False)
    yield _added(index, item)
    place: Object = {"item_id": item["id"], "output_index": index}
    for at in range(0, len(call.arguments), 6):
        delta = call.arguments[at : at + 6]
        yield {"type": "response.function_call_arguments.delta", **place, "delta": delta}
    whole = {"arguments": call.arguments, "name": call.name}
    yield {"type": "response.function_call_arguments.done", **place, **whole}
    yield _done(index, bodies.call_item(spoken, number, call, done=True))
