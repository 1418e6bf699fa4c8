import pytest

from tollway.core.usage import Usage
from tollway.dialects.gemini.watch import GeminiWatch, answer_facts

_WORDS = (
    b'data: {"candidates": [{"content": {"parts": [{"text": "it says \\"finishReason\\" and \\"error\\""}]}}],'
    b'"usageMetadata": {"promptTokenCount": 15},"modelVersion": "gemini-x","responseId": "r1"}\n\n'
)
_LAST = (
    b'data: {"candidates": [{"content": {"parts": [{"text": "."}]},"finishReason": "STOP","index": 0,'
    b'"groundingMetadata": {"webSearchQueries": ["a", "b"]}}],"usageMetadata": {"promptTokenCount": 13,'
    b'"candidatesTokenCount": 8,"serviceTier": "flex"},"modelVersion": "gemini-x","responseId": "r1"}\n\n'
)


def _watch(*chunks: bytes) -> GeminiWatch:
    watch = GeminiWatch()
    for chunk in chunks:
        assert watch.feed(chunk) is chunk
    return watch


def test_the_last_usage_counts() -> None:
    watch = _watch(_WORDS, _WORDS, _LAST)
    facts = watch.facts()
    assert facts.usage == Usage(input_fresh=13, output_text=8, web_searches=2)
    assert (facts.id, facts.model, facts.finish, facts.service_tier) == ("r1", "gemini-x", "STOP", "flex")
    assert (watch.ended, watch.failed) == (True, False)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("cut", [1, 3, 64, 10_000])
def test_events_cut_anywhere_are_seen(cut: int, newline: bytes) -> None:
    stream = (_WORDS + _WORDS + _LAST).replace(b"\n", newline)
    watch = _watch(*(stream[at : at + cut] for at in range(0, len(stream), cut)))
    assert watch.ended
    assert watch.facts().usage == Usage(input_fresh=13, output_text=8, web_searches=2)


def test_words_that_look_like_members_end_nothing() -> None:
    watch = _watch(_WORDS, _WORDS)
    assert (watch.ended, watch.failed) == (False, False)
    assert watch.facts().usage == Usage(input_fresh=15)


def test_a_calls_arguments_named_like_members_end_nothing() -> None:
    arguments = b'{"functionCall": {"args": {"finishReason": 1, "error": {}}}}'
    call = b'data: {"candidates": [{"content": {"parts": [' + arguments + b"]}}]}\n\n"
    watch = _watch(call)
    assert (watch.ended, watch.failed) == (False, False)


def test_usage_may_follow_the_finish() -> None:
    watch = _watch(_LAST, b'data: {"usageMetadata": {"promptTokenCount": 1,"candidatesTokenCount": 99}}\n\n')
    facts = watch.facts()
    assert facts.usage is not None
    assert (facts.usage.output_tokens, facts.finish, facts.model) == (99, "STOP", "gemini-x")


def test_a_blocked_prompt_is_an_end() -> None:
    watch = _watch(b'data: {"promptFeedback": {"blockReason": "SAFETY"},"usageMetadata": {"promptTokenCount": 4}}\n\n')
    assert watch.ended
    assert watch.facts().finish == "SAFETY"


def test_an_error_in_the_stream_is_a_failure() -> None:
    watch = _watch(_WORDS, b'data: {"error": {"code": 503,"message": "busy","status": "UNAVAILABLE"}}\r\n\r\n')
    assert (watch.ended, watch.failed) == (False, True)


def test_of_a_very_large_event_the_end_is_kept() -> None:
    picture = b'data: {"candidates": [{"content": {"parts": [{"inlineData": {"data": "' + b"A" * 700_000
    end = (
        b'"}}]},"finishReason": "STOP"}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 1290},'
        b'"modelVersion": "gemini-x","responseId": "r1"}\n\n'
    )
    stream = picture + end
    watch = _watch(*(stream[at : at + 65_536] for at in range(0, len(stream), 65_536)))
    facts = watch.facts()
    assert facts.usage is not None
    assert (watch.ended, facts.usage.output_tokens, facts.model, facts.id) == (True, 1290, "gemini-x", "r1")


def test_a_last_event_without_its_blank_line_counts() -> None:
    watch = _watch(_WORDS, _LAST.rstrip(b"\n"))
    usage = watch.facts().usage
    assert usage is not None
    assert (watch.ended, usage.output_tokens) == (True, 8)


def test_an_event_that_is_not_json_is_passed_over() -> None:
    watch = _watch(b'data: {"candidates": [{"finishReason": "STOP"\n\n', _WORDS)
    assert not watch.ended
    assert watch.facts().usage == Usage(input_fresh=15)


def test_of_a_very_large_event_that_never_ends_nothing_is_known() -> None:
    watch = _watch(b'data: {"x": "' + b"A" * 300_000, b'"usageMetadata": {"promptTokenCount": 4')
    assert watch.facts().usage is None


def test_nothing_seen_is_nothing_known() -> None:
    assert GeminiWatch().facts().usage is None


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'{"usageMetadata":7}', b'{"candidates":null}'])
def test_glancing_at_a_strange_body_never_raises(body: bytes) -> None:
    assert answer_facts(body).usage is None
