"""Folds a neutral stream into the answer its non-streamed twin would have been."""

from collections.abc import Iterable

import msgspec

from tollway.core.answer import (
    Answer,
    AnswerStarted,
    Choice,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import Audio, Image, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamCut
from tollway.core.json_value import Json
from tollway.dialects.caller_fields import as_list


class _OpenPart:
    """A part while it grows."""

    __slots__ = ("annotations", "encrypted", "pieces", "signature", "started")

    def __init__(self, started: PartStarted) -> None:
        self.started = started
        self.pieces: list[str] = []
        self.annotations: list[Json] = []
        self.signature = started.signature
        self.encrypted = started.encrypted


class _OpenChoice:
    """A choice while it grows."""

    __slots__ = ("finished", "logprobs", "parts")

    def __init__(self) -> None:
        self.parts: dict[int, _OpenPart] = {}
        self.logprobs: list[Json] = []
        self.finished: ChoiceFinished | None = None


def collect_stream(events: Iterable[StreamEvent]) -> Answer:
    """Fold a whole stream.

    Raises:
        UpstreamAnswered: the provider reported an error inside it.
        UpstreamCut: it never began.
    """
    started: AnswerStarted | None = None
    usage: UsageReported | None = None
    choices: dict[int, _OpenChoice] = {}
    for event in events:
        if isinstance(event, AnswerStarted):
            started = event
        elif isinstance(event, UsageReported):
            usage = event
        elif isinstance(event, StreamFailed):
            raise UpstreamAnswered(event.message, status=event.status, kind=event.kind, code=event.code)
        elif isinstance(event, PartStarted | PartDelta | PartEnded | ChoiceFinished):
            _grow(choices.setdefault(event.choice, _OpenChoice()), event)
    if started is None:
        raise UpstreamCut("the provider's stream ended before its answer began")
    return Answer(
        id=started.id,
        model=started.model,
        created=started.created,
        choices=tuple(_choice(index, choices[index]) for index in sorted(choices)),
        usage=usage.usage if usage else None,
        usage_rest=usage.rest if usage else {},
        service_tier=started.service_tier,
        system_fingerprint=started.system_fingerprint,
        rest=started.rest,
        dialect=started.dialect,
    )


def _grow(choice: _OpenChoice, event: PartStarted | PartDelta | PartEnded | ChoiceFinished) -> None:
    if isinstance(event, PartStarted):
        choice.parts[event.part] = _OpenPart(event)
    elif isinstance(event, PartDelta):
        part = choice.parts[event.part]
        part.pieces.append(event.text)
        part.annotations.extend(event.annotations)
        choice.logprobs.extend(as_list(event.logprobs))
    elif isinstance(event, PartEnded):
        part = choice.parts[event.part]
        part.signature = event.signature or part.signature
        part.encrypted = event.encrypted or part.encrypted
    else:
        choice.finished = event


def _choice(index: int, choice: _OpenChoice) -> Choice:
    parts: list[Part] = []
    for number in sorted(choice.parts):
        open_part = choice.parts[number]
        part = _part(open_part)
        if part is None:
            continue
        previous = parts[-1] if parts else None
        if isinstance(part, Reasoning) and isinstance(previous, Reasoning) and _one_item(previous, part):
            parts[-1] = _joined(previous, part)
        else:
            parts.append(part)
    finished = choice.finished
    return Choice(
        index=index,
        parts=tuple(parts),
        finish=finished.finish if finished else None,
        native_finish=finished.native_finish if finished else None,
        stop_sequence=finished.stop_sequence if finished else None,
        logprobs=choice.logprobs or None,
        rest=finished.rest if finished else {},
    )


def _part(part: _OpenPart) -> Part | None:
    started, text = part.started, "".join(part.pieces)
    match started.kind:
        case "text":
            return Text(
                text,
                annotations=tuple(part.annotations),
                signature=part.signature,
                origin=started.origin,
                rest=started.rest,
            )
        case "reasoning":
            return Reasoning(text=text, signature=part.signature, encrypted=part.encrypted, id=started.item_id)
        case "summary":
            return Reasoning(summary=(text,), encrypted=part.encrypted, id=started.item_id)
        case "tool_call":
            return ToolCall(
                id=started.id,
                name=started.name,
                arguments=text,
                custom=started.custom,
                item_id=started.item_id,
                signature=part.signature,
                rest=started.rest,
            )
        case "refusal":
            return Refusal(text)
        case "image":
            return Image(data=text, media_type=started.media_type)
        case "audio":
            return Audio(data=text, format=(started.media_type or "").rpartition("/")[2])
        case "opaque":
            return started.opaque


def _one_item(first: Reasoning, second: Reasoning) -> bool:
    """Summaries and text of one Responses item stream as several parts with the same item id."""
    return first.id is not None and first.id == second.id and first.signature is None


def _joined(first: Reasoning, second: Reasoning) -> Reasoning:
    return msgspec.structs.replace(
        first,
        text=first.text + second.text,
        summary=first.summary + second.summary,
        signature=second.signature,
        encrypted=second.encrypted or first.encrypted,
    )
