from typing import Any, ClassVar

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.interfaces.policy import Category, Policy, PolicyExchange, Refusal, ResponseEvent
from tollway.testing.exchange import FakeAttempt, FakeExchange, policy_context
from tollway.testing.usage_records import usage_record


class Config(msgspec.Struct, frozen=True):
    """No settings."""


class Nothing(Policy[Config]):
    """Overrides no phase."""

    id: ClassVar[str] = "nothing"
    title: ClassVar[str] = "Nothing"
    category: ClassVar[Category] = "ai"
    summary: ClassVar[str] = "Does nothing."
    config_type: ClassVar[type[msgspec.Struct]] = Config


class OnlyRequest(Nothing):
    """Overrides one phase."""

    def request(self, exchange: PolicyExchange) -> Refusal:
        """Refuse."""
        return PolicyRefusal(f"no {exchange.method}")


@pytest.fixture
def parts() -> tuple[Any, FakeExchange]:
    return policy_context(), FakeExchange()


def test_a_policy_that_overrides_nothing_lets_everything_pass_unchanged(parts: tuple[Any, FakeExchange]) -> None:
    context, exchange = parts
    policy = Nothing(Config(), context)
    event = ResponseEvent(b"{}", b"message")
    assert policy.request(exchange) is None
    assert policy.upstream(exchange, FakeAttempt()) is None
    assert policy.response(exchange, 200) is None
    assert policy.event(exchange, event) is event
    policy.end(exchange, usage_record(1))


def test_it_keeps_its_settings_and_what_the_gateway_handed_it(parts: tuple[Any, FakeExchange]) -> None:
    context, _ = parts
    config = Config()
    policy = Nothing(config, context)
    assert policy.config is config
    assert policy.context is context


def test_phases_that_are_not_overridden_can_be_told_from_those_that_are() -> None:
    overridden = [
        phase
        for phase in ("request", "upstream", "response", "event", "end")
        if getattr(OnlyRequest, phase) is not getattr(Policy, phase)
    ]
    assert overridden == ["request"]


def test_a_refusal_is_an_error_that_is_given_back_not_raised(parts: tuple[Any, FakeExchange]) -> None:
    context, exchange = parts
    refusal = OnlyRequest(Config(), context).request(exchange)
    assert isinstance(refusal, PolicyRefusal)
    assert refusal.status == 403
