import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_invoke import DIALECT, BedrockInvoke
from tollway.dialects.registry import conversation_dialect
from tollway.providers.bedrock import PROVIDER

_BODY = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("bedrock-invoke") is DIALECT


def test_the_path_says_the_model_and_whether_to_stream() -> None:
    assert [(one.path, one.streams, one.versions) for one in DIALECT.endpoints] == [
        ("/model/{model}/invoke", "never", ("",)),
        ("/model/{model}/invoke-with-response-stream", "always", ("",)),
    ]
    assert DIALECT.actions == ("invoke", "invoke-with-response-stream")
    assert DIALECT.stream_framing("") == DIALECT.provider_framing == "aws-event-stream"


def test_messages_are_read_as_what_they_are_and_written_back_without_loss() -> None:
    request = DIALECT.parse_request(_BODY, path_model="m", stream=True)
    assert (request.dialect, request.model, request.stream) == ("anthropic-messages", "m", True)
    losses = Losses()
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, losses)) == msgspec.json.decode(_BODY)
    assert losses.fields == []


def test_other_families_are_refused() -> None:
    with pytest.raises(BadRequest, match="Converse"):
        DIALECT.parse_request(b'{"prompt":"hi"}', path_model="m", stream=False)


def test_nothing_is_changed_in_what_passes() -> None:
    members: dict[str, msgspec.Raw] = {}
    DIALECT.rewrite_model(members, "m")
    assert not DIALECT.ask_for_usage(members)
    assert members == {}


def test_errors_are_awss() -> None:
    dialect = BedrockInvoke()
    assert dialect.error_headers(BadRequest("x")) == (("x-amzn-ErrorType", "ValidationException"),)
    assert dialect.parse_error(400, dialect.render_error(BadRequest("x")), {}).message == "x"
    assert dialect.header_usage({}) is None
