"""TLS contexts, by real handshakes."""

import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from tollway.gateway.tls import client_context, follow, server_context
from tollway.snapshot.document import TlsClient, TlsServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def pem(folder: Path, name: str, certificate: trustme.LeafCert) -> str:
    path = folder / f"{name}.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def server_file(authority: trustme.CA, tmp_path: Path) -> str:
    return pem(tmp_path, "server", authority.issue_cert("localhost"))


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> ssl.SSLSocket:
    """Shake hands, and read one byte, which is when a client hears of a refusal in TLS 1.3."""
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)

    def serve() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as session:
                session.sendall(b"x")
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with ExitStack() as unless_it_works:
        unless_it_works.callback(thread.join)
        unless_it_works.callback(near.close)
        session = client.wrap_socket(near, server_hostname=name)
        unless_it_works.callback(session.close)
        assert session.recv(1) == b"x"
        unless_it_works.pop_all()
    thread.join()
    return session


def subject(session: ssl.SSLSocket) -> object:
    certificate = session.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


@pytest.mark.parametrize(("http2", "offered", "chosen"), [
    (True, ["h2", "http/1.1"], "h2"),
    (True, ["http/1.1"], "http/1.1"),
    (False, ["h2", "http/1.1"], "http/1.1"),
    (True, ["spdy/3"], None),
])  # fmt: skip
def test_a_listener_negotiates_the_protocol(
    server_file: str, ca_file: str, http2: bool, offered: list[str], chosen: str | None
):
    client = client_context(TlsClient(ca_file=ca_file))
    client.set_alpn_protocols(offered)
    server = server_context(TlsServer(certificate_file=server_file, key_file=server_file, http2=http2))
    with handshake(server, client) as session:
        assert session.selected_alpn_protocol() == chosen


@pytest.mark.parametrize(("minimum", "most", "works"), [
    ("1.2", ssl.TLSVersion.TLSv1_2, True),
    ("1.3", ssl.TLSVersion.TLSv1_2, False),
    ("1.3", ssl.TLSVersion.TLSv1_3, True),
])  # fmt: skip
def test_a_listener_refuses_versions_below_its_minimum(
    server_file: str, ca_file: str, minimum: str, most: ssl.TLSVersion, works: bool
):
    client = client_context(TlsClient(ca_file=ca_file))
    client.maximum_version = most
    server = server_context(
        TlsServer(certificate_file=server_file, key_file=server_file, minimum_version=minimum)  # pyright: ignore[reportArgumentType]
    )
    if works:
        handshake(server, client).close()
    else:
        with pytest.raises(ssl.SSLError):
            handshake(server, client)


@pytest.mark.parametrize(("required", "shown", "works"), [
    (True, "own", True),
    (True, None, False),
    (True, "stranger", False),
    (False, None, True),
    (False, "own", True),
    (False, "stranger", False),
])  # fmt: skip
def test_a_listener_with_a_client_authority_takes_its_certificates_alone(
    authority: trustme.CA,
    server_file: str,
    ca_file: str,
    tmp_path: Path,
    required: bool,
    shown: str | None,
    works: bool,
):
    issuer = authority if shown == "own" else trustme.CA()
    client_file = pem(tmp_path, "client", issuer.issue_cert("caller@example.org")) if shown is not None else None
    server = server_context(
        TlsServer(
            certificate_file=server_file,
            key_file=server_file,
            client_ca_file=ca_file,
            require_client_certificate=required,
        )
    )
    client = client_context(TlsClient(ca_file=ca_file, certificate_file=client_file, key_file=client_file))
    if works:
        handshake(server, client).close()
    else:
        with pytest.raises(OSError, match=r"(?i)alert|certificate|reset|closed|EOF"):
            handshake(server, client)


def test_a_caller_cannot_make_a_listener_shake_hands_again(server_file: str):
    context = server_context(TlsServer(certificate_file=server_file, key_file=server_file))
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_renewed_files_reach_new_connections_of_a_listener_that_stays_open(
    authority: trustme.CA, server_file: str, ca_file: str, tmp_path: Path
):
    document = TlsServer(certificate_file=server_file, key_file=server_file)
    opened = current = server_context(document)
    follow(opened, lambda: current)
    client = client_context(TlsClient(ca_file=ca_file))
    with handshake(opened, client) as before:
        old = subject(before)
    pem(tmp_path, "server", authority.issue_cert("localhost"))
    current = server_context(document)
    with handshake(opened, client) as after:
        assert subject(after) != old
        assert subject(after) == _serial(server_file)


def _serial(path: str) -> str:
    decoded = ssl._ssl._test_decode_cert(path)  # pyright: ignore[reportAttributeAccessIssue] - the only parser in the standard library
    return decoded["serialNumber"]


@pytest.mark.parametrize("missing", ["certificate_file", "key_file", "client_ca_file"])
def test_a_file_that_is_not_there_is_an_error_of_the_operating_system(server_file: str, missing: str):
    files = {"certificate_file": server_file, "key_file": server_file, missing: f"{server_file}.missing"}
    with pytest.raises(FileNotFoundError):
        server_context(TlsServer(**files))


def test_towards_upstreams_only_the_given_authority_is_trusted(server_file: str, ca_file: str):
    server = server_context(TlsServer(certificate_file=server_file, key_file=server_file))
    handshake(server, client_context(TlsClient(ca_file=ca_file))).close()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client_context(TlsClient()))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client_context(TlsClient(ca_file=ca_file)), name="another.test")
    handshake(server, client_context(TlsClient(verify=False)), name="another.test").close()


def test_towards_upstreams_old_versions_are_not_spoken():
    assert client_context(TlsClient()).minimum_version == ssl.TLSVersion.TLSv1_2
