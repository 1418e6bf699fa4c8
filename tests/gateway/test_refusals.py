"""What a listener refuses by itself says what was wrong and what would fix it."""

import pytest

from tollway.core.errors import TollwayError
from tollway.gateway.refusals import body_too_large, connect_refused, headers_too_large, too_slow
from tollway.snapshot.document import Limits

LIMITS = Limits(header_bytes=100, header_count=7, body_bytes=50)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (headers_too_large(LIMITS), 431, ["100 bytes", "7 lines", "send fewer"]),
        (body_too_large(LIMITS), 413, ["50 bytes", "send less"]),
        (too_slow("body", 2.5), 408, ["body", "2.5 s"]),
        (connect_refused(), 405, ["CONNECT"]),
    ],
    ids=["headers", "body", "time", "CONNECT"],
)
def test_a_refusal_names_the_limit_that_was_passed(error: TollwayError, status: int, words: list[str]):
    assert (error.status, error.fault) == (status, "caller")
    assert all(word in error.message for word in words)


def test_a_refused_method_is_told_which_there_are():
    assert dict(connect_refused().headers)["allow"] == "GET, HEAD, POST, OPTIONS"
