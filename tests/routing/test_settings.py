"""The snapshot's own values must fit the seams, and the two lists of triggers must be one."""

from typing import get_args

from tollway.routing import settings
from tollway.snapshot import document


def test_both_name_the_same_triggers():
    assert set(get_args(settings.Trigger)) == set(get_args(document.Trigger))


def test_the_snapshots_values_fit():
    route: settings.RouteSettings = document.Route(name="a", provider="p", base_url="https://example.test")
    fallback: settings.FallbackSettings = document.Fallback(route="a")
    retries: settings.RetrySettings = document.Retries()
    health: settings.HealthSettings = document.Health()
    for value, protocol in (
        (route, settings.RouteSettings),
        (fallback, settings.FallbackSettings),
        (retries, settings.RetrySettings),
        (health, settings.HealthSettings),
    ):
        for name in vars(protocol):
            if not name.startswith("_"):
                assert hasattr(value, name)
