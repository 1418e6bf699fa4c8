"""The snapshot's types: plain frozen values, with defaults that are safe, and secrets that do not show."""

from typing import Any

import msgspec
import pytest

from tollway.interfaces.secrets import Secret
from tollway.snapshot import document
from tollway.snapshot.codec import content_version, decode, encode
from tollway.snapshot.document import (
    FORMAT,
    Client,
    Contract,
    Fallback,
    Limits,
    Listener,
    LlmProxy,
    PolicyCondition,
    PolicyUse,
    Retries,
    Route,
    SecretHash,
    Snapshot,
    Telemetry,
    TlsClient,
    TlsServer,
)

from .compiling import ENVIRON, compiled

VALUE = "sk-operator-7261"
TYPES = [kind for kind in vars(document).values() if isinstance(kind, type) and kind.__module__ == document.__name__]


def small(**settings: Any) -> Snapshot:
    listeners = (Listener(name="main", host="::1", port=0),)
    proxies = (
        LlmProxy(
            name="p",
            base_path="",
            listeners=("main",),
            routes=(Route(name="r", provider="openai", base_url="https://api.example/v1", keys=(Secret(VALUE),)),),
        ),
    )
    return Snapshot(**{"version": "", "data_dir": "/data", "listeners": listeners, "proxies": proxies, **settings})


@pytest.mark.parametrize("kind", TYPES, ids=[kind.__name__ for kind in TYPES])
def test_every_value_is_frozen_and_named(kind: type) -> None:
    assert issubclass(kind, msgspec.Struct)
    assert kind.__struct_config__.frozen
    with pytest.raises(TypeError, match="positional"):
        kind("by position")
    assert kind.__doc__


def test_what_is_not_said_is_safe() -> None:
    route = Route(name="r", provider="openai", base_url="https://api.example/v1")
    assert (route.allow_private, route.tls.verify, route.proxy_url) == (False, True, None)
    assert TlsServer(certificate_file="c", key_file="k").minimum_version == "1.2"
    listener = Listener(name="l", host="h", port=1)
    assert (listener.metrics, listener.limits) == (False, Limits())
    snapshot = small()
    assert (snapshot.server_header, snapshot.log_level, snapshot.telemetry) == (False, "info", Telemetry())
    assert (snapshot.telemetry.otlp_endpoint, snapshot.telemetry.admin_port) == ("", 0)
    assert snapshot.proxies[0].on_client_leave == "cancel"


def test_the_fallback_is_not_for_budgets_unless_it_says_so() -> None:
    assert "budget" not in Fallback(route="r").on
    assert Retries().on < Fallback(route="r").on


@pytest.mark.parametrize(
    "holder",
    [
        Route(name="r", provider="openai", base_url="https://api.example", keys=(Secret(VALUE),)),
        Telemetry(otlp_headers={"authorization": Secret(VALUE)}),
        PolicyUse(name="n", policy="p", config={"key": Secret(VALUE)}),
        small(),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_a_secret_does_not_show(holder: msgspec.Struct) -> None:
    assert VALUE not in repr(holder)
    assert VALUE not in str(holder)


def test_a_snapshot_that_says_everything_survives_its_journey() -> None:
    route = Route(
        name="r",
        provider="openai",
        base_url="https://api.example/v1",
        credential="c",
        keys=(Secret(VALUE), Secret("other")),
        target_model="m",
        models=("a",),
        aliases={"x": "y"},
        match_headers={"x-a": "b"},
        headers={"x-b": "c"},
        query={"v": "1"},
        tls=TlsClient(ca_file="/ca", verify=False),
        proxy_url="http://proxy:3128",
    )
    use = PolicyUse(
        name="n",
        policy="p",
        config={"key": Secret(VALUE), "nested": [{"deep": 1.5}]},
        shadow=True,
        when=(PolicyCondition(methods=frozenset({"POST"}), path="^/v1", headers={"x": "y"}),),
    )
    proxy = LlmProxy(
        name="p",
        base_path="/p",
        listeners=("main",),
        routes=(route,),
        fallback=Fallback(route="r", on=frozenset({"budget"})),
        policies=(use,),
        contracts=(Contract(client_id="c", sla_tier="Gold"),),
    )
    client = Client(client_id="c", name="C", secrets=(SecretHash(salt="s", sha256="00", expires_us=5),))
    snapshot = small(proxies=(proxy,), clients=(client,), telemetry=Telemetry(otlp_headers={"a": Secret(VALUE)}))
    snapshot = msgspec.structs.replace(snapshot, version=content_version(snapshot))
    assert decode(encode(snapshot)) == snapshot


def test_what_is_compiled_is_a_document() -> None:
    snapshot = compiled()
    assert (snapshot.format, snapshot.version) == (FORMAT, content_version(snapshot))
    assert decode(encode(snapshot)) == snapshot
    shown = repr(snapshot)
    assert not any(secret in shown for secret in ENVIRON.values() if len(secret) > 3)
