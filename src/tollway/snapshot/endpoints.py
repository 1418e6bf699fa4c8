"""Compiles what faces callers: listeners, and which base path of which proxy stands on each."""

import ipaddress
from collections.abc import Iterator, Sequence

from tollway.config import resources as written
from tollway.config.problems import Path, shown
from tollway.snapshot.compilation import Compilation
from tollway.snapshot.document import Limits, Listener, TlsServer
from tollway.snapshot.http_checks import checked_base_path
from tollway.snapshot.tls_files import check_authorities, check_key_pair

_SECTION: Path = ("listeners",)


def compile_listeners(compilation: Compilation) -> tuple[Listener, ...]:
    """All listeners, their addresses free of each other."""
    listeners = compilation.resources.listeners
    compilation.unique([one.name for one in listeners], _SECTION, "name")
    if not listeners:
        compilation.problems.add(_SECTION, "empty: give at least one listener, or remove the key for the default one")
    _check_addresses(compilation, listeners)
    return tuple(_listener(compilation, one, (*_SECTION, index)) for index, one in enumerate(listeners))


def compile_base_paths(compilation: Compilation) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Index of each proxy → its base path and listeners; no two meet on one listener."""
    names = [one.name for one in compilation.resources.listeners]
    found: dict[int, tuple[str, tuple[str, ...]]] = {}
    for index, proxy in enumerate(compilation.resources.llm_proxies):
        path: Path = ("llm_proxies", index)
        base = checked_base_path(proxy.base_path, (*path, "base_path"), compilation.problems)
        chosen: list[str] = []
        for number, name in enumerate(proxy.listeners):
            at = (*path, "listeners", number)
            if compilation.named(name, names, at, kind="a listener", among=_SECTION):
                chosen.append(name)
        found[index] = (base, tuple(chosen) if proxy.listeners else tuple(names))
    _check_meetings(compilation, found)
    return found


def _listener(compilation: Compilation, one: written.Listener, path: Path) -> Listener:
    host = one.address.host
    if one.tls is None and not _is_loopback(host):
        risk = "client secrets and prompts cross the network readable"
        compilation.warn(f"listener {one.name!r} serves plain HTTP on {one.address}: {risk}")
    return Listener(
        name=one.name,
        host=host,
        port=one.address.port,
        tls=_tls(compilation, one.tls, (*path, "tls")) if one.tls is not None else None,
        limits=_limits(one.limits),
        probes=one.probes,
        metrics=one.metrics,
    )


def _limits(limits: written.Limits) -> Limits:
    return Limits(
        header_bytes=int(limits.header_bytes),
        header_count=limits.header_count,
        body_bytes=int(limits.body_bytes),
        json_depth=limits.json_depth,
        connections=limits.connections,
        pipelined_requests=limits.pipelined_requests,
        header_seconds=float(limits.header_timeout),
        body_seconds=float(limits.body_timeout),
        idle_seconds=float(limits.idle_timeout),
        write_stall_seconds=float(limits.write_stall_timeout),
        websocket_message_bytes=int(limits.websocket_message_bytes),
        websocket_ping_seconds=float(limits.websocket_ping_interval),
        websocket_idle_seconds=float(limits.websocket_idle_timeout),
        websocket_seconds=float(limits.websocket_total_timeout),
    )


def _tls(compilation: Compilation, tls: written.ListenerTls, path: Path) -> TlsServer:
    certificate, key = compilation.file(tls.certificate_file), compilation.file(tls.key_file)
    at = ((*path, "certificate_file"), (*path, "key_file"))
    check_key_pair(certificate, key, at=at, problems=compilation.problems)
    authorities = None
    if tls.client_ca_file is not None:
        authorities = compilation.file(tls.client_ca_file)
        check_authorities(authorities, (*path, "client_ca_file"), compilation.problems)
    elif tls.require_client_certificate:
        message = "needs `client_ca_file`: the authorities whose certificates are accepted"
        compilation.problems.add((*path, "require_client_certificate"), message)
    return TlsServer(
        certificate_file=str(certificate),
        key_file=str(key),
        client_ca_file=None if authorities is None else str(authorities),
        require_client_certificate=tls.require_client_certificate,
        minimum_version=tls.minimum_version,
        http2=tls.http2,
    )


def _check_addresses(compilation: Compilation, listeners: Sequence[written.Listener]) -> None:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    for index, one in enumerate(listeners):
        for number, other in enumerate(listeners[:index]):
            same_host = one.address.host == other.address.host or everywhere & {one.address.host, other.address.host}
            # Port 0 is whichever the system finds free: each such listener gets another.
            if one.address.port == other.address.port != 0 and same_host:
                message = f"{one.address} is taken by listeners[{number}] ({other.address}): use another port"
                compilation.problems.add((*_SECTION, index, "address"), message)
    admin = compilation.resources.gateway.admin
    for one in listeners:
        if admin is not None and one.address.port == admin.port != 0:
            message = f"port {admin.port} is taken by listener {shown(one.name)}: use another port"
            compilation.problems.add(("gateway", "admin"), message)


def _check_meetings(compilation: Compilation, found: dict[int, tuple[str, tuple[str, ...]]]) -> None:
    reserved = {one.name: tuple(_reserved(one)) for one in compilation.resources.listeners}
    for index, (base, listeners) in found.items():
        path: Path = ("llm_proxies", index, "base_path")
        for name in listeners:
            for own in reserved[name]:
                if base and _meet(base, own):
                    message = f"{base} meets the gateway's own {own} on listener {shown(name)}: choose another"
                    compilation.problems.add(path, message)
        for earlier in range(index):
            other, other_listeners = found[earlier]
            if _meet(base, other) and set(listeners) & set(other_listeners):
                how = "is the base path" if base == other else f"lies within or around {other or '/'}"
                message = f"{base or '/'} {how} of llm_proxies[{earlier}] on the same listener: choose another"
                compilation.problems.add(path, message)


def _reserved(listener: written.Listener) -> Iterator[str]:
    if listener.probes:
        yield "/probes"
    if listener.metrics:
        yield "/metrics"


def _meet(one: str, other: str) -> bool:
    """Whether one path lies within the other, segment by segment."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
