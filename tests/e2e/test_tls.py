"""TLS on both sides: what callers may show and speak, HTTP/2, and whom the gateway believes upstream."""

import asyncio
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import trustme
from tests.e2e.test_durability import PATH, STREAMED, WHOLE
from tests.e2e.test_failures import EVENTS, OK
from tests.support.running import Gateway, key_file, until

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

ENDLESS = STREAMED.replace(b"streamed", b"endless")


class Site:
    """A gateway with one listener of each kind, and who is believed there."""

    def __init__(self, folder: Path) -> None:
        """Make the authorities and certificates."""
        self.folder = folder
        self.authority = trustme.CA()
        self.callers = trustme.CA()
        self.strangers = trustme.CA()
        self.server = self._files("server", self.authority.issue_cert("localhost", "127.0.0.1"))
        self.callers_file = str(folder / "callers.pem")
        self.callers.cert_pem.write_to_path(self.callers_file)
        self.authority_file = str(folder / "authority.pem")
        self.authority.cert_pem.write_to_path(self.authority_file)

    def _files(self, name: str, certificate: trustme.LeafCert) -> dict[str, str]:
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        return {"certificate_file": str(chain), "key_file": str(key)}

    def trusting(self, shows: trustme.CA | None = None) -> ssl.SSLContext:
        """A caller that believes the gateway's authority, and shows a certificate of another."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if shows is not None:
            shows.issue_cert("caller.example").configure_cert(context)
        return context

    def tls_upstream(self, *, wants_certificate: bool = False) -> ScriptedUpstream:
        """An upstream of the site's authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        if wants_certificate:
            self.callers.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return ScriptedUpstream(tls=context)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Gateway]:
    plain, secure = ScriptedUpstream(), site.tls_upstream()
    strict = site.tls_upstream(wants_certificate=True)
    with plain, secure, strict:
        for upstream in (plain, secure, strict):
            upstream.on(OK, model="whole")
            upstream.on(script.sse(EVENTS, pause=0.02), model="streamed")
            upstream.on(script.sse([EVENTS[0], script.Hang()]), model="endless")
        shown = site._files("shown", site.callers.issue_cert("gateway.example"))
        believing = {"ca_file": site.authority_file}

        def proxy(name: str, upstream: ScriptedUpstream, **tls: Any) -> dict[str, Any]:
            route = {"name": name, "provider": "openai", "credential": "key", "url": upstream.url, "tls": tls}
            return {"name": name, "base_path": f"/{name}", "routes": [route], "retries": {"attempts": 0}}

        def listener(name: str, **tls: Any) -> dict[str, Any]:
            return {"name": name, "address": "127.0.0.1:0", "tls": {**site.server, **tls}}

        resources = {
            "listeners": [
                listener("both"),
                listener("one", http2=False),
                listener("newest", minimum_version="1.3"),
                listener("mutual", client_ca_file=site.callers_file, require_client_certificate=True),
            ],
            "credentials": [{"name": "key", "values": key_file(site.folder)}],
            "llm_proxies": [
                proxy("p", plain),
                proxy("secure", secure, **believing),
                proxy("unbelieved", secure),
                proxy("misnamed", secure, **believing, server_name="other.example"),
                proxy("blind", secure, verify=False),
                proxy("strict", strict, **believing, **shown),
                proxy("bare", strict, **believing),
            ],
        }
        with Gateway(site.folder / "gateway", resources) as running:
            yield running


def _url(gateway: Gateway, listener: int) -> str:
    url = gateway.urls[listener]
    assert url.startswith("https://")
    return url.replace("127.0.0.1", "localhost")


BOTH, ONE, NEWEST, MUTUAL = range(4)


def _ask(gateway: Gateway, listener: int, context: ssl.SSLContext, path: str = PATH, *, http2: bool = False) -> Any:
    with httpx.Client(verify=context, http2=http2) as client:
        return client.post(f"{_url(gateway, listener)}{path}", content=WHOLE)


def test_an_sdk_calls_over_tls(site: Site, gateway: Gateway) -> None:
    with (
        httpx.Client(verify=site.trusting(), http2=True) as client,
        openai.OpenAI(base_url=f"{_url(gateway, BOTH)}/p", api_key="unused", http_client=client) as sdk,
    ):
        messages: list[Any] = [{"role": "user", "content": "hi"}]
        answer = sdk.chat.completions.with_raw_response.create(model="whole", messages=messages)
        assert answer.parse().choices[0].message.content == "yes"
        with sdk.chat.completions.create(model="streamed", messages=messages, stream=True) as stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "one two"
    assert gateway.record(answer.headers["x-correlation-id"]).usage.total_tokens == 5


@pytest.mark.parametrize(
    ("listener", "offers", "spoken"),
    [(BOTH, True, "HTTP/2"), (BOTH, False, "HTTP/1.1"), (ONE, True, "HTTP/1.1"), (NEWEST, True, "HTTP/2")],
)
def test_the_protocol_is_negotiated(site: Site, gateway: Gateway, listener: int, offers: bool, spoken: str) -> None:
    answer = _ask(gateway, listener, site.trusting(), http2=offers)
    assert (answer.status_code, answer.http_version) == (200, spoken)
    assert answer.content == OK.body


async def test_many_calls_share_one_http2_connection(site: Site, gateway: Gateway) -> None:
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(verify=site.trusting(), http2=True, limits=limits) as client:
        url = f"{_url(gateway, BOTH)}{PATH}"
        await client.post(url, content=WHOLE)  # the connection is there
        bodies = [STREAMED if number % 2 else WHOLE for number in range(60)]
        answers = await asyncio.gather(*(client.post(url, content=body) for body in bodies))
    assert {(answer.status_code, answer.http_version) for answer in answers} == {(200, "HTTP/2")}
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.content == (OK.body if body is WHOLE else "".join(EVENTS[:3] + EVENTS[4:]).encode())
        assert gateway.record(answer.headers["x-correlation-id"]).usage.total_tokens == 5


async def test_a_caller_that_leaves_its_http2_connection_stops_the_upstream_call(site: Site, gateway: Gateway) -> None:
    headers = {"x-correlation-id": "left-over-http2"}
    async with httpx.AsyncClient(verify=site.trusting(), http2=True) as client:
        url = f"{_url(gateway, BOTH)}{PATH}"
        async with client.stream("POST", url, content=ENDLESS, headers=headers) as answer:
            await anext(answer.aiter_raw())
    assert gateway.record("left-over-http2").outcome == "cancelled"


def test_a_caller_must_show_a_certificate_where_it_is_required(site: Site, gateway: Gateway) -> None:
    assert _ask(gateway, MUTUAL, site.trusting(site.callers)).status_code == 200
    assert _ask(gateway, MUTUAL, site.trusting(site.callers), http2=True).status_code == 200
    for shows in (None, site.strangers):
        with pytest.raises(httpx.TransportError):
            _ask(gateway, MUTUAL, site.trusting(shows))


def test_an_old_tls_version_is_refused(site: Site, gateway: Gateway) -> None:
    old = site.trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert _ask(gateway, BOTH, old).status_code == 200
    with pytest.raises(httpx.TransportError):
        _ask(gateway, NEWEST, old)


def test_plain_http_on_a_tls_listener_harms_nobody(site: Site, gateway: Gateway) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(_url(gateway, BOTH).replace("https", "http"))
    assert _ask(gateway, BOTH, site.trusting()).status_code == 200


@pytest.mark.parametrize("proxy", ["secure", "blind", "strict"])
def test_a_tls_upstream_that_is_believed_is_called(site: Site, gateway: Gateway, proxy: str) -> None:
    answer = _ask(gateway, BOTH, site.trusting(), f"/{proxy}/v1/chat/completions")
    assert (answer.status_code, answer.content) == (200, OK.body)


@pytest.mark.parametrize("proxy", ["unbelieved", "misnamed", "bare"])
def test_a_tls_upstream_that_is_not_believed_or_does_not_believe_us_is_a_bad_gateway(
    site: Site, gateway: Gateway, proxy: str
) -> None:
    answer = _ask(gateway, BOTH, site.trusting(), f"/{proxy}/v1/chat/completions")
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_unreachable"
    assert site.authority_file not in answer.text
    record = until(lambda: gateway.record(answer.headers["x-correlation-id"]), "its record")
    assert (record.outcome, record.upstream_status) == ("error", 0)


def test_probes_answer_over_tls(site: Site, gateway: Gateway) -> None:
    with httpx.Client(verify=site.trusting(), http2=True) as client:
        assert client.get(f"{_url(gateway, BOTH)}/probes/readiness").status_code == 200


def test_renewed_certificates_are_taken_over_without_closing_a_connection(tmp_path: Path) -> None:
    old = Site(tmp_path)
    with ScriptedUpstream() as upstream:
        upstream.on(OK)
        route = {"name": "r", "provider": "openai", "credential": "key", "url": upstream.url}
        resources = {
            "listeners": [{"name": "default", "address": "127.0.0.1:0", "tls": old.server}],
            "credentials": [{"name": "key", "values": key_file(tmp_path)}],
            "llm_proxies": [{"name": "p", "base_path": "/p", "routes": [route]}],
        }
        with Gateway(tmp_path / "gateway", resources) as gateway, httpx.Client(verify=old.trusting()) as kept:
            url = f"{_url(gateway, 0)}{PATH}"
            assert kept.post(url, content=WHOLE).status_code == 200
            new = Site(tmp_path)  # an authority of its own, and the same file names
            gateway.signal(signal.SIGHUP)
            until(lambda: _believed(new, url), "the renewed certificate")
            assert not _believed(old, url)
            assert kept.post(url, content=WHOLE).status_code == 200  # on the connection from before


def _believed(site: Site, url: str) -> bool:
    try:
        return httpx.post(url, content=WHOLE, verify=site.trusting()).status_code == 200
    except httpx.ConnectError:
        return False
