"""What events of the Realtime API mean to the gateway."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeErrorEvent, ResponseDoneEvent

from tollway.core.errors import BadRequest, PolicyRefusal, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.openai_realtime import DIALECT, read_usage
from tollway.dialects.registry import realtime_dialect
from tollway.interfaces.realtime import ClientEvent, ServerEvent


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


def client(**event: object) -> ClientEvent:
    return DIALECT.watch().client(encode(event))


def server(**event: object) -> ServerEvent:
    return DIALECT.watch().server(encode(event))


def test_it_is_found_by_its_name() -> None:
    assert realtime_dialect("openai-realtime") is DIALECT


@pytest.mark.parametrize(
    ("event", "asks", "name", "model", "limit"),
    [
        ({"type": "response.create"}, True, "", "", None),
        ({"type": "response.create", "event_id": "a", "response": {"max_output_tokens": 9}}, True, "a", "", 9),
        ({"type": "response.create", "response": {"max_response_output_tokens": 8}}, True, "", "", 8),
        ({"type": "response.create", "response": {"max_output_tokens": "inf"}}, True, "", "", None),
        ({"type": "response.create", "response": None}, True, "", "", None),
        ({"type": "session.update", "session": {"model": "m"}}, False, "", "m", None),
        ({"type": "session.update", "session": {"voice": "ash"}}, False, "", "", None),
        ({"type": "session.update", "session": None}, False, "", "", None),
        ({"type": "response.cancel", "response_id": "r"}, False, "", "", None),
        ({"type": "something.new"}, False, "", "", None),
    ],
)
def test_of_a_callers_events_those_matter_that_ask_or_name_a_model(
    event: dict[str, Any], asks: bool, name: str, model: str, limit: int | None
) -> None:
    found = client(**event)
    assert (found.asks, found.name, found.model, found.max_output_tokens) == (asks, name, model, limit)


@pytest.mark.parametrize("event", [{}, {"type": 1}, {"type": ""}, {"type": "session.update", "session": [1]}])
def test_an_event_that_cannot_be_told_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        client(**event)


def test_audio_counts_by_its_time_and_text_by_its_bytes() -> None:
    assert client(type="input_audio_buffer.append", audio="A" * 64_000).input_tokens == 10
    assert client(type="conversation.item.create", item={"text": "x" * 4_000}).input_tokens > 1_000


USAGE = {
    "total_tokens": 33,
    "input_tokens": 22,
    "output_tokens": 11,
    "input_token_details": {
        "text_tokens": 5,
        "audio_tokens": 15,
        "image_tokens": 2,
        "cached_tokens": 13,
        "cached_tokens_details": {"text_tokens": 2, "audio_tokens": 10, "image_tokens": 1},
    },
    "output_token_details": {"text_tokens": 4, "audio_tokens": 7},
}


def test_the_leaves_of_usage_are_disjoint_and_sum_to_the_providers_totals() -> None:
    ResponseDoneEvent.model_validate(
        {
            "type": "response.done",
            "event_id": "e",
            "response": {"id": "r", "object": "realtime.response", "usage": USAGE},
        }
    )
    usage = read_usage(USAGE)
    assert usage == Usage(
        input_fresh=3, input_audio=5, input_image=1, cache_read=3, cache_read_audio=10, output_text=4, output_audio=7
    )
    assert (usage.input_tokens, usage.output_tokens) == (22, 11)


COUNTS = st.integers(0, 1 << 30)


@given(st.tuples(*[COUNTS] * 8))
def test_a_consistent_usage_is_never_anomalous(counts: tuple[int, ...]) -> None:
    text, audio, image, cached_text, cached_audio, cached_image, said, spoken = counts
    usage = read_usage(
        {
            "input_tokens": text + audio + image + cached_text + cached_audio + cached_image,
            "output_tokens": said + spoken,
            "input_token_details": {
                "text_tokens": text + cached_text,
                "audio_tokens": audio + cached_audio,
                "image_tokens": image + cached_image,
                "cached_tokens": cached_text + cached_audio + cached_image,
                "cached_tokens_details": {"audio_tokens": cached_audio, "image_tokens": cached_image},
            },
            "output_token_details": {"text_tokens": said, "audio_tokens": spoken},
        }
    )
    assert usage is not None
    assert usage.anomaly == ""
    assert (usage.input_fresh, usage.input_audio, usage.input_image) == (text, audio, image)
    assert (usage.cached_tokens, usage.output_text) == (cached_text + cached_audio + cached_image, said)


def test_usage_in_seconds_has_no_tokens() -> None:
    assert read_usage({"type": "duration", "seconds": 3.2}) is None


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("completed", "ok", ""),
        ("incomplete", "ok", ""),
        ("cancelled", "cancelled", ""),
        ("failed", "error", "response_failed"),
    ],
)
def test_a_response_runs_from_created_to_done(status: str, outcome: str, code: str) -> None:
    begun = server(type="response.created", response={"id": "r"})
    assert (begun.begins, begun.response) == (True, "r")
    assert server(type="response.output_audio.delta", response_id="r", delta="AA").response == "r"
    ended = server(type="response.done", response={"id": "r", "status": status, "usage": USAGE})
    assert (ended.ends, ended.response, ended.outcome, ended.code) == (True, "r", outcome, code)
    assert ended.facts is not None
    assert ended.facts.usage == read_usage(USAGE)
    assert (ended.facts.id, ended.facts.finish) == ("r", status)


def test_a_transcription_is_counted_by_the_model_that_the_session_names() -> None:
    heard = {"type": "conversation.item.input_audio_transcription.completed", "usage": {"input_tokens": 1}}
    for session in (
        {"type": "transcription", "audio": {"input": {"transcription": {"model": "scribe"}}}},
        {"object": "realtime.transcription_session", "input_audio_transcription": {"model": "scribe"}},
    ):
        watch = DIALECT.watch()
        watch.server(encode({"type": "session.updated", "session": session}))
        event = watch.server(encode(heard))
        assert event.facts is not None
        assert (event.facts.model, event.stands_alone, event.ends) == ("scribe", True, False)


def test_an_error_names_what_it_refuses_and_one_about_the_key_is_known() -> None:
    refusal = server(type="error", error={"type": "invalid_request_error", "code": "busy", "event_id": "a"})
    assert (refusal.refuses, refusal.about, refusal.code, refusal.secret) == (True, "a", "busy", False)
    assert server(type="error", error={"type": "x", "code": "invalid_api_key"}).secret
    assert DIALECT.secret_close(3000, "")
    assert DIALECT.secret_close(1008, "Incorrect API key provided")
    assert not DIALECT.secret_close(1000, "bye")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["response.done", "error", "session.update", "r"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "response", "id", "usage", "error", "session", "code"]), inner)
    ),
    max_leaves=12,
)


@given(ANY.map(encode) | st.binary(max_size=40))
def test_no_message_breaks_the_watch(data: bytes) -> None:
    watch = DIALECT.watch()
    for look, complaint in ((watch.client, BadRequest), (watch.server, UpstreamGarbled)):
        with contextlib.suppress(complaint):
            look(data)


def test_what_is_written_is_what_the_sdk_reads() -> None:
    error = PolicyRefusal("over the limit", status=429, code="rate_limit_exceeded")
    event = msgspec.json.decode(DIALECT.error_event(error, about="a", new_id="01X"))
    read = RealtimeErrorEvent.model_validate(event)
    assert (read.error.code, read.error.type, read.error.event_id) == ("rate_limit_exceeded", "rate_limit_error", "a")
    assert msgspec.json.decode(DIALECT.cancel("r")) == {"type": "response.cancel", "response_id": "r"}
    assert msgspec.json.decode(DIALECT.named(b'{"type":"response.create"}', "n"))["event_id"] == "n"


def test_the_handshake_is_read_in_both_vendors_words() -> None:
    assert DIALECT.requested_model({"model": "m"}) == DIALECT.requested_model({"deployment": "m"}) == "m"
    assert DIALECT.passed_query({"model": "m", "intent": "transcription", "api-version": "x"}) == {
        "intent": "transcription"
    }
