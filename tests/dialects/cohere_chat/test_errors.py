import msgspec
import pytest

from tollway.core.answer import StreamFailed
from tollway.core.errors import BadRequest, UpstreamCut, UpstreamTimeout
from tollway.dialects.cohere_chat.errors import (
    failure_in,
    parse_error,
    render_error,
    render_failure,
    render_stream_error,
)


def _event(data: bytes) -> dict[str, object]:
    assert data.startswith(b"event: message-end\ndata: ")
    return msgspec.json.decode(data.partition(b"data: ")[2])


def test_an_error_is_its_message() -> None:
    assert msgspec.json.decode(render_error(BadRequest("wrong", param="p"))) == {"message": "wrong"}


@pytest.mark.parametrize(("error", "reason"), [(UpstreamCut("cut"), "ERROR"), (UpstreamTimeout("late"), "TIMEOUT")])
def test_a_broken_stream_ends_with_a_reason_that_is_no_success(error: UpstreamCut, reason: str) -> None:
    delta = _event(render_stream_error(error))["delta"]
    assert delta == {"error": error.message, "finish_reason": reason}


def test_a_providers_failure_is_told_in_the_same_way() -> None:
    assert _event(render_failure(StreamFailed("broken", status=504)))["delta"] == {
        "error": "broken",
        "finish_reason": "TIMEOUT",
    }


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ({"finish_reason": "ERROR", "error": "x"}, 502),
        ({"finish_reason": "ERROR_TOXIC"}, 502),
        ({"finish_reason": "TIMEOUT"}, 504),
        ({"error": "x"}, 502),
    ],
)
def test_an_ending_that_is_a_failure_is_seen(ending: dict[str, object], status: int) -> None:
    failure = failure_in(ending)
    assert failure is not None
    assert (failure.status, bool(failure.message)) == (status, True)


@pytest.mark.parametrize("ending", [{}, {"finish_reason": "COMPLETE"}, {"finish_reason": "NEW_WORD"}, {"error": None}])
def test_other_endings_are_none(ending: dict[str, object]) -> None:
    assert failure_in(ending) is None


def test_a_providers_words_and_its_wait_are_read() -> None:
    error = parse_error(429, b'{"id":"1","message":"slow down"}', {"retry-after": "7"})
    assert (error.message, error.status, error.retry_after_seconds) == ("slow down", 429, 7)
