"""The handshakes of a WebSocket, as bytes."""

from types import SimpleNamespace
from typing import Any

import pytest

from tollway.core.errors import BadRequest, CallerError, UpstreamGarbled
from tollway.gateway import upgrade
from tollway.gateway.request import Request
from tollway.gateway.websocket import HandshakeAnswer
from tollway.snapshot.plugins import provider

from .serving import route

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
TOKEN = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
OFFER = {
    b"upgrade": b"WebSocket",
    b"connection": b"keep-alive, Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": KEY,
}


def request(target: bytes = b"/v1/realtime", **changes: bytes) -> Request:
    given = {name.replace("_", "-").encode(): value for name, value in changes.items()}
    return Request(b"GET", target, "", {**OFFER, **given})


def test_an_offer_gives_its_key() -> None:
    assert upgrade.check_offer(request()) == KEY


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"upgrade": b"h2c"}, 426),
        ({"connection": b"keep-alive"}, 426),
        ({"sec_websocket_version": b"8"}, 426),
        ({"sec_websocket_key": b"short"}, 400),
    ],
)
def test_what_is_no_offer_is_refused(changes: dict[str, bytes], status: int) -> None:
    with pytest.raises(CallerError) as caught:
        upgrade.check_offer(request(**changes))
    assert caught.value.status == status


def test_other_versions_of_http_are_told_to_come_by_1_1_in_headers_that_they_have() -> None:
    for version, headers in (("HTTP/1.0", 0), ("HTTP/2", 0), ("HTTP/1.1", 2)):
        one = request(upgrade=b"none")
        one.version = version
        with pytest.raises(CallerError) as caught:
            upgrade.check_offer(one)
        assert (caught.value.status, len(caught.value.headers)) == (426, headers)


def test_a_repeated_parameter_is_not_chosen_between() -> None:
    assert upgrade.query_of(request(b"/r?a=1&b=%C3%A4&c=")) == {"a": "1", "b": "ä", "c": ""}
    with pytest.raises(BadRequest):
        upgrade.query_of(request(b"/r?a=1&a=2"))


def test_policies_see_moved_headers_and_no_subprotocol() -> None:
    given = request(sec_websocket_protocol=b"realtime, openai-insecure-api-key.x", authorization=b"Bearer x")
    seen = upgrade.seen_by_policies(given, {b"authorization": b"Bearer x", b"openai-beta": b"y"})
    assert seen.headers[b"openai-beta"] == b"y"
    assert b"sec-websocket-protocol" not in seen.headers
    assert b"openai-beta" not in given.headers
    with pytest.raises(BadRequest):
        upgrade.seen_by_policies(given, {b"authorization": b"Bearer z"})


def handshake(base_url: str, name: str, path: str, credential: str | bytes = "sk", **settings: Any) -> list[str]:
    target = SimpleNamespace(route=route(base_url, provider=name, **settings), provider=provider(name))
    written = upgrade.provider_handshake(
        SimpleNamespace(target=target, target_model="gpt/x y"),  # pyright: ignore[reportArgumentType]
        path,
        query={"intent": "a b"},
        credential=credential,
        headers={"X-Own": "1", "user-agent": "ours"},
        forwarded=b"x-more: 2\r\n",
        key=KEY,
        now_us=0,
    )
    return written.decode().split("\r\n")


def test_a_providers_path_keeps_its_query_and_nothing_of_the_dated_calls() -> None:
    path = "/openai/v1/realtime?model={model}"
    dated = {"api-version": "2024-10-01", "tier": "t"}
    lines = handshake("https://r.example/base/", "azureopenai", path, query=dated)
    assert lines[0] == "GET /base/openai/v1/realtime?model=gpt%2Fx%20y&tier=t&intent=a+b HTTP/1.1"
    assert {"host: r.example", "api-key: sk", "x-own: 1", "user-agent: ours", "x-more: 2"} <= set(lines)
    assert lines[-2:] == ["", ""]


def test_a_token_is_sent_in_place_of_a_key() -> None:
    lines = handshake("https://r.example", "azureopenai", "/x", b"authorization: Bearer token\r\n")
    assert "authorization: Bearer token" in lines
    assert not any(line.startswith("api-key") for line in lines)


@pytest.mark.parametrize(
    ("base_url", "target"),
    [
        ("https://g.example/v1beta", "/ws/x"),
        ("https://g.example/gemini/v1beta", "/gemini/ws/x"),
        ("https://g.example", "/ws/x"),
    ],
)
def test_a_path_may_leave_the_version_of_the_base_url(base_url: str, target: str) -> None:
    assert handshake(base_url, "gemini", "/../ws/x")[0] == f"GET {target}?intent=a+b HTTP/1.1"


@pytest.mark.parametrize(
    "change",
    [
        {b"sec-websocket-accept": b"other"},
        {b"upgrade": b"h2c"},
        {b"connection": b"close"},
        {b"sec-websocket-extensions": b"permessage-deflate"},
        {b"sec-websocket-protocol": b"never-offered"},
    ],
    ids=["another token", "another protocol", "no connection", "an extension", "a subprotocol"],
)
def test_an_acceptance_that_was_not_asked_for_is_garbled(change: dict[bytes, bytes]) -> None:
    answer = HandshakeAnswer()
    answer.headers = {b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-accept": TOKEN}
    upgrade.check_answer(answer, KEY)
    answer.headers |= change
    with pytest.raises(UpstreamGarbled):
        upgrade.check_answer(answer, KEY)


def test_keys_are_drawn_anew() -> None:
    assert upgrade.new_key() != upgrade.new_key()
