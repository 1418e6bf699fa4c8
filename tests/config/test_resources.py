import pytest

from tollway.config import resources
from tollway.config.resources import Resources
from tollway.snapshot import document


def test_a_gateway_without_settings_listens_on_this_machine_only() -> None:
    (listener,) = Resources().listeners
    assert (listener.name, listener.address.host, listener.address.port) == ("default", "127.0.0.1", 8081)


@pytest.mark.parametrize(
    ("written", "compiled", "renamed"),
    [
        pytest.param(
            resources.Limits(),
            document.Limits(),
            {
                "header_timeout": "header_seconds",
                "body_timeout": "body_seconds",
                "idle_timeout": "idle_seconds",
                "write_stall_timeout": "write_stall_seconds",
                "websocket_ping_interval": "websocket_ping_seconds",
                "websocket_idle_timeout": "websocket_idle_seconds",
                "websocket_total_timeout": "websocket_seconds",
            },
            id="limits",
        ),
        pytest.param(
            resources.Timeouts(),
            document.Timeouts(),
            {
                "connect": "connect_seconds",
                "first_byte": "first_byte_seconds",
                "between_events": "between_events_seconds",
                "total": "total_seconds",
            },
            id="timeouts",
        ),
        pytest.param(
            resources.Health(), document.Health(), {"window": "window_seconds", "rest": "open_seconds"}, id="health"
        ),
        pytest.param(
            resources.Retries(),
            document.Retries(),
            {
                "backoff": "backoff_seconds",
                "max_backoff": "max_backoff_seconds",
                "only_within": "only_within_seconds",
                "on": None,
            },
            id="retries",
        ),
    ],
)
def test_the_written_defaults_are_the_snapshots_defaults(
    written: resources.Resource, compiled: object, renamed: dict[str, str | None]
) -> None:
    for name in written.__struct_fields__:
        target = renamed.get(name, name)
        if target is not None:
            assert getattr(written, name) == getattr(compiled, target), name


def test_the_written_triggers_are_the_snapshots_triggers() -> None:
    assert frozenset(resources.Fallback(route="r").on) == document.Fallback(route="r").on
    assert frozenset(resources.Retries().on) == document.Retries().on
    assert resources.Trigger == document.Trigger
