"""TLS contexts, towards callers and towards upstreams."""

import ssl
from collections.abc import Callable
from typing import Final

from tollway.snapshot.document import TlsClient, TlsServer

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(tls: TlsServer) -> ssl.SSLContext:
    """Make the context of a listener; with a client CA, callers may or must show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.minimum_version]
    # RFC 9113, section 9.2.1 forbids both over HTTP/2; nobody needs them over HTTP/1.1.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    context.set_alpn_protocols(["h2", "http/1.1"] if tls.http2 else ["http/1.1"])
    if tls.client_ca_file is not None:
        context.load_verify_locations(tls.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_client_certificate else ssl.CERT_OPTIONAL
    return context


def follow(context: ssl.SSLContext, current: Callable[[], ssl.SSLContext | None]) -> None:
    """Let handshakes that begin in `context` go on in the current one.

    A server keeps the context it was opened with; this is how renewed certificate files reach new
    connections without closing the listener.
    """

    def choose(session: ssl.SSLSocket | ssl.SSLObject, name: str | None, begun: ssl.SSLContext) -> None:
        del name, begun
        latest = current()
        if latest is not None and latest is not session.context:
            session.context = latest

    context.sni_callback = choose


def client_context(tls: TlsClient) -> ssl.SSLContext:
    """Make the context for one upstream."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
