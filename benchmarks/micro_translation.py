"""What translation costs over passing bytes, in µs of CPU: `python -m benchmarks.micro_translation`.

- *call*: a chat request of 2 KB read, written for the provider, its answer read and written for the caller; from it
  is taken what the same call costs when bytes pass.
- *event*: one event of a stream of many, read and written.
- *growth*: the cost of an event (or of a tool call, or of a KB of arguments) in a stream ten times as long, in that of
  the short one: 1 where the work is linear.

The streams read are those the provider's own dialect writes.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tollway.core.answer import (
    Answer,
    AnswerEnded,
    AnswerStarted,
    Choice,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    UsageReported,
)
from tollway.core.conversation import Losses, Text
from tollway.core.usage import Usage
from tollway.dialects.registry import all_dialects, conversation_dialect
from tollway.interfaces.dialect import ConversationDialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

CALLER = "openai-chat"
GOAL_CALL_US = 60.0
GOAL_EVENT_US = 6.0
GOAL_GROWTH = 2.0
ROUNDS = 60
SHORT, LONG = 1_000, 10_000
ARGUMENTS_KB = 1_024
NOW = 1_700_000_000

PROVIDER = Provider(
    name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer(), default_max_output_tokens=1024
)
REQUEST = msgspec.json.encode(
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "word " * 380},
        ],
        "temperature": 0.7,
        "max_completion_tokens": 400,
    }
)
USAGE = Usage(input_fresh=400, output_text=150)


def cpu_us(work: Callable[[], object], times: int) -> float:
    """CPU of one run, the least of many rounds."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            work()
        shortest = min(shortest, time.process_time() - began)
    return shortest / times * 1e6


def answer_of(dialect: ConversationDialect) -> bytes:
    """An answer of 1 KB as this dialect's provider gives it."""
    text = Answer(id="a1", model="m", choices=(Choice(0, (Text("word " * 180),), finish="stop"),), usage=USAGE)
    request = conversation_dialect(CALLER).parse_request(REQUEST, path_model="m", stream=False)
    return dialect.render_answer(text, request, now=NOW)


def request_in(dialect: ConversationDialect) -> bytes:
    """The request as a caller of this dialect writes it."""
    request = conversation_dialect(CALLER).parse_request(REQUEST, path_model="m", stream=False)
    return REQUEST if dialect.name == CALLER else dialect.render_request(request, PROVIDER, Losses())


def translate_call(inbound: ConversationDialect, outbound: ConversationDialect, answer: bytes) -> None:
    """A whole call, as the gateway translates it."""
    request = inbound.parse_request(REQUEST, path_model="m", stream=False)
    outbound.render_request(request, PROVIDER, Losses())
    inbound.render_answer(outbound.parse_answer(answer), request, now=NOW)


def pass_call(dialect: ConversationDialect, answer: bytes) -> None:
    """A whole call, as the gateway passes it."""
    members = msgspec.json.decode(REQUEST, type=dict[str, msgspec.Raw])
    dialect.rewrite_model(members, "m")
    msgspec.json.encode(members)
    dialect.facts(answer)


def words(count: int) -> list[StreamEvent]:
    """A stream of text in this many pieces."""
    return _stream([PartStarted(0, 0, "text"), *[PartDelta(0, 0, "word ")] * count, PartEnded(0, 0)])


def tool_calls(count: int) -> list[StreamEvent]:
    """A stream of this many tool calls."""
    parts: list[StreamEvent] = []
    for number in range(count):
        parts += [
            PartStarted(0, number, "tool_call", id=f"call_{number}", name="f"),
            PartDelta(0, number, '{"a":1}'),
            PartEnded(0, number),
        ]
    return _stream(parts)


def arguments(kilobytes: int) -> list[StreamEvent]:
    """One tool call whose arguments come in pieces of a kilobyte."""
    piece = PartDelta(0, 0, "x" * 1_024)
    begun = [PartStarted(0, 0, "tool_call", id="call_0", name="f"), PartDelta(0, 0, '{"a":"')]
    return _stream([*begun, *[piece] * kilobytes, PartDelta(0, 0, '"}'), PartEnded(0, 0)])


def _stream(parts: Sequence[StreamEvent]) -> list[StreamEvent]:
    return [AnswerStarted("a1", "m"), *parts, ChoiceFinished(0, "stop"), UsageReported(USAGE), AnswerEnded()]


def wire_of(dialect: ConversationDialect, events: Sequence[StreamEvent]) -> list[bytes]:
    """The stream as this dialect writes it, an event a piece."""
    request = conversation_dialect(CALLER).parse_request(REQUEST, path_model="m", stream=True)
    renderer = dialect.stream_renderer(request, now=NOW, new_id="01ID", framing="sse")
    return [piece for piece in (renderer.feed([event]) for event in events) if piece]


def translate_stream(inbound: ConversationDialect, outbound: ConversationDialect, wire: Sequence[bytes]) -> None:
    """A whole stream, a read an event."""
    request = inbound.parse_request(request_in(inbound), path_model="m", stream=True)
    parser = outbound.stream_parser()
    renderer = inbound.stream_renderer(request, now=NOW, new_id="01ID", framing="sse")
    for piece in wire:
        renderer.feed(parser.feed(piece))
    renderer.feed(parser.close())


def once_us(work: Callable[[], object]) -> float:
    """CPU of one run of something long, the least of three."""
    return min(_spent(work) for _ in range(3))


def _spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e6


def growth(
    inbound: ConversationDialect, outbound: ConversationDialect, make: Callable[[int], list[StreamEvent]], long: int
) -> float:
    """How much dearer a piece of a long stream is than one of a stream a tenth as long."""
    costs = [
        once_us(partial(translate_stream, inbound, outbound, wire_of(outbound, make(size)))) / size
        for size in (long // 10, long)
    ]
    return costs[1] / costs[0]


def main() -> int:
    """Measure every dialect as a provider's, behind callers of Chat Completions and the other way round."""
    chat = conversation_dialect(CALLER)
    passed = cpu_us(partial(pass_call, chat, answer_of(chat)), 100)
    print(f"a call of {len(REQUEST)} bytes that passes: {passed:.1f} µs\n")
    head = ("caller", "provider", "call, µs over", "event, µs", "events", "tool calls", "1 MB arguments")
    print(f"{head[0]:20} {head[1]:20} {head[2]:>14} {head[3]:>10}   growth: {head[4]:>7} {head[5]:>11} {head[6]:>15}")
    missed = 0
    for dialect in all_dialects():
        if not hasattr(dialect, "stream_parser") or dialect.name == CALLER:
            continue
        other = conversation_dialect(dialect.name)
        for inbound, outbound in ((chat, other), (other, chat)):
            call: float | None = None
            if inbound is chat:
                call = cpu_us(partial(translate_call, inbound, outbound, answer_of(outbound)), 20) - passed
            wire = wire_of(outbound, words(SHORT))
            event = once_us(partial(translate_stream, inbound, outbound, wire)) / len(wire)
            grown = [
                growth(inbound, outbound, words, LONG),
                growth(inbound, outbound, tool_calls, LONG // 10),
                growth(inbound, outbound, arguments, ARGUMENTS_KB),
            ]
            shown = "" if call is None else f"{call:.1f}"
            figures = "".join(f"{one:12.2f}" for one in grown)
            print(f"{inbound.name:20} {outbound.name:20} {shown:>14} {event:10.2f}         {figures}")
            missed += (call or 0) > GOAL_CALL_US or event > GOAL_EVENT_US or max(grown) > GOAL_GROWTH
    print(f"\ngoals: call ≤ {GOAL_CALL_US:g} µs over, event ≤ {GOAL_EVENT_US:g} µs, growth ≤ {GOAL_GROWTH:g}")
    print("all met" if not missed else f"{missed} lines miss one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
