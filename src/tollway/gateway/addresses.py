"""Which addresses the gateway may call: only what its configuration names, also after DNS.

A name that resolves to a private, loopback or link-local address is refused unless its route says
`allow_private`: otherwise whoever controls the name's zone reaches into the operator's network.
"""

import asyncio
import ipaddress
import socket
from typing import NamedTuple

from tollway.core.errors import UpstreamUnreachable


class Origin(NamedTuple):
    """Where an upstream is, and how it may be reached. Pools and health are shared by origin."""

    scheme: str
    host: str
    port: int
    allow_private: bool
    proxy_url: str | None = None


def is_public(address: str) -> bool:
    """Say whether an IP address is one the open internet routes to."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not (mapped or ip).is_multicast


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Resolve `host` to the addresses that may be called, in the resolver's order.

    Raises:
        UpstreamUnreachable: it has no address, or none that may be called.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        msg = "the upstream's name does not resolve"
        raise UpstreamUnreachable(msg) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = addresses if allow_private else [address for address in addresses if is_public(address)]
    if not allowed:
        msg = "the upstream's name resolves to private addresses only, and its route does not allow them"
        raise UpstreamUnreachable(msg, code="upstream_address_refused", should_retry=False)
    return allowed
