import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.dialects.anthropic_messages import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.providers.anthropic import PROVIDER

_BODY = b'{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("anthropic-messages") is DIALECT


def test_it_serves_messages_with_and_without_a_version() -> None:
    (endpoint,) = DIALECT.endpoints
    assert (endpoint.path, endpoint.versions, endpoint.streams) == ("/messages", ("/v1", ""), "body")
    assert (DIALECT.path_has_model, DIALECT.actions, DIALECT.stream_query) == (False, ("", ""), "")


def test_the_model_is_set_in_a_raw_body() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    DIALECT.rewrite_model(members, 'claude-"x"')
    assert msgspec.json.decode(msgspec.json.encode(members))["model"] == 'claude-"x"'


def test_usage_is_always_sent() -> None:
    assert DIALECT.ask_for_usage({}) is False


@pytest.mark.parametrize("query", ["", "beta=true", "alt=json"])
def test_streams_are_always_events(query: str) -> None:
    assert DIALECT.stream_framing(query) == "sse"


def test_a_watch_starts_with_nothing_seen() -> None:
    assert not DIALECT.stream_watch(hide_usage=False).ended


def test_a_request_for_the_vendor_is_complete() -> None:
    request = DIALECT.parse_request(_BODY, path_model="", stream=False)
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses())) == msgspec.json.decode(_BODY)
