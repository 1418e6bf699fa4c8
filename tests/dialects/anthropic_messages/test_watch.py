import pytest

from tollway.core.usage import Usage
from tollway.dialects.anthropic_messages.watch import MessagesWatch, answer_facts

_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-x",'
    b'"usage":{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":1,"service_tier":"priority"}}}\n\n'
)
_WORDS = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"it says \\"message_stop\\" and \\"error\\""}}\n\n'
)
_DELTA = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":30}}\n\n'
)
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def _watch(*chunks: bytes) -> MessagesWatch:
    watch = MessagesWatch()
    for chunk in chunks:
        assert watch.feed(chunk) is chunk
    return watch


def test_usage_joins_the_start_and_the_last_delta() -> None:
    watch = _watch(_START, _WORDS, _DELTA, _STOP)
    facts = watch.facts()
    assert facts.usage == Usage(input_fresh=9, cache_read=4, output_text=30)
    assert (facts.id, facts.model, facts.finish, facts.service_tier) == ("msg_1", "claude-x", "end_turn", "priority")
    assert (watch.ended, watch.failed) == (True, False)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("cut", [1, 2, 3, 50, 10_000])
def test_events_cut_anywhere_are_seen(cut: int, newline: bytes) -> None:
    stream = (_START + _WORDS + _DELTA + _STOP).replace(b"\n", newline)
    watch = _watch(*(stream[at : at + cut] for at in range(0, len(stream), cut)))
    usage = watch.facts().usage
    assert usage is not None
    assert (watch.ended, usage.output_tokens) == (True, 30)


def test_words_that_look_like_events_end_nothing() -> None:
    watch = _watch(_START, _WORDS, _WORDS + _WORDS)
    assert (watch.ended, watch.failed) == (False, False)


def test_a_member_named_like_an_event_ends_nothing() -> None:
    lookalike = (
        b'event: content_block_start\ndata: {"type":"content_block_start",'
        b'"content_block":{"x":["message_stop","error"]}}\n\n'
    )
    watch = _watch(_START, lookalike)
    assert (watch.ended, watch.failed) == (False, False)


def test_a_stream_cut_early_knows_its_input_and_no_output() -> None:
    usage = _watch(_START, _WORDS).facts().usage
    assert usage == Usage(input_fresh=9, cache_read=4)


def test_events_without_names_are_seen() -> None:
    lines = b"".join(line + b"\n\n" for line in (_START + _DELTA + _STOP).splitlines() if line.startswith(b"data:"))
    watch = _watch(lines)
    assert watch.ended


def test_several_events_in_one_chunk_are_seen() -> None:
    assert _watch(_START, _WORDS + _DELTA + _STOP).ended


def test_an_error_in_the_stream_is_a_failure() -> None:
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    watch = _watch(_START, _WORDS, error)
    assert (watch.ended, watch.failed) == (False, True)


def test_a_last_event_without_its_blank_line_counts() -> None:
    watch = _watch(_START, _DELTA, _STOP.rstrip(b"\n"))
    usage = watch.facts().usage
    assert usage is not None
    assert (watch.ended, usage.output_tokens) == (True, 30)


def test_a_very_large_event_is_not_kept() -> None:
    watch = _watch(
        _START, b"event: content_block_delta\ndata: " + b"x" * 300_000, b"y" * 300_000, b"\n\n", _DELTA, _STOP
    )
    usage = watch.facts().usage
    assert usage is not None
    assert usage.output_tokens == 30


def test_an_event_that_is_not_json_is_passed_over() -> None:
    watch = _watch(_START, b'event: message_stop\ndata: {"type":"message_stop"\n\n', _DELTA)
    usage = watch.facts().usage
    assert usage is not None
    assert (watch.ended, usage.output_tokens) == (False, 30)


def test_nothing_seen_is_nothing_known() -> None:
    facts = MessagesWatch().facts()
    assert (facts.usage, facts.model) == (None, "")


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'{"usage":7}', b'{"id":null,"model":null}'])
def test_glancing_at_a_strange_body_never_raises(body: bytes) -> None:
    assert answer_facts(body).usage is None


def test_a_fallback_model_is_the_served_one() -> None:
    body = (
        b'{"id":"m","model":"claude-fable-5","stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2,'
        b'"iterations":[{"type":"fallback_message","model":"claude-opus-4-8","input_tokens":1,"output_tokens":2}]}}'
    )
    assert answer_facts(body).model == "claude-opus-4-8"
