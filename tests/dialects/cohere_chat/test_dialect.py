import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.dialects.cohere_chat import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.providers.cohere import PROVIDER

_BODY = b'{"model":"command-a-03-2025","messages":[{"role":"user","content":"hi"}]}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("cohere-chat") is DIALECT


def test_it_serves_the_second_version_and_never_the_path_of_the_first() -> None:
    (endpoint,) = DIALECT.endpoints
    assert [version + endpoint.path for version in endpoint.versions] == ["/v2/chat", "/chat"]
    assert endpoint.streams == "body"


def test_the_model_is_set_in_a_raw_body() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    DIALECT.rewrite_model(members, 'command-"x"')
    assert msgspec.json.decode(msgspec.json.encode(members))["model"] == 'command-"x"'


def test_usage_is_always_sent() -> None:
    assert DIALECT.ask_for_usage({}) is False


@pytest.mark.parametrize("query", ["", "alt=json"])
def test_streams_are_always_events(query: str) -> None:
    assert DIALECT.stream_framing(query) == DIALECT.provider_framing == "sse"


def test_a_request_for_the_vendor_is_complete() -> None:
    request = DIALECT.parse_request(_BODY, path_model="", stream=False)
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses())) == msgspec.json.decode(_BODY)
