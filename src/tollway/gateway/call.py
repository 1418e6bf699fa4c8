"""One call as policies and expressions see it: the request, who sent it, and what was set on the way.

Who writes what: the request is the listener's and never changes; `identity` is set by policies of
the request phase; `usage` and `status_code` by the exchange; headers to set, by policies.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import parse_qsl

import msgspec

from tollway.core.ids import RequestedModel
from tollway.core.json_value import NOT_JSON
from tollway.core.usage import Usage
from tollway.expressions import ExpressionError
from tollway.gateway.clock import SystemClock, new_correlation_id
from tollway.gateway.meter import BYTES_PER_TOKEN
from tollway.gateway.request import Request
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Authentication

_NO_MEMBERS: Final[dict[str, msgspec.Raw]] = {}
_NO_MODEL: Final = RequestedModel("")
_NO_FIELDS: Final[Mapping[str, str]] = {}
_OUTPUT_LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_LIMITING: Final = frozenset((*_OUTPUT_LIMITS, "generationConfig"))
_MAX_CORRELATION_BYTES: Final = 256
# W3C Trace Context, section 3.2: version 00 has exactly these fields, and ids of zeros are none.
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


class HeaderLookup(Protocol):
    """Reads one request header."""

    def __call__(self, name: bytes, /) -> bytes | None:
        """Give its value, or None."""
        ...


class Call:
    """What every stage may read of one call. Also the `Scope` of expressions."""

    # Slots, all set at the start: an attribute with its default on the class is the slow kind to read.
    __slots__ = (
        "_notes",
        "_payload",
        "added_lines",
        "clock",
        "correlation_bytes",
        "identity",
        "members",
        "now_us",
        "operation",
        "parent_span_id",
        "raw_header",
        "ready_lines",
        "refused_by",
        "request",
        "requested_model",
        "response_fields",
        "set_lines",
        "shadow_refusals",
        "started_at",
        "started_us",
        "status_code",
        "stream",
        "trace_id",
        "upstream_added",
        "upstream_set",
        "usage",
    )

    operation: str
    """What the call is for; set by the exchange."""

    def __init__(self, request: Request, clock: SystemClock) -> None:
        """Begin the call now."""
        self.request = request
        self.clock = clock
        self.started_at = clock.monotonic()
        self.started_us = self.now_us = clock.wall_us()
        self.raw_header: HeaderLookup = request.headers.get
        """A request header by its lower-case name; repeats are joined by a comma."""
        self.correlation_bytes = b""
        self.trace_id = ""
        self.parent_span_id = ""
        self.identity: Authentication | None = None
        self.members: dict[str, msgspec.Raw] = _NO_MEMBERS
        self.requested_model: RequestedModel = _NO_MODEL
        self.stream = False
        self.usage: Usage | None = None
        self.status_code: int | None = None
        self.refused_by = ""
        self.set_lines: dict[str, str] | None = None
        self.added_lines: list[tuple[str, str]] | None = None
        self.ready_lines: dict[str, bytes] | None = None
        self.upstream_set: dict[str, str] | None = None
        self.upstream_added: list[tuple[str, str]] | None = None
        self.response_fields: Mapping[str, str] = _NO_FIELDS
        self.shadow_refusals: tuple[str, ...] = ()
        self._notes: dict[str, object] | None = None
        self._payload: object = msgspec.UNSET

    # --- the request

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.method.decode("ascii")

    @property
    def request_path(self) -> str:
        """The path as the caller sent it, without query."""
        return self.request.path.decode("latin-1")

    @property
    def request_uri(self) -> str:
        """The target as the caller sent it."""
        return self.request.target.decode("latin-1")

    @property
    def query_string(self) -> str:
        """What follows the `?`."""
        return self.request.query.decode("latin-1")

    @property
    def local_address(self) -> str:
        """The Host the caller asked for."""
        return (self.raw_header(b"host") or b"").decode("latin-1")

    @property
    def remote_address(self) -> str:
        """The connection's other end."""
        return self.request.client_address

    client_address = remote_address

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self.request.scheme

    @property
    def version(self) -> str:
        """The protocol."""
        return self.request.version

    @property
    def body(self) -> bytes:
        """The body as the caller sent it."""
        return self.request.body

    def header(self, name: str, /) -> str | None:
        """A request header by name, in any case."""
        value = self.request.headers.get(name.lower().encode("latin-1", "replace"))
        return None if value is None else value.decode("latin-1")

    def headers(self) -> Mapping[str, str]:
        """All request headers."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.request.headers.items()}

    def query_params(self) -> Mapping[str, str]:
        """The decoded query parameters; of repeats, the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def payload(self) -> object:
        """The decoded body; read once, and only when somebody asks.

        Raises:
            ExpressionError: it is not JSON.
        """
        if self._payload is msgspec.UNSET:
            try:
                self._payload = msgspec.json.decode(self.request.body) if self.request.body else None
            except NOT_JSON as error:
                msg = "payload: the body is not JSON"
                raise ExpressionError(msg) from error
        return self._payload

    def estimated_input_tokens(self) -> int:
        """A cheap guess of the input tokens."""
        return len(self.request.body) // BYTES_PER_TOKEN or 1

    def requested_output_tokens(self) -> int | None:
        """The most output tokens the caller allowed, if it said so."""
        members = self.members
        if _LIMITING.isdisjoint(members):
            return None
        for name in _OUTPUT_LIMITS:
            raw = members.get(name)
            if raw is not None:
                return _integer(raw)
        raw = members.get("generationConfig")
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=_GenerationLimit).maxOutputTokens
        except NOT_JSON:
            return None

    # --- who sent it

    def identify(self, authentication: Authentication) -> None:
        """Say who the caller is."""
        self.identity = authentication

    @property
    def client(self) -> ClientApplication | None:
        """The client application usage is attributed to."""
        return None if self.identity is None else self.identity.client

    def authentication(self) -> Mapping[str, object]:
        """`#[authentication.…]`."""
        identity = self.identity
        if identity is None:
            return {}
        client = identity.client
        return {
            "clientId": client.client_id if client is not None else None,
            "clientName": client.name if client is not None else None,
            "principal": identity.principal,
            "properties": dict(identity.properties),
        }

    # --- what was set on the way

    def set_upstream_header(self, name: str, value: str) -> None:
        """Send this header to the provider, in place of any of that name."""
        if self.upstream_set is None:
            self.upstream_set = {}
        self.upstream_set[name] = value

    def add_upstream_header(self, name: str, value: str) -> None:
        """Send this header to the provider beside any of that name."""
        if self.upstream_added is None:
            self.upstream_added = []
        self.upstream_added.append((name, value))

    def set_response_header(self, name: str, value: str) -> None:
        """Send this header to the caller, in place of any of that name."""
        if self.set_lines is None:
            self.set_lines = {}
        self.set_lines[name] = value

    def add_response_header(self, name: str, value: str) -> None:
        """Send this header to the caller beside any of that name."""
        if self.added_lines is None:
            self.added_lines = []
        self.added_lines.append((name, value))

    def set_response_lines(self, key: str, lines: bytes) -> None:
        """Send ready-made header lines, in place of those of the same `key`."""
        if self.ready_lines is None:
            self.ready_lines = {}
        self.ready_lines[key] = lines

    def response_header(self, name: str, /) -> str | None:
        """One header of the answer."""
        return self.response_fields.get(name.lower())

    def response_headers(self) -> Mapping[str, str]:
        """The headers of the answer."""
        return self.response_fields

    def shadow_refused(self, name: str) -> None:
        """Note that policy `name`, in shadow mode, would have refused."""
        if name not in self.shadow_refusals:
            self.shadow_refusals = (*self.shadow_refusals, name)

    def note(self, key: str, value: object) -> None:
        """Remember something until the call ends."""
        if self._notes is None:
            self._notes = {}
        self._notes[key] = value

    def recall(self, key: str) -> object | None:
        """Return what `note` stored."""
        return None if self._notes is None else self._notes.get(key)

    def variables(self) -> Mapping[str, object]:
        """`#[vars.…]`: what policies noted."""
        return self._notes or {}

    def new_id(self) -> str:
        """A fresh UUID."""
        return new_correlation_id().decode("ascii")

    def correlate(self) -> None:
        """Take the caller's correlation id, or mint one."""
        given = self.request.headers.get(b"x-correlation-id")
        if given is None or not 0 < len(given) <= _MAX_CORRELATION_BYTES or not given.isascii():
            given = new_correlation_id()
        self.correlation_bytes = given
        trace = self.request.headers.get(b"traceparent")
        if trace is not None and (found := _TRACEPARENT.fullmatch(trace)) is not None:
            self.trace_id = found[1].decode("ascii")
            self.parent_span_id = found[2].decode("ascii")

    @property
    def correlation_id(self) -> str:
        """The caller's correlation id, or the one minted for it."""
        return self.correlation_bytes.decode("ascii")


class _GenerationLimit(msgspec.Struct):
    maxOutputTokens: int | None = None  # noqa: N815 - the API's own name


def _integer(raw: msgspec.Raw) -> int | None:
    try:
        return msgspec.json.decode(raw, type=int | None)
    except NOT_JSON:
        return None
