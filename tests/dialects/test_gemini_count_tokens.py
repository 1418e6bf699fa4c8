import msgspec

from tollway.core.errors import BadRequest
from tollway.core.usage import NO_USAGE
from tollway.dialects.gemini_count_tokens import DIALECT

COUNT = DIALECT.endpoints[0]


def test_counting_uses_nothing() -> None:
    assert DIALECT.passed_facts(COUNT, {}, b'{"input_tokens": 3}').usage == NO_USAGE


def test_an_estimate_is_written_as_the_api_writes_a_count() -> None:
    assert 14 in msgspec.json.decode(DIALECT.render_estimate(14)).values()


def test_errors_are_those_of_the_api() -> None:
    assert "no such thing" in str(msgspec.json.decode(DIALECT.render_error(BadRequest("no such thing"))))
    assert DIALECT.render_stream_error(BadRequest("no")).endswith(b"\n\n")
    assert DIALECT.parse_error(404, b"{}", {}).status == 404
    assert not DIALECT.ask_for_usage({})
    assert not DIALECT.passed_watch(COUNT, hide_usage=False).ended
