"""Which addresses the gateway may call: only what its configuration names, also after DNS.

A name that resolves to a private, loopback or link-local address is refused unless its route says
`allow_private`: otherwise whoever controls the name's zone reaches into the operator's network.
"""

import asyncio
import ipaddress
import socket
from typing import Final, NamedTuple

from tollway.core.errors import UpstreamUnreachable

# RFC 6052, section 2.1: the prefix under which translators reach every IPv4 address, private ones too.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


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
    carried = _carried(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    reached = carried or ip
    return reached.is_global and not reached.is_multicast and not ip.is_multicast and not reached.is_reserved


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Find the IPv4 address that packets to `ip` end at, where a translator or a tunnel stands between."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo is not None else None)


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Resolve `host` to the addresses that may be called, in the resolver's order.

    Raises:
        UpstreamUnreachable: it has no address, or none that may be called.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a label too long or empty cannot even be asked for
        msg = "the upstream's name does not resolve"
        raise UpstreamUnreachable(msg) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = addresses if allow_private else [address for address in addresses if is_public(address)]
    if not allowed:
        msg = "the upstream's name resolves to private addresses only, and its route does not allow them"
        raise UpstreamUnreachable(msg, code="upstream_address_refused", should_retry=False)
    return allowed
