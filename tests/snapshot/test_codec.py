from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.interfaces.secrets import Secret
from tollway.snapshot.codec import SnapshotRefused, content_version, decode, encode, policy_config
from tollway.snapshot.document import (
    FORMAT,
    Client,
    Contract,
    Fallback,
    Listener,
    LlmProxy,
    PolicyUse,
    Route,
    SecretHash,
    Snapshot,
    Telemetry,
)


def snapshot(**changes: Any) -> Snapshot:
    route = Route(name="r", provider="openai", base_url="https://a", keys=(Secret("sk-secret"),), aliases={"a": "b"})
    policy = PolicyUse(name="p", policy="p", config={"key": Secret("sk-inner"), "list": [1, {"x": Secret("y")}]})
    proxy = LlmProxy(
        name="p",
        base_path="/p",
        listeners=("l",),
        routes=(route,),
        fallback=Fallback(route="r"),
        policies=(policy,),
        contracts=(Contract(client_id="c"),),
    )
    content = Snapshot(
        version="",
        data_dir="/d",
        listeners=(Listener(name="l", host="127.0.0.1", port=1),),
        proxies=(proxy,),
        clients=(Client(client_id="c", name="C", secrets=(SecretHash(salt="s", sha256="h"),)),),
        telemetry=Telemetry(otlp_headers={"a": Secret("b")}),
    )
    changed = msgspec.structs.replace(content, **changes)
    return msgspec.structs.replace(changed, version=content_version(changed))


def test_a_snapshot_comes_back_equal() -> None:
    assert decode(encode(snapshot())) == snapshot()


def test_secrets_come_back_as_secrets_wherever_they_stand() -> None:
    proxy = decode(encode(snapshot())).proxies[0]
    assert proxy.routes[0].keys == (Secret("sk-secret"),)
    assert proxy.policies[0].config == {"key": Secret("sk-inner"), "list": [1, {"x": Secret("y")}]}


def test_the_version_follows_the_content() -> None:
    assert snapshot().version == snapshot().version
    assert snapshot(workers=2).version != snapshot().version
    assert snapshot(telemetry=Telemetry(otlp_headers={"a": Secret("c")})).version != snapshot().version


def test_the_version_does_not_follow_itself_or_the_order_of_names() -> None:
    assert content_version(msgspec.structs.replace(snapshot(), version="x")) == snapshot().version
    one = snapshot(telemetry=Telemetry(otlp_headers={"a": Secret("1"), "b": Secret("2")}))
    other = snapshot(telemetry=Telemetry(otlp_headers={"b": Secret("2"), "a": Secret("1")}))
    assert one.version == other.version


def test_another_format_is_refused_by_its_number() -> None:
    later = msgspec.structs.replace(snapshot(), format=FORMAT + 1)
    with pytest.raises(SnapshotRefused, match=f"has format {FORMAT + 1}, this gateway runs format {FORMAT}"):
        decode(encode(later))


def test_another_format_is_refused_even_when_nothing_else_can_be_read() -> None:
    with pytest.raises(SnapshotRefused, match="has format 99"):
        decode(msgspec.msgpack.encode({"format": 99, "new": True}))


def test_content_that_does_not_fit_its_version_is_refused() -> None:
    with pytest.raises(SnapshotRefused, match="does not fit its version"):
        decode(encode(msgspec.structs.replace(snapshot(), workers=7)))


def test_a_snapshot_cut_anywhere_is_refused() -> None:
    data = encode(snapshot())
    for length in range(0, len(data), 7):
        with pytest.raises(SnapshotRefused, match="is damaged"):
            decode(data[:length])


@given(st.binary(max_size=200) | st.tuples(st.integers(0, 1000), st.integers(0, 255)))
def test_damaged_bytes_are_refused_or_are_the_same_content(damage: bytes | tuple[int, int]) -> None:
    data = bytearray(encode(snapshot()))
    if isinstance(damage, bytes):
        data = bytearray(damage)
    else:
        data[damage[0] % len(data)] = damage[1]
    try:
        assert decode(bytes(data)).version == snapshot().version
    except SnapshotRefused:
        return


def test_what_a_snapshot_cannot_hold_is_not_written() -> None:
    odd = PolicyUse(name="p", policy="p", config={"x": object()})
    proxy = msgspec.structs.replace(snapshot().proxies[0], policies=(odd,))
    with pytest.raises(NotImplementedError, match="cannot hold object"):
        encode(msgspec.structs.replace(snapshot(), proxies=(proxy,)))


class Settings(msgspec.Struct, rename="camel"):
    api_key: Secret
    limits: tuple[int, ...] = ()


def test_a_policys_settings_get_their_type_again() -> None:
    assert policy_config(Settings, {"apiKey": Secret("x"), "limits": [1]}) == Settings(Secret("x"), (1,))
    with pytest.raises(msgspec.ValidationError):
        policy_config(Settings, {"apiKey": "plain"})
