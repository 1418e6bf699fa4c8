"""Sockets of listeners, bound so that every worker has its own queue on the same port."""

import errno
import socket

from tollway.snapshot.document import Listener


class AddressTaken(Exception):
    """A listener's address cannot be had."""


def bind(host: str, port: int) -> socket.socket:
    """Bind a TCP socket that others of this user may share (SO_REUSEPORT).

    Raises:
        AddressTaken: the message says why, and what would help.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(
                f"{host}:{port} is in use by another program; stop it, or choose another port"
            ) from error
        if error.errno == errno.EACCES:
            raise AddressTaken(f"{host}:{port} needs privileges this user lacks; choose a port above 1023") from error
        raise AddressTaken(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    return sock


def reserve(listener: Listener) -> tuple[socket.socket, int]:
    """Hold a listener's address without listening, and tell its port.

    The hold is exclusive against programs that do not share: it is tried first without sharing, so
    that an address another Tollway serves is reported instead of silently shared.
    """
    if listener.port != 0:
        _try_exclusively(listener.host, listener.port)
    sock = bind(listener.host, listener.port)
    return sock, int(sock.getsockname()[1])


def _try_exclusively(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                msg = f"{host}:{port} is in use by another program; stop it, or choose another port"
                raise AddressTaken(msg) from error
            if error.errno == errno.EACCES:
                msg = f"{host}:{port} needs privileges this user lacks; choose a port above 1023"
                raise AddressTaken(msg) from error
            raise AddressTaken(f"{host}:{port} cannot be listened on: {error.strerror}") from error
