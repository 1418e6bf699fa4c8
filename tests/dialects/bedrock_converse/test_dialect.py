import msgspec

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_converse import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.dialect import NamesErrors
from tollway.providers.bedrock import PROVIDER

_BODY = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("bedrock-converse") is DIALECT


def test_the_path_says_the_model_and_whether_to_stream() -> None:
    assert [(one.path, one.streams, one.versions) for one in DIALECT.endpoints] == [
        ("/model/{model}/converse", "never", ("",)),
        ("/model/{model}/converse-stream", "always", ("",)),
    ]
    assert DIALECT.path_has_model
    assert DIALECT.actions == ("converse", "converse-stream")
    assert DIALECT.stream_framing("") == DIALECT.provider_framing == "aws-event-stream"


def test_a_request_passes_through_the_neutral_form() -> None:
    request = DIALECT.parse_request(_BODY, path_model="m", stream=False)
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses())) == msgspec.json.decode(_BODY)


def test_nothing_is_changed_in_what_passes() -> None:
    members: dict[str, msgspec.Raw] = {}
    DIALECT.rewrite_model(members, "m")
    assert not DIALECT.ask_for_usage(members)
    assert members == {}


def test_errors_are_named_in_a_header() -> None:
    assert hasattr(DIALECT, "error_headers")
    named: NamesErrors = DIALECT  # pyright: ignore[reportAssignmentType] - beside the protocol of dialects
    assert named.error_headers(BadRequest("x")) == (("x-amzn-ErrorType", "ValidationException"),)
    assert DIALECT.parse_error(400, DIALECT.render_error(BadRequest("x")), {}).message == "x"
