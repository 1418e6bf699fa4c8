from typing import Any

import msgspec
import pytest

from tollway.core.usage import Usage
from tollway.dialects.bedrock_invoke.usage import (
    answer_facts,
    header_usage,
    read_metrics,
    render_metrics,
    stream_finish,
)
from tollway.interfaces.dialect import AnswerFacts


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        (
            {"id": "msg", "model": "c", "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}},
            AnswerFacts(usage=Usage(input_fresh=3, output_text=2), model="c", id="msg", finish="end_turn"),
        ),
        (
            {"output": {}, "stopReason": "end_turn", "usage": {"inputTokens": 3, "outputTokens": 2}},
            AnswerFacts(usage=Usage(input_fresh=3, output_text=2), finish="end_turn"),
        ),
        (
            {
                "id": "c",
                "model": "gpt-oss",
                "choices": [{"finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
            },
            AnswerFacts(
                usage=Usage(input_fresh=2, cache_read=1, output_text=2), model="gpt-oss", id="c", finish="stop"
            ),
        ),
        (
            {"generation": "x", "prompt_token_count": 3, "generation_token_count": 2, "stop_reason": "length"},
            AnswerFacts(usage=Usage(input_fresh=3, output_text=2), finish="length"),
        ),
        (
            {"inputTextTokenCount": 3, "results": [{"tokenCount": 2, "completionReason": "FINISH"}]},
            AnswerFacts(usage=Usage(input_fresh=3, output_text=2), finish="FINISH"),
        ),
        ({"embedding": [0.1], "inputTextTokenCount": 4}, AnswerFacts(usage=Usage(input_fresh=4))),
        ({"outputs": [{"text": "x", "stop_reason": "stop"}]}, AnswerFacts(finish="stop")),
        ({"generations": [{"finish_reason": "COMPLETE"}], "id": "g"}, AnswerFacts(id="g", finish="COMPLETE")),
    ],
    ids=["anthropic", "nova", "openai", "llama", "titan", "titan embeddings", "mistral", "cohere"],
)
def test_every_familys_own_counts_are_read(body: dict[str, Any], facts: AnswerFacts) -> None:
    assert answer_facts(msgspec.json.encode(body)) == facts


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'{"usage":[]}'])
def test_a_body_that_counts_nothing_tells_nothing(body: bytes) -> None:
    assert answer_facts(body) == AnswerFacts()


def test_headers_tell_where_the_body_does_not() -> None:
    headers = {
        b"x-amzn-bedrock-input-token-count": b"3",
        b"x-amzn-bedrock-output-token-count": b"44",
        b"x-amzn-bedrock-cache-read-input-token-count": b"9511",
        b"x-amzn-bedrock-cache-write-input-token-count": b"x",
    }
    assert header_usage(headers) == Usage(input_fresh=3, output_text=44, cache_read=9511)
    assert header_usage({b"content-type": b"application/json"}) is None


def test_the_last_event_of_a_stream_tells_it_too() -> None:
    usage = Usage(input_fresh=3, output_text=2, cache_read=4, cache_write=5)
    assert read_metrics(render_metrics(usage)) == usage
    assert render_metrics(None) == {"inputTokenCount": 0, "outputTokenCount": 0}


def test_why_a_stream_stopped_is_in_its_last_events() -> None:
    assert stream_finish([{"messageStop": {"stopReason": "max_tokens"}}, {"metadata": {}}]) == "max_tokens"
    assert stream_finish([{"generation": "x"}]) == ""
