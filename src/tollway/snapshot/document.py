"""The snapshot's types: what the data plane needs to know, and nothing of how it was written down.

Rules of this file:
- Every default is already applied, every reference resolved, every secret read.
- It depends on no resource type of the control plane or of the YAML, so that the data plane can be
  run and tested alone; `FORMAT` changes when its meaning does, and a gateway refuses one it does
  not know.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tollway.interfaces.identity import TokenLimit
from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import TokenGrant

FORMAT = 1


class TlsServer(msgspec.Struct, frozen=True, kw_only=True):
    """TLS of a listener. File paths, so that private keys are read by the worker that uses them."""

    certificate_file: str
    key_file: str
    client_ca_file: str | None = None
    require_client_certificate: bool = False
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    http2: bool = True


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a stranger may send, and how slowly."""

    header_bytes: int = 61_440
    header_count: int = 128
    body_bytes: int = 33_554_432
    json_depth: int = 128
    connections: int = 16_384
    """Per worker."""
    pipelined_requests: int = 16
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    write_stall_seconds: float = 60.0
    """A caller that reads nothing for this long is closed."""
    websocket_message_bytes: int = 16_777_216
    websocket_ping_seconds: float = 20.0
    websocket_idle_seconds: float = 600.0
    websocket_seconds: float = 3600.0
    """How long a session may last."""


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """One address the gateway listens on."""

    name: str
    host: str
    port: int
    tls: TlsServer | None = None
    limits: Limits = Limits()
    probes: bool = True
    """Serve `/probes/readiness` and `/probes/liveness` here too."""
    metrics: bool = False
    """Serve `/metrics` here too."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one attempt, seconds."""

    connect_seconds: float = 5.0
    first_byte_seconds: float = 120.0
    """From the request sent to the first byte of the answer's head, and of a stream's body."""
    between_events_seconds: float = 60.0
    total_seconds: float = 900.0


class TlsClient(msgspec.Struct, frozen=True, kw_only=True):
    """TLS towards an upstream."""

    ca_file: str | None = None
    """Trust these authorities in place of the system's."""
    certificate_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    verify: bool = True


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """When an upstream counts as unhealthy. Shared by all routes that use the upstream."""

    window_seconds: float = 10.0
    minimum_calls: int = 10
    error_rate: float = 0.5
    open_seconds: float = 10.0
    """How long it rests before one call may probe it."""
    max_concurrent: int = 10_000
    """Calls in flight per worker."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way to a model."""

    name: str
    provider: str
    base_url: str
    """`scheme://host[:port]/path`, no trailing slash."""
    credential: str = ""
    """Name of the credential, for records; empty when none is needed."""
    keys: tuple[Secret, ...] = ()
    """Its values; several rotate when one is throttled."""
    token: TokenGrant | None = None
    """How the token is asked for that is sent in place of a key."""
    key_expression: str = ""
    """Takes the key from the request (`#[attributes.headers['x-gemini-key']]`), in place of `keys`."""
    target_model: str | None = None
    """None: the model from the request."""
    models: tuple[str, ...] = ()
    """Bare model names this route serves, beside the provider's known ones."""
    aliases: Mapping[str, str] = {}
    """Name a caller may use → model asked of the provider."""
    match_headers: Mapping[str, str] = {}
    """The route is a candidate only when the request has these headers (name lower case → value)."""
    headers: Mapping[str, str] = {}
    """Sent with every attempt."""
    query: Mapping[str, str] = {}
    timeouts: Timeouts = Timeouts()
    tls: TlsClient = TlsClient()
    proxy_url: str | None = None
    """`http://host:port` of a forward proxy, reached by CONNECT for https upstreams."""
    allow_private: bool = False
    """The upstream's addresses may be private, loopback or link-local."""
    weight: int = 1
    priority: int = 0
    """Lower is tried first, with the priority strategy."""
    health: Health = Health()


Trigger = Literal[
    "unknown_model",
    "unhealthy",
    "status_408",
    "status_429",
    "status_5xx",
    "connect_error",
    "first_byte_timeout",
    "budget",
]


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call goes when its own route fails."""

    route: str
    model: str | None = None
    """None: the fallback route's own target model, or the request's."""
    on: frozenset[Trigger] = frozenset(
        {"unknown_model", "unhealthy", "status_408", "status_429", "status_5xx", "connect_error", "first_byte_timeout"}
    )


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """Repeats of one call on its own route, before any fallback."""

    attempts: int = 1
    """Repeats beside the first attempt."""
    on: frozenset[Trigger] = frozenset({"status_429", "status_5xx", "connect_error"})
    backoff_seconds: float = 0.1
    """Doubled each time, with jitter."""
    max_backoff_seconds: float = 2.0
    """Also the longest `Retry-After` that is waited for; a longer one goes to the caller."""
    only_within_seconds: float = 2.0
    """A failure that took longer than this is not repeated."""
    budget_ratio: float = 0.2
    """Repeats may be at most this share of an upstream's calls."""


class PolicyCondition(msgspec.Struct, frozen=True, kw_only=True):
    """All that is given must hold; several conditions are alternatives."""

    methods: frozenset[str] = frozenset()
    path: str = ""
    """Regular expression searched in the path below the base path."""
    headers: Mapping[str, str] = {}
    """Header name → regular expression its value must match."""


class PolicyUse(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a policy in a proxy's chain, in order."""

    name: str
    policy: str
    config: Mapping[str, Any] = {}
    """Settings, already checked against the policy's own type."""
    shadow: bool = False
    when: tuple[PolicyCondition, ...] = ()


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A client application's right to use one proxy."""

    client_id: str
    sla_tier: str = ""
    sla_limits: tuple[TokenLimit, ...] = ()


class ResponseState(msgspec.Struct, frozen=True, kw_only=True):
    """How answers are kept for later requests to refer to."""

    ttl_seconds: float = 86_400.0
    """From the last turn of a conversation on."""
    max_turns: int = 200
    """Of one conversation."""
    max_bytes: int = 16_777_216
    """Of the items of one conversation."""
    max_client_bytes: int = 268_435_456
    """Of everything kept for one client application."""


class LlmProxy(msgspec.Struct, frozen=True, kw_only=True):
    """One governed endpoint."""

    name: str
    base_path: str
    """`/llm-proxy`, no trailing slash; empty means the root."""
    listeners: tuple[str, ...]
    format: Literal["openai", "anthropic", "gemini", "bedrock", "cohere", "ollama", "any"] = "openai"
    strategy: Literal["model-based", "weighted", "priority"] = "model-based"
    routes: tuple[Route, ...]
    fallback: Fallback | None = None
    retries: Retries = Retries()
    policies: tuple[PolicyUse, ...] = ()
    contracts: tuple[Contract, ...] = ()
    on_client_leave: Literal["cancel", "drain"] = "cancel"
    """What becomes of the upstream call of a caller that hangs up in a stream."""
    drain_seconds: float = 30.0
    drain_bytes: int = 4_194_304
    response_state: ResponseState | None = None
    """None: no answer is kept."""


class SecretHash(msgspec.Struct, frozen=True, kw_only=True):
    """One live client secret, hashed: `sha256(salt + secret)`, hexadecimal."""

    salt: str
    sha256: str
    expires_us: int = 0
    """0: never."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client application."""

    client_id: str
    name: str
    business_group: str = ""
    secrets: tuple[SecretHash, ...] = ()
    signing_secret: Secret | None = None
    """What it signs requests with; None where it does not. Checking a signature needs the secret itself."""
    properties: Mapping[str, str] = {}


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """Where traces and metrics go beside `/metrics`."""

    otlp_endpoint: str = ""
    """`http://host:4318`; empty switches OpenTelemetry off."""
    otlp_headers: Mapping[str, Secret] = {}
    service_name: str = "tollway"
    semantic_conventions: Literal["1.41", "genai"] = "1.41"
    admin_host: str = "127.0.0.1"
    admin_port: int = 0
    """Where the supervisor serves probes and metrics; 0: nowhere."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one gateway runs."""

    format: int = FORMAT
    version: str
    """Hash of the content; equal content has equal version."""
    gateway: str = "local"
    workers: int = 1
    data_dir: str
    drain_seconds: float = 30.0
    """How long a stopping worker lets calls finish."""
    server_header: bool = False
    """Name the product (never its version) in `Server`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    listeners: tuple[Listener, ...]
    proxies: tuple[LlmProxy, ...]
    clients: tuple[Client, ...] = ()
    telemetry: Telemetry = Telemetry()
