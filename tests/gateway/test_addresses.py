"""Which addresses may be called, also after DNS."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import UpstreamUnreachable
from tollway.gateway.addresses import is_public, resolve

PUBLIC = ["8.8.8.8", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = {
    "loopback": "127.0.0.1",
    "the far end of loopback": "127.255.255.254",
    "this network": "0.0.0.0",
    "class A": "10.1.2.3",
    "class B": "172.16.0.1",
    "class C": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "link-local": "169.254.0.1",
    "cloud metadata": "169.254.169.254",
    "documentation": "192.0.2.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "IPv6 link-local": "fe80::1%eth0",
    "IPv6 unique local": "fd00::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 multicast": "ff0e::1",
    "IPv4 mapped": "::ffff:10.0.0.1",
    "IPv4 compatible": "::10.0.0.1",
    "IPv4 behind NAT64": "64:ff9b::a00:1",
    "IPv4 behind 6to4": "2002:a00:1::1",
    "IPv4 behind Teredo": "2001:0:4136:e378:8000:63bf:f5ff:fffe",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE.keys())
def test_an_address_inside_somebodys_network_is_not(address: str):
    assert not is_public(address)


@given(st.ip_addresses(v=4).map(str))
def test_an_ipv4_address_is_the_same_however_ipv6_carries_it(address: str):
    number = int(ipaddress.IPv4Address(address))
    high, low = number >> 16, number & 0xFFFF
    for carrier in (f"::ffff:{address}", f"64:ff9b::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1"):
        assert is_public(carrier) == is_public(address)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the resolver says, whoever asks."""
    addresses: list[str] = []

    def getaddrinfo(host: object, port: object, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return addresses


async def test_addresses_come_in_the_resolvers_order_each_once(answers: list[str]):
    answers += ["8.8.8.8", "1.1.1.1", "8.8.8.8"]
    assert await resolve("api.example.com", 443, allow_private=False) == ["8.8.8.8", "1.1.1.1"]


async def test_private_addresses_among_public_ones_are_left_out(answers: list[str]):
    answers += ["10.0.0.1", "8.8.8.8", "::1"]
    assert await resolve("api.example.com", 443, allow_private=False) == ["8.8.8.8"]
    assert await resolve("api.example.com", 443, allow_private=True) == ["10.0.0.1", "8.8.8.8", "::1"]


async def test_a_name_with_private_addresses_only_is_refused_and_not_tried_again(answers: list[str]):
    answers += ["169.254.169.254", "10.0.0.1"]
    with pytest.raises(UpstreamUnreachable) as refusal:
        await resolve("rebound.example.com", 443, allow_private=False)
    assert (refusal.value.code, refusal.value.should_retry) == ("upstream_address_refused", False)
    assert "10.0.0.1" not in refusal.value.message


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 64 + ".example.com", "\u2603" * 40 + ".com"])
async def test_a_name_that_cannot_be_resolved_is_unreachable(name: str):
    with pytest.raises(UpstreamUnreachable, match="does not resolve"):
        await resolve(name, 443, allow_private=True)
