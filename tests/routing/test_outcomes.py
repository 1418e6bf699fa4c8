import pytest

from tollway.routing.outcomes import Failure, trigger_of, verdict_of


@pytest.mark.parametrize(
    ("failure", "trigger", "verdict"),
    [
        (Failure(kind="status", status=400), None, "neutral"),
        (Failure(kind="status", status=401), None, "neutral"),
        (Failure(kind="status", status=404), None, "neutral"),
        (Failure(kind="status", status=408), "status_408", "neutral"),
        (Failure(kind="status", status=429), "status_429", "neutral"),
        (Failure(kind="status", status=500), "status_5xx", "fault"),
        (Failure(kind="status", status=529), "status_5xx", "fault"),
        (Failure(kind="connect_error"), "connect_error", "fault"),
        (Failure(kind="first_byte_timeout"), "first_byte_timeout", "fault"),
        (Failure(kind="timeout"), None, "fault"),
        (Failure(kind="cut"), None, "fault"),
        (Failure(kind="garbled"), None, "fault"),
        (Failure(kind="sign_in"), "connect_error", "neutral"),
        (Failure(kind="internal"), None, "neutral"),
    ],
    ids=lambda value: f"{value.kind} {value.status or ''}".strip() if isinstance(value, Failure) else "",
)
def test_a_failure_has_a_trigger_and_somebodys_fault(failure: Failure, trigger: str | None, verdict: str):
    assert trigger_of(failure) == trigger
    assert verdict_of(failure) == verdict
