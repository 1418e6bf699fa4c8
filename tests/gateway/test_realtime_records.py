"""What the records of a session leave to guess, and what not."""

from types import SimpleNamespace
from typing import Any

import pytest

from tollway.core.usage import NO_USAGE, Usage
from tollway.gateway.realtime_records import End, Moved, response_record, session_record
from tollway.interfaces.dialect import AnswerFacts

from .test_realtime_turn import turn

ENDPOINT: Any = SimpleNamespace(proxy=SimpleNamespace(gateway_name="g", name="p"), dialect_name="openai-realtime")


def attempt(number: int = 2) -> Any:
    route = SimpleNamespace(name="r", provider="openai", credential="k")
    target = SimpleNamespace(route=route)
    return SimpleNamespace(target=target, target_model="m-1", number=number, status=101, started_at=0.0, ended_at=1.5)


@pytest.mark.parametrize(
    ("outcome", "begun_at", "usage"),
    [
        ("cut", 1.0, Usage(input_fresh=40, output_text=3, source="estimated")),
        ("cancelled", 1.0, Usage(input_fresh=40, output_text=3, source="estimated")),
        ("cut", 0.0, NO_USAGE),
        ("error", 1.0, NO_USAGE),
        ("ok", 1.0, NO_USAGE),
    ],
    ids=["cut", "cancelled", "cut before it began", "refused by the provider", "untold"],
)
def test_usage_is_guessed_only_of_what_was_stopped_after_it_began(outcome: Any, begun_at: float, usage: Usage) -> None:
    one = turn(tokens=40)
    one.begun_at, one.moved.events = begun_at, 3
    record = response_record(one, ENDPOINT, attempt(), End(outcome), AnswerFacts(), new_id="i")
    assert record.usage == usage
    assert (record.attempt, record.id, record.call_id) == (1, "i", "i")


def test_what_the_provider_said_is_never_guessed() -> None:
    said = Usage(input_fresh=1)
    one = turn()
    one.begun_at = 1.0
    record = response_record(one, ENDPOINT, attempt(), End("cut"), AnswerFacts(usage=said, model="s"), new_id="i")
    assert (record.usage, record.served_model, record.target_model) == (said, "s", "m-1")


def test_a_session_tells_its_length_and_what_it_moved_and_counts_no_tokens() -> None:
    moved = Moved()
    moved.sent, moved.received = 10, 20
    end = End("ok", finish="idle_timeout", status=101)
    record = session_record(turn(), ENDPOINT, attempt(), end, moved, ids=("i", "c"), overhead_us=7)
    assert (record.operation, record.usage, record.stop_reason, record.attempt) == (
        "realtime",
        NO_USAGE,
        "idle_timeout",
        2,
    )
    assert (record.request_bytes, record.response_bytes, record.upstream_us, record.overhead_us) == (
        10,
        20,
        1_500_000,
        7,
    )


def test_a_refusal_names_no_provider() -> None:
    record = session_record(
        turn(), ENDPOINT, None, End("refused", "forbidden", 403), Moved(), ids=("i", "c"), overhead_us=0
    )
    assert (record.provider, record.route, record.attempt, record.status) == ("", "", 0, 403)
