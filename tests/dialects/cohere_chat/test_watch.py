import pytest

from tollway.core.usage import Usage
from tollway.dialects.cohere_chat.watch import ChatWatch, answer_facts

_START = b'event: message-start\ndata: {"id":"1","type":"message-start","delta":{"message":{"role":"assistant"}}}\n\n'
_WORDS = (
    b'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"message":{"content":'
    b'{"text":"it says \\"message-end\\" and \\"error\\""}}}}\n\n'
)
_END = (
    b'event: message-end\ndata: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":'
    b'{"billed_units":{"input_tokens":2,"output_tokens":5},"tokens":{"input_tokens":9,"output_tokens":5},'
    b'"cached_tokens":4}}}\n\n'
)


def _watch(*chunks: bytes) -> ChatWatch:
    watch = ChatWatch()
    for chunk in chunks:
        assert watch.feed(chunk) is chunk
    return watch


def test_the_end_tells_what_was_used() -> None:
    watch = _watch(_START, _WORDS, _END, b"data: [DONE]\n\n")
    facts = watch.facts()
    assert facts.usage == Usage(input_fresh=5, cache_read=4, output_text=5, billed_input=2)
    assert (facts.id, facts.finish, watch.ended, watch.failed) == ("1", "COMPLETE", True, False)


@pytest.mark.parametrize("size", [1, 2, 3, 50, 10_000])
def test_events_cut_anywhere_are_seen(size: int) -> None:
    stream = _START + _WORDS + _END
    watch = _watch(*(stream[at : at + size] for at in range(0, len(stream), size)))
    assert (watch.ended, watch.facts().usage is not None) == (True, True)


def test_words_that_look_like_events_end_nothing() -> None:
    watch = _watch(_START, _WORDS, _WORDS + _WORDS)
    assert (watch.ended, watch.failed, watch.facts().usage) == (False, False, None)


def test_a_member_named_like_an_event_ends_nothing() -> None:
    watch = _watch(b'data: {"type":"content-start","x":"message-end","y":{"error":null}}\n\n')
    assert (watch.ended, watch.failed) == (False, False)


@pytest.mark.parametrize(
    "failure",
    [
        b'data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"x"}}\n\n',
        b'data: {"error":"x"}\n\n',
    ],
    ids=["end", "error"],
)
def test_a_failure_is_no_end(failure: bytes) -> None:
    watch = _watch(_START, failure)
    assert (watch.ended, watch.failed) == (False, True)


def test_an_event_that_is_not_json_is_passed_over() -> None:
    assert not _watch(b'data: {"type":"message-end"\n\n').ended


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'{"usage":7}', b'{"id":null}'])
def test_glancing_at_a_strange_body_never_raises(body: bytes) -> None:
    assert answer_facts(body).usage is None


def test_a_whole_answer_tells_the_same() -> None:
    facts = answer_facts(b'{"id":"1","finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":3}}}')
    assert (facts.usage, facts.id, facts.finish, facts.model) == (Usage(input_fresh=3), "1", "COMPLETE", "")
