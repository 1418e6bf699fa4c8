from typing import get_args

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.openai_paths import VERSIONS
from tollway.dialects.openai_responses import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.dialect import KeptOperation
from tollway.providers.openai import PROVIDER

_BODY = b'{"model":"gpt-5.2","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}]}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("openai-responses") is DIALECT


def test_it_serves_responses_with_and_without_a_version() -> None:
    endpoint, *about_kept_turns = DIALECT.endpoints
    assert (endpoint.path, endpoint.versions, endpoint.streams) == ("/responses", VERSIONS, "body")
    assert {one.operation for one in about_kept_turns} == set(get_args(KeptOperation))
    assert (DIALECT.path_has_model, DIALECT.actions, DIALECT.stream_query) == (False, ("", ""), "")


def test_the_model_is_set_in_a_raw_body() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    DIALECT.rewrite_model(members, 'gpt-"x"')
    assert msgspec.json.decode(msgspec.json.encode(members))["model"] == 'gpt-"x"'


def test_usage_is_always_sent() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    assert DIALECT.ask_for_usage(members) is False
    assert msgspec.json.decode(msgspec.json.encode(members)) == msgspec.json.decode(_BODY)


@pytest.mark.parametrize("query", ["", "alt=json", "stream=false"])
def test_streams_are_always_events(query: str) -> None:
    assert DIALECT.stream_framing(query) == "sse"


def test_a_watch_starts_with_nothing_seen() -> None:
    watch = DIALECT.stream_watch(hide_usage=False)
    assert (watch.ended, watch.failed, watch.facts().usage) == (False, False, None)


def test_a_request_for_the_vendor_says_the_same() -> None:
    request = DIALECT.parse_request(_BODY, path_model="", stream=False)
    sent = DIALECT.parse_request(DIALECT.render_request(request, PROVIDER, Losses()), path_model="", stream=False)
    assert sent == request


def test_an_error_inside_a_stream_is_the_apis_own_event() -> None:
    name, data, *rest = DIALECT.render_stream_error(BadRequest("no such tool")).decode().split("\n")
    assert (name, rest) == ("event: error", ["", ""])
    event = msgspec.json.decode(data.removeprefix("data: "))
    assert event["type"] == "error"
    assert "no such tool" in event["message"]
