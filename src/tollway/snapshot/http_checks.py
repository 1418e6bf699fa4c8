"""Checks of what will be written into HTTP messages: header names, values, URLs, base paths.

They are made once here, so that the gateway can write what a snapshot holds without looking.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from tollway.config.problems import Path, Problems, shown

# RFC 9110, section 5.1: a field name is a token.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110, section 5.5: visible characters, with spaces and tabs between them.
_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?")
_URL_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
_BASE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")

# Written by the gateway itself: a second one would break framing, routing or reading the answer.
OWN_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Url(msgspec.Struct, frozen=True):
    """A checked URL."""

    base: str
    """`scheme://host[:port]/path`, no trailing slash."""
    scheme: str
    host: str

    @property
    def loopback(self) -> bool:
        """True when the URL names this very machine."""
        address = _ip(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)

    @property
    def private(self) -> bool:
        """True for an IP address that is not on the public internet."""
        address = _ip(self.host)
        return address is not None and not address.is_global


def checked_headers(headers: Mapping[str, str], path: Path, problems: Problems, *, sent: bool) -> dict[str, str]:
    """Check header names and values; names in lower case. `sent`: they go into our own requests."""
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            problems.add((*path, name), f"{shown(name)} is not a header name: letters, digits and - only", at_key=True)
        elif sent and lower in OWN_HEADERS:
            problems.add((*path, name), "the gateway writes this header itself: remove it", at_key=True)
        elif lower in checked:
            problems.add((*path, name), "this header stands here already, in other letters: remove one", at_key=True)
        elif not _VALUE.fullmatch(value):
            mend = "write visible ASCII characters, no line breaks, no spaces at the ends"
            problems.add((*path, name), f"not a header value: {mend}")
        checked[lower] = value
    return checked


def is_header_value(text: str) -> bool:
    """Whether `text` can stand in a header as it is."""
    return _VALUE.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Whether `text` is a token, as methods and header names are."""
    return _TOKEN.fullmatch(text) is not None


def checked_url(text: str, path: Path, problems: Problems) -> Url | None:
    """Check an upstream's base URL."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        problems.add(path, f"{shown(text)} is not a URL: {error}")
        return None
    wrong = _wrong_url(text, parts)
    if wrong:
        problems.add(path, wrong)
        return None
    host = parts.hostname or ""
    written = f"[{host}]" if ":" in host else host
    authority = written if port is None else f"{written}:{port}"
    return Url(f"{parts.scheme}://{authority}{parts.path.rstrip('/')}", parts.scheme, host)


def checked_proxy_url(text: str, path: Path, problems: Problems) -> str | None:
    """Check a forward proxy's URL: `http://host:port`."""
    url = checked_url(text, path, problems)
    if url is None:
        return None
    if url.scheme != "http" or url.base.count("/") != 2 or urlsplit(url.base).port is None:
        problems.add(path, f"{shown(text)} is not a forward proxy: write http://host:port")
        return None
    return url.base


def checked_base_path(text: str, path: Path, problems: Problems) -> str:
    """Check a base path; gives it without trailing slash, the root as the empty string."""
    trimmed = text.rstrip("/")
    segments = trimmed.split("/")
    if not text.startswith("/") or not _BASE_PATH.fullmatch(trimmed) or "." in segments or ".." in segments:
        problems.add(path, f"{shown(text)} is not a base path: write one such as /llm-proxy (letters, digits, . _ ~ -)")
        return ""
    return trimmed


def _wrong_url(text: str, parts: SplitResult) -> str:
    if not text.isascii() or not text.isprintable():  # `urlsplit` drops tabs and line breaks without a word
        return f"{shown(text)} is not a URL: write visible ASCII characters only"
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return f"{shown(text)} is not a URL: write https://host/path"
    if "@" in parts.netloc:
        return "a URL may not hold a user or password: put the key in a credential"
    if parts.query or parts.fragment or "?" in text or "#" in text:
        return "a base URL ends before `?` and `#`: put parameters under `query`"
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) and _ip(host) is None:
        return f"{shown(text)} has no host name that can be looked up: write https://host/path"
    if not _URL_PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        return f"{shown(text)} has a path with characters a URL cannot have: percent-encode them"
    return ""


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
