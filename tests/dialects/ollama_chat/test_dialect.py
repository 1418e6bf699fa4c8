import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.dialects.ollama_chat import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.providers.ollama import PROVIDER

_BODY = b'{"model":"llama3.2","messages":[{"role":"user","content":"hi"}],"stream":true}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("ollama-chat") is DIALECT


def test_it_streams_unless_told_not_to() -> None:
    (endpoint,) = DIALECT.endpoints
    assert (endpoint.path, endpoint.versions, endpoint.streams) == ("/api/chat", ("",), "unless-false")


def test_the_model_is_set_in_a_raw_body() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    DIALECT.rewrite_model(members, 'llama-"x"')
    assert msgspec.json.decode(msgspec.json.encode(members))["model"] == 'llama-"x"'


def test_usage_is_always_sent() -> None:
    assert DIALECT.ask_for_usage({}) is False


@pytest.mark.parametrize("query", ["", "alt=sse"])
def test_streams_are_always_lines(query: str) -> None:
    assert DIALECT.stream_framing(query) == DIALECT.provider_framing == "ndjson"


def test_a_request_for_the_server_is_complete() -> None:
    request = DIALECT.parse_request(_BODY, path_model="", stream=False)
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses())) == msgspec.json.decode(_BODY)
