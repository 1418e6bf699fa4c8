import pytest

from tollway.core.usage import Usage
from tollway.dialects.ollama_chat.watch import LineWatch, answer_facts

_WORDS = b'{"model":"m","message":{"role":"assistant","content":"\\"done\\":true and \\"error\\":"},"done":false}\n'
_CALL = (
    b'{"model":"m","message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"done":true,'
    b'"error":"x"}}}]},"done":false}\n'
)
_END = b'{"model":"m","message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}\n'


def _watch(*chunks: bytes) -> LineWatch:
    watch = LineWatch()
    for chunk in chunks:
        assert watch.feed(chunk) is chunk
    return watch


def test_the_last_line_tells_what_was_used() -> None:
    watch = _watch(_WORDS, _END)
    facts = watch.facts()
    assert (facts.usage, facts.model, facts.finish) == (Usage(input_fresh=3, output_text=2), "m", "stop")
    assert (watch.ended, watch.failed) == (True, False)


@pytest.mark.parametrize("size", [1, 2, 3, 50, 10_000])
def test_lines_cut_anywhere_are_seen(size: int) -> None:
    stream = _WORDS + _CALL + _END
    watch = _watch(*(stream[at : at + size] for at in range(0, len(stream), size)))
    assert (watch.ended, watch.failed) == (True, False)


def test_words_and_arguments_that_look_like_an_end_are_none() -> None:
    watch = _watch(_WORDS, _CALL, _WORDS + _CALL)
    assert (watch.ended, watch.failed) == (False, False)


def test_a_stream_cut_early_knows_its_model() -> None:
    facts = _watch(_WORDS).facts()
    assert (facts.usage, facts.model) == (None, "m")


def test_blanks_between_name_and_value_change_nothing() -> None:
    assert _watch(b'{"model": "m", "done" : true}\n').ended


def test_an_error_line_is_a_failure() -> None:
    watch = _watch(_WORDS, b'{"error":"broken"}\n')
    assert (watch.ended, watch.failed) == (False, True)


def test_a_line_that_is_not_json_is_passed_over() -> None:
    assert not _watch(b'{"done":true\n').ended


def test_a_very_large_line_is_not_kept() -> None:
    watch = _watch(b'{"x":"' + b"y" * 5_000_000, b'z"}\n', _END)
    assert watch.ended


def test_nothing_seen_is_nothing_known() -> None:
    facts = LineWatch().facts()
    assert (facts.usage, facts.model) == (None, "")


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'{"eval_count":"x"}', b'{"model":null}'])
def test_glancing_at_a_strange_body_never_raises(body: bytes) -> None:
    assert answer_facts(body).usage is None
