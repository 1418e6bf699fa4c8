import msgspec

from tollway.core.errors import BadRequest
from tollway.dialects.anthropic_passed import AnthropicPassed


def test_errors_are_those_of_the_api() -> None:
    base = AnthropicPassed()
    assert "no such thing" in str(msgspec.json.decode(base.render_error(BadRequest("no such thing"))))
    assert base.render_stream_error(BadRequest("no")).endswith(b"\n\n")
    assert base.parse_error(404, b"{}", {}).status == 404


def test_a_header_tells_the_api_from_others_with_the_same_paths() -> None:
    assert AnthropicPassed().telling_header
