"""Batches and files of Anthropic: links lead here, lines are read, every path is the vendor's."""

from typing import Any

import msgspec
import pytest

from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.anthropic_kept import DIALECT
from tollway.providers.anthropic import PROVIDER


def test_anthropic_has_every_path_of_it() -> None:
    for endpoint in DIALECT.endpoints:
        assert PROVIDER.operations[endpoint.provides] + endpoint.below == endpoint.path


@pytest.mark.parametrize("listed", [True, False])
def test_links_to_results_lead_here(listed: bool) -> None:
    batch: Any = {"id": "b1", "results_url": "https://api.example/x"}
    answer: Any = {"data": [batch, {"id": "b2", "results_url": None}]} if listed else batch
    DIALECT.rewrite_links(answer, "https://here/llm")
    assert batch["results_url"] == "https://here/llm/v1/messages/batches/b1/results"


@pytest.mark.parametrize(
    ("result", "status", "usage"),
    [
        (
            {
                "type": "succeeded",
                "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1, "output_tokens": 2}},
            },
            200,
            Usage(input_fresh=1, output_text=2),
        ),
        ({"type": "errored", "error": {}}, 400, NO_USAGE),
        ({"type": "expired"}, 400, NO_USAGE),
    ],
    ids=["succeeded", "errored", "expired"],
)
def test_a_line_says_what_it_used(result: Any, status: int, usage: Usage) -> None:
    line = DIALECT.batch_line(msgspec.json.encode({"custom_id": "c", "result": result}))
    assert line is not None
    assert (line.custom_id, line.status, line.usage) == ("c", status, usage)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"custom_id":"c"}', b"[1]"])
def test_a_line_without_a_result_is_none(line: bytes) -> None:
    assert DIALECT.batch_line(line) is None


def test_facts_hold_the_id_and_no_usage() -> None:
    facts = DIALECT.passed_facts(DIALECT.endpoints[0], {}, b'{"id":"b1"}')
    assert (facts.id, facts.usage) == ("b1", NO_USAGE)
