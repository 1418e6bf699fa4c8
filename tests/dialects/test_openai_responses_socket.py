"""What events of Responses over a WebSocket mean to the gateway."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseErrorEvent

from tollway.core.errors import BadRequest, PolicyRefusal, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.openai_responses_socket import DIALECT
from tollway.interfaces.realtime import ServerEvent


def server(**event: object) -> ServerEvent:
    return DIALECT.watch().server(msgspec.json.encode(event))


def test_a_create_asks_names_its_model_and_its_lane() -> None:
    ask = {"type": "response.create", "model": "m", "stream_id": "lane", "max_output_tokens": 7}
    event = DIALECT.watch().client(msgspec.json.encode(ask))
    assert (event.asks, event.model, event.name, event.max_output_tokens) == (True, "m", "lane", 7)
    assert msgspec.json.decode(DIALECT.with_model(msgspec.json.encode(ask), "n")) == {**ask, "model": "n"}
    assert not DIALECT.watch().client(b'{"type":"response.steer"}').asks


@pytest.mark.parametrize("event", [{}, {"type": "response.create"}, {"type": "response.create", "model": 1}])
def test_a_create_without_a_model_cannot_be_routed(event: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        DIALECT.watch().client(msgspec.json.encode(event))


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("response.completed", "ok"),
        ("response.incomplete", "ok"),
        ("response.failed", "error"),
        ("response.cancelled", "cancelled"),
    ],
)
def test_a_response_ends_as_its_stream_would(kind: str, outcome: str) -> None:
    assert server(type="response.created", response={"id": "r"}, stream_id="l").about == "l"
    usage = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}}
    event = server(type=kind, response={"id": "r", "model": "m-1", "usage": usage, "service_tier": "flex"})
    assert (event.ends, event.outcome) == (True, outcome)
    assert event.facts is not None
    assert event.facts.usage == Usage(input_fresh=7, cache_read=2, output_text=4)
    assert (event.facts.model, event.facts.service_tier) == ("m-1", "flex")


def test_an_error_is_about_its_lane_and_one_about_the_key_is_known() -> None:
    error = server(type="error", status=400, error={"code": "bad"}, stream_id="l")
    assert (error.refuses, error.about, error.code, error.secret) == (True, "l", "bad", False)
    assert server(type="error", status=401, error={"code": "x"}).secret


def test_an_error_is_written_in_its_lane_as_the_sdk_reads_it() -> None:
    written = msgspec.json.decode(DIALECT.error_event(PolicyRefusal("no", status=429), about="l", new_id="x"))
    assert (written["stream_id"], written["status"]) == ("l", 429)
    assert ResponseErrorEvent.model_validate(written).message == "no"


@given(st.binary(max_size=40) | st.dictionaries(st.sampled_from(["type", "response", "error"]), st.integers()))
def test_no_message_breaks_the_watch(value: object) -> None:
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    watch = DIALECT.watch()
    for look, complaint in ((watch.client, BadRequest), (watch.server, UpstreamGarbled)):
        with contextlib.suppress(complaint):
            look(data)


def test_the_query_names_nothing_that_passes() -> None:
    assert DIALECT.passed_query({"model": "m"}) == {}
    assert DIALECT.requested_model({"model": "m"}) == ""
