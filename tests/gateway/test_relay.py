"""Streams on their way to the caller, cut anywhere."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import KeptTurn
from tollway.core.errors import PolicyRefusal, TollwayError, UpstreamCut, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.registry import conversation_dialect
from tollway.gateway.relay import ArrayRelay, KeepingRelay, PassthroughRelay, PolicyRelay, Relay, TranslatingRelay
from tollway.interfaces.dialect import KeepableRenderer
from tollway.interfaces.policy import ResponseEvent

from .serving import DONE, EVENTS, MESSAGES, SHOWN, TEXTS, USED, chunk

CHAT = conversation_dialect("openai-chat")
HELD_LIMIT = 262_144
USAGE = Usage(input_fresh=30, output_text=20)
BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
streams = st.lists(texts, max_size=6).map(lambda said: "".join([*map(chunk, said), *EVENTS[3:]]).encode())
line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


def passthrough(*, hide_usage: bool = False) -> PassthroughRelay:
    return PassthroughRelay(CHAT.stream_watch(hide_usage=hide_usage), CHAT.render_stream_error)


def translating() -> TranslatingRelay:
    inbound = conversation_dialect("anthropic-messages")
    body = msgspec.json.encode({**MESSAGES, "stream": True})
    request = inbound.parse_request(body, path_model="", stream=True)
    return TranslatingRelay(CHAT.stream_parser(), inbound.stream_renderer(request, now=1, new_id="1", framing="sse"))


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def fed(relay: Relay, data: bytes, cuts: Sequence[int] = ()) -> list[bytes]:
    return [*(relay.feed(piece) for piece in pieces(data, cuts)), relay.close()]


cuts_anywhere = st.lists(st.integers(0, 10_000), max_size=12)


# --- passed through


@given(streams, line_ends, cuts_anywhere)
def test_any_cut_of_a_stream_gives_the_same_bytes(stream: bytes, line_end: bytes, cuts: list[int]) -> None:
    stream = stream.replace(b"\n", line_end)
    relay = passthrough()
    assert b"".join(fed(relay, stream, cuts)) == stream
    assert (relay.ended, relay.failed, relay.facts().usage) == (True, False, USAGE)


@given(streams, line_ends, cuts_anywhere)
def test_only_whole_events_leave(stream: bytes, line_end: bytes, cuts: list[int]) -> None:
    for out in fed(passthrough(), stream.replace(b"\n", line_end), cuts):
        assert not out or BLANK.search(out, len(out) - 4)


@given(streams, line_ends, cuts_anywhere)
def test_any_cut_hides_the_usage_the_caller_did_not_ask_for(stream: bytes, line_end: bytes, cuts: list[int]) -> None:
    relay = passthrough(hide_usage=True)
    out = b"".join(fed(relay, stream.replace(b"\n", line_end), cuts))
    assert out == stream.replace(chunk(usage=USED).encode(), b"").replace(b"\n", line_end)
    assert relay.facts().usage == USAGE


@given(streams, line_ends, st.integers(0, 10_000))
def test_a_stream_that_breaks_never_leaves_half_an_event_before_its_error(
    stream: bytes, line_end: bytes, cut: int
) -> None:
    stream = stream.replace(b"\n", line_end)
    relay = passthrough()
    out = relay.feed(stream[: cut % (len(stream) + 1)])
    assert stream.startswith(out)
    assert not out or BLANK.search(out, len(out) - 4)
    error = relay.fail(UpstreamCut("it stopped"))
    assert b"it stopped" in error
    assert not error.startswith(b"\n")
    assert relay.close() == b""


def test_an_event_larger_than_the_limit_passes_in_pieces() -> None:
    picture = chunk("x" * (HELD_LIMIT + 100)).encode()
    stream = picture + "".join(EVENTS[3:]).encode()
    relay = passthrough()
    out = [relay.feed(stream[: HELD_LIMIT + 50]), relay.feed(stream[HELD_LIMIT + 50 :])]
    assert out[0]
    assert b"".join(out) == stream
    assert (relay.ended, relay.facts().usage) == (True, USAGE)


def test_a_last_event_without_its_blank_line_passes() -> None:
    relay = passthrough()
    assert relay.feed(b"data: [DONE]\n") == b""
    assert relay.close().startswith(b"data: [DONE]\n\n")
    assert relay.ended


@pytest.mark.parametrize("rest", [b"", b"\n", b"\r\n", b"  "])
def test_nothing_but_blanks_at_the_end_adds_nothing(rest: bytes) -> None:
    relay = passthrough()
    assert relay.feed(DONE.encode() + rest) in {DONE.encode(), DONE.encode() + rest}
    assert relay.close() == b""


def test_a_providers_error_inside_the_stream_is_seen() -> None:
    relay = passthrough()
    event = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
    assert relay.feed(event) == event
    assert (relay.ended, relay.failed) == (False, True)


# --- translated


@given(streams, line_ends, cuts_anywhere)
def test_any_cut_of_a_translated_stream_gives_the_same_bytes(stream: bytes, line_end: bytes, cuts: list[int]) -> None:
    whole = translating()
    expected = b"".join(fed(whole, stream))
    relay = translating()
    assert b"".join(fed(relay, stream.replace(b"\n", line_end), cuts)) == expected
    assert b"event: message_stop" in expected
    assert (relay.ended, relay.failed) == (True, False)
    assert relay.facts() == whole.facts()
    facts = relay.facts()
    assert (facts.usage, facts.model, facts.id, facts.finish) == (USAGE, "m-1", "c-1", "stop")


def test_a_translated_stream_that_breaks_ends_with_the_callers_error_event() -> None:
    relay = translating()
    relay.feed("".join(TEXTS).encode())
    assert b"event: error" in relay.fail(UpstreamCut("it stopped"))
    assert not relay.ended


def test_a_stream_that_cannot_be_read_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        translating().feed(b"data: {nonsense\n\n")


def test_a_providers_error_is_translated() -> None:
    relay = translating()
    relay.feed(TEXTS[0].encode())
    out = relay.feed(b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n')
    assert b"event: error" in out
    assert b"overloaded" in out
    assert relay.failed


# --- as one array


@given(st.lists(texts, max_size=5), cuts_anywhere)
def test_any_cut_of_a_stream_gives_the_same_array(said: list[str], cuts: list[int]) -> None:
    events = [*map(chunk, said), *EVENTS[3:]]
    relay = ArrayRelay(passthrough())
    out = b"".join(fed(relay, "".join(events).encode(), cuts))
    expected = [msgspec.json.decode(event.removeprefix("data: ")) for event in events[:-1]]
    assert msgspec.json.decode(out) == expected
    assert (relay.ended, relay.failed, relay.facts().usage) == (True, False, USAGE)


@given(st.integers(0, 10_000))
def test_an_array_that_breaks_is_closed_with_the_error_as_its_last_element(cut: int) -> None:
    stream = "".join(TEXTS).encode()
    relay = ArrayRelay(passthrough())
    out = relay.feed(stream[: cut % (len(stream) + 1)]) + relay.fail(UpstreamCut("it stopped"))
    assert msgspec.json.decode(out)[-1]["error"]["message"] == "it stopped"


# --- shown to policies


def passes(event: ResponseEvent) -> ResponseEvent:
    return event


def shouts(event: ResponseEvent) -> ResponseEvent:
    return ResponseEvent(event.data.replace(b"two", b"TWO"), event.event)


def drops(event: ResponseEvent) -> ResponseEvent | None:
    return None if b"two" in event.data else event


@pytest.mark.parametrize(
    ("decide", "shown"),
    [(passes, SHOWN), (shouts, SHOWN.replace("two", "TWO")), (drops, SHOWN.replace(TEXTS[1], ""))],
    ids=["passed", "replaced", "dropped"],
)
@given(cuts=cuts_anywhere)
def test_policies_decide_about_whole_events_whatever_the_cuts(decide, shown: str, cuts: list[int]) -> None:
    relay = PolicyRelay(passthrough(hide_usage=True), decide)
    out = b"".join(fed(relay, "".join(EVENTS).encode(), cuts))
    assert out.decode() == shown
    assert (relay.ended, relay.failed, relay.facts().usage) == (True, False, USAGE)


@given(cuts=cuts_anywhere)
def test_nothing_follows_a_refusal(cuts: list[int]) -> None:
    def refuses(event: ResponseEvent) -> ResponseEvent | TollwayError:
        return PolicyRefusal("not this") if b"two" in event.data else event

    relay = PolicyRelay(passthrough(), refuses)
    out = b"".join(fed(relay, "".join(EVENTS).encode(), cuts)).decode()
    assert out.startswith(TEXTS[0])
    rest = out.removeprefix(TEXTS[0])
    assert rest.count("\n\n") == 1
    assert "not this" in rest
    assert relay.failed
    assert relay.refusal is not None


def test_policies_see_the_names_of_events() -> None:
    seen: list[bytes] = []

    def looks(event: ResponseEvent) -> ResponseEvent:
        seen.append(event.event)
        return event

    relay = PolicyRelay(translating(), looks)
    out = b"".join(fed(relay, "".join(EVENTS).encode()))
    assert seen[0] == b"message_start"
    assert seen[-1] == b"message_stop"
    assert out == b"".join(fed(translating(), "".join(EVENTS).encode()))


def test_errors_of_the_gateway_are_not_shown_to_policies() -> None:
    seen: list[ResponseEvent] = []
    relay = PolicyRelay(passthrough(), seen.append)
    assert b"it stopped" in relay.fail(UpstreamCut("it stopped"))
    assert seen == []


# --- kept before its end goes out


def keeping() -> KeepingRelay:
    inbound = conversation_dialect("openai-responses")
    request = inbound.parse_request(b'{"model":"m","input":"hi","stream":true}', path_model="", stream=True)
    request = msgspec.structs.replace(request, kept=KeptTurn("resp_kept", stored=True, previous="resp_before"))
    renderer = inbound.stream_renderer(request, now=1, new_id="1", framing="sse")
    return KeepingRelay(CHAT.stream_parser(), renderer, cast("KeepableRenderer", renderer))


def events_in(data: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: {")]


@given(streams, cuts_anywhere, st.booleans())
def test_what_is_kept_is_what_the_end_will_say_however_the_stream_was_cut(
    stream: bytes, cuts: list[int], kept: bool
) -> None:
    relay = keeping()
    before = b"".join(fed(relay, stream, cuts))
    assert relay.ended
    assert relay.holds_end
    assert b"response.completed" not in before
    whole = msgspec.json.decode(relay.whole())
    assert (whole["id"], whole["store"], whole["previous_response_id"]) == ("resp_kept", True, "resp_before")
    if not kept:
        relay.not_kept()
    relay.release()
    assert not relay.holds_end
    (end,) = events_in(relay.feed(b""))
    assert end["type"] == "response.completed"
    assert end["response"] == {**whole, "store": kept}
    assert relay.feed(b"") == b""
    told = [*events_in(before), end]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert {event["response"]["id"] for event in told if "response" in event} == {"resp_kept"}


@given(streams, cuts_anywhere)
def test_a_stream_without_its_end_holds_nothing(stream: bytes, cuts: list[int]) -> None:
    relay = keeping()
    fed(
        relay,
        stream.replace(b"data: [DONE]\n\n", b"").replace(b'"finish_reason":"stop"', b'"finish_reason":null'),
        cuts,
    )
    assert not relay.holds_end
    assert not relay.ended
