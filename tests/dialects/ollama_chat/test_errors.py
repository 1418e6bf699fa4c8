import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import BadRequest, UpstreamCut
from tollway.dialects.ollama_chat.errors import parse_error, render_error, render_failure, render_stream_error


def test_an_error_is_its_message() -> None:
    assert msgspec.json.decode(render_error(BadRequest("wrong"))) == {"error": "wrong"}


def test_in_a_stream_it_is_a_line() -> None:
    assert render_stream_error(UpstreamCut("cut")) == b'{"error":"cut"}\n'
    assert render_failure(StreamFailed("broken")) == b'{"error":"broken"}\n'


def test_a_servers_words_are_read() -> None:
    error = parse_error(404, b'{"error":"model \'x\' not found"}', {})
    assert (error.message, error.status) == ("model 'x' not found", 404)
    assert parse_error(404, b"404 page not found", {}).message == "404 page not found"
