import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.openai_chat import DIALECT
from tollway.dialects.openai_paths import VERSIONS
from tollway.dialects.registry import conversation_dialect
from tollway.providers.openai import PROVIDER

_BODY = b'{"model":"gpt-5.2","messages":[{"role":"user","content":"hi"}]}'


def _asked(members: dict[str, object]) -> tuple[bool, object]:
    raw = msgspec.json.decode(msgspec.json.encode(members), type=dict[str, msgspec.Raw])
    return DIALECT.ask_for_usage(raw), msgspec.json.decode(msgspec.json.encode(raw))["stream_options"]


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("openai-chat") is DIALECT


def test_it_serves_chat_completions_with_and_without_a_version() -> None:
    (endpoint,) = DIALECT.endpoints
    assert (endpoint.path, endpoint.versions, endpoint.streams) == ("/chat/completions", VERSIONS, "body")
    assert (DIALECT.path_has_model, DIALECT.actions, DIALECT.stream_query) == (False, ("", ""), "")


def test_the_model_is_set_in_a_raw_body() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    DIALECT.rewrite_model(members, 'gpt-"x"')
    assert msgspec.json.decode(msgspec.json.encode(members))["model"] == 'gpt-"x"'


@pytest.mark.parametrize(
    ("members", "added", "options"),
    [
        ({}, True, {"include_usage": True}),
        ({"stream_options": None}, True, {"include_usage": True}),
        ({"stream_options": {}}, True, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, True, {"include_usage": True}),
        ({"stream_options": {"new_option": 1}}, True, {"new_option": 1, "include_usage": True}),
        ({"stream_options": {"include_usage": True, "new_option": 1}}, False, {"include_usage": True, "new_option": 1}),
    ],
    ids=["no options", "null", "empty", "not wanted", "other options", "wanted"],
)
def test_usage_is_asked_for_beside_the_callers_own_options(
    members: dict[str, object], added: bool, options: dict[str, object]
) -> None:
    assert _asked(members) == (added, options)


@pytest.mark.parametrize("query", ["", "alt=json", "stream=false"])
def test_streams_are_always_events(query: str) -> None:
    assert DIALECT.stream_framing(query) == "sse"


def test_a_watch_starts_with_nothing_seen() -> None:
    watch = DIALECT.stream_watch(hide_usage=False)
    assert (watch.ended, watch.failed, watch.facts().usage) == (False, False, None)


def test_a_model_and_a_wish_to_stream_may_come_from_elsewhere_than_the_body() -> None:
    request = DIALECT.parse_request(_BODY, path_model="other", stream=True)
    assert (request.model, request.stream) == ("other", True)
    assert DIALECT.parse_request(_BODY, path_model="", stream=False).model == "gpt-5.2"


def test_a_request_for_the_vendor_is_complete() -> None:
    request = DIALECT.parse_request(_BODY, path_model="", stream=False)
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses())) == msgspec.json.decode(_BODY)


def test_an_error_inside_a_stream_is_one_event() -> None:
    event = DIALECT.render_stream_error(BadRequest("no"))
    assert event.startswith(b"data: {")
    assert event.endswith(b"\n\n")
    assert msgspec.json.decode(event.removeprefix(b"data: ")) == msgspec.json.decode(
        DIALECT.render_error(BadRequest("no"))
    )
