import re

import pytest

from tollway.core import errors
from tollway.core.errors import (
    BadRequest,
    CallerError,
    InternalError,
    PolicyRefusal,
    TollwayError,
    UpstreamAnswered,
    UpstreamError,
)

ALL = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TollwayError)]
CONCRETE = [one for one in ALL if one not in (TollwayError, UpstreamAnswered)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_the_tree_there_is(kind: type[TollwayError]) -> None:
    drawn = re.search(rf"^[ │├└─]*{kind.__name__}\b(?P<said>.*)$", errors.__doc__ or "", re.MULTILINE)
    assert drawn is not None
    status = re.match(r" +(\d{3})\b", drawn["said"])
    if status is not None:
        assert kind.status == int(status[1])


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_a_code_and_a_fault_that_fit(kind: type[TollwayError]) -> None:
    error = kind("what was wrong")
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    if isinstance(error, CallerError):
        assert (400 <= error.status < 500, error.fault) == (True, "caller")
    elif isinstance(error, UpstreamError):
        assert (500 <= error.status < 600, error.fault) == (True, "upstream")
    elif isinstance(error, InternalError):
        assert (500 <= error.status < 600, error.fault) == (True, "gateway")
    else:
        assert isinstance(error, PolicyRefusal)
        assert (error.status, error.fault) == (403, "policy")


def test_codes_tell_errors_apart() -> None:
    own = [kind.code for kind in CONCRETE if "code" in vars(kind)]
    assert len(own) == len(set(own))


def test_an_error_may_have_a_status_and_a_code_of_its_own_without_changing_its_class() -> None:
    error = BadRequest("too deep", status=422, code="too_deep", param="messages", retry_after_seconds=1.5)
    assert (error.status, error.code, error.param, error.retry_after_seconds) == (422, "too_deep", "messages", 1.5)
    assert (BadRequest.status, BadRequest.code) == (400, "invalid_request")
    assert str(error) == error.message == "too deep"


def test_a_providers_error_keeps_status_and_meaning() -> None:
    error = UpstreamAnswered("slow down", status=429, kind="rate_limit_error", code="tokens", retry_after_seconds=7)
    assert (error.status, error.kind, error.code, error.retry_after_seconds) == (429, "rate_limit_error", "tokens", 7)
    assert error.fault == "upstream"
    assert UpstreamAnswered("no", status=400).code == UpstreamError.code
