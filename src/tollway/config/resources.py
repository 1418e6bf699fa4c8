"""The resources operators write, section by section: what may stand in the YAML, and its defaults.

Rules of this file:
- The sentence under a field is what operators read: in the reference page, in the JSON Schema, in
  messages. It says what the field does and its unit, not how it is stored.
- Nothing here is resolved: names may be wrong and files absent until a snapshot is compiled.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from tollway.config.values import Address, ByteSize, ClientSecretValue, Duration, SecretReference, SecretReferences
from tollway.core.json_value import JsonObject

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[^\s\x00-\x1f\x7f]+( [^\s\x00-\x1f\x7f]+)*$",
        extra={"mend": "is not a name: write 1 to 128 visible characters, single spaces between words"},
    ),
]
Text = Annotated[str, Meta(max_length=4096)]
FilePath = Annotated[str, Meta(min_length=1, max_length=4096)]
Count = Annotated[int, Meta(ge=1)]
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


class Resource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that can be written. `shorthand` names the field that a plain value stands for."""


class Telemetry(Resource, frozen=True, kw_only=True):
    """Where traces and metrics are sent, beside the `/metrics` page."""

    otlp_endpoint: str = ""
    """OpenTelemetry collector, `http://host:4318` (OTLP over HTTP). Without it nothing is sent."""
    otlp_headers: dict[str, SecretReference] = {}
    """Headers sent to the collector, each a secret reference."""
    service_name: Name = "tollway"
    """The service's name in traces and metrics."""
    semantic_conventions: Literal["1.41", "genai"] = "1.41"
    """Names of attributes and metrics: `1.41`, the last version in OpenTelemetry's main repository, or `genai`,
    the newer names of its separate GenAI repository."""


class Gateway(Resource, frozen=True, kw_only=True):
    """The gateway as a whole."""

    name: Name = "local"
    """Name of this gateway, in usage records and traces."""
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    """Worker processes. One uses one processor core."""
    data_dir: FilePath = "tollway-data"
    """Folder of the gateway's own files (usage spool, counters, vault). Relative to this file."""
    drain: Duration = Duration(30)
    """How long a stopping worker lets calls in flight finish."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""
    server_header: bool = False
    """Name the product in the `Server` header of answers. Its version is never shown."""
    admin: Address | None = None
    """Address where the supervisor serves probes and metrics of all workers. Without it: nowhere."""
    telemetry: Telemetry = Telemetry()
    """Where traces and metrics are sent."""


class ListenerTls(Resource, frozen=True, kw_only=True):
    """TLS of a listener."""

    certificate_file: FilePath
    """Certificate chain, PEM. Relative to this file."""
    key_file: FilePath
    """Private key of the certificate, PEM, not encrypted. Relative to this file."""
    client_ca_file: FilePath | None = None
    """Authorities whose client certificates are accepted (mTLS), PEM."""
    require_client_certificate: bool = False
    """Refuse clients without a certificate of `client_ca_file`."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest TLS version accepted."""
    http2: bool = True
    """Offer HTTP/2 beside HTTP/1.1."""


class Limits(Resource, frozen=True, kw_only=True):
    """What a caller may send, and how slowly."""

    header_bytes: ByteSize = ByteSize(61_440)
    """Most bytes of a request's head; more is answered with 431."""
    header_count: Count = 128
    """Most headers of a request; more is answered with 431."""
    body_bytes: ByteSize = ByteSize(33_554_432)
    """Most bytes of a request's body; more is answered with 413."""
    json_depth: Annotated[int, Meta(ge=1, le=1000)] = 128
    """Deepest nesting of a JSON body; deeper is answered with 400."""
    connections: Count = 16_384
    """Open connections per worker."""
    pipelined_requests: Count = 16
    """Requests a connection may send ahead of their answers."""
    header_timeout: Duration = Duration(10)
    """Time to send the request's head."""
    body_timeout: Duration = Duration(60)
    """Time to send the request's body; later is answered with 408."""
    idle_timeout: Duration = Duration(75)
    """How long a connection may stay open without a request."""
    write_stall_timeout: Duration = Duration(60)
    """A caller that reads nothing for this long is closed."""
    websocket_message_bytes: ByteSize = ByteSize(16_777_216)
    """Most bytes of one WebSocket message, in either direction; more ends the session with close code 1009."""
    websocket_ping_interval: Duration = Duration(20)
    """How often both sides of a WebSocket are asked whether they are there; who does not answer by the next time is
    gone."""
    websocket_idle_timeout: Duration = Duration(600)
    """How long a WebSocket session may go without a message, whichever way."""
    websocket_total_timeout: Duration = Duration(3600)
    """How long a WebSocket session may last."""


class Listener(Resource, frozen=True, kw_only=True):
    """One address the gateway listens on."""

    name: Name
    """Name, by which LLM proxies choose it."""
    address: Address
    """`host:port`, or a port alone for 127.0.0.1. Other machines reach it only when told so: `0.0.0.0:8081`."""
    tls: ListenerTls | None = None
    """Serve TLS with this certificate. Without it: plain HTTP."""
    limits: Limits = Limits()
    """What a caller may send, and how slowly."""
    probes: bool = True
    """Serve `/probes/readiness` and `/probes/liveness` here too."""
    metrics: bool = False
    """Serve `/metrics` here too."""


class BusinessGroup(Resource, frozen=True, kw_only=True):
    """A part of the organisation that usage is attributed to."""

    name: Name
    """Name, by which client applications choose it."""
    cost_centre: Text = ""
    """Given to each of its client applications as the property `cost_centre`, unless it has one of its own."""


class ClientSecret(Resource, frozen=True, kw_only=True):
    """One live secret of a client application."""

    shorthand: ClassVar[str] = "secret"

    secret: ClientSecretValue
    """The secret's hash, as `tollway secret hash` prints it, or a reference to the secret."""
    expires: Annotated[datetime, Meta(tz=True)] | None = None
    """When it stops being accepted, with its time zone: `2027-01-31T00:00:00Z`. Without it: never."""


class Client(Resource, frozen=True, kw_only=True):
    """A client application: who calls."""

    name: Name
    """Name, by which contracts choose it and usage is reported."""
    client_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern=r"^[!-+\--9;-~]+$",
            extra={"mend": "is not a client id: write 1 to 128 visible ASCII characters without `:`, `,` and spaces"},
        ),
    ]
    """The public identifier it sends."""
    description: Text = ""
    """For people: it changes nothing."""
    business_group: str = ""
    """Name of the business group its usage is attributed to."""
    secrets: tuple[ClientSecret, ...] = ()
    """Its live secrets, each a hash, a reference, or `{secret, expires}`. With two, one replaces the other smoothly."""
    signing_secret: SecretReference | None = None
    """Reference to the secret it signs requests with, as AWS SDKs do: its client id is their access key id. Unlike
    the others it cannot be a hash, because checking a signature needs the secret itself."""
    properties: dict[str, str] = {}
    """Free properties, which policies can read."""


class Identity(Resource, frozen=True, kw_only=True):
    """What is common to identities that are exchanged for a short-lived token."""

    scope: str = ""
    """What the token shall be good for. Without it: what the route's provider wants; for a provider that takes no
    such identity it must be given."""
    ca_file: FilePath | None = None
    """Authorities to trust at the token endpoint in place of the system's, PEM."""
    allow_private: bool = False
    """Allow the token endpoint's address to be private, loopback or link-local. Implied by a URL that names this
    machine, and by a machine's own identity."""


class GoogleIdentity(Identity, frozen=True, kw_only=True):
    """An identity of Google Cloud: a key file, or the machine's own."""

    key: SecretReference | None = None
    """Reference to the key file's content, `${file:PATH}`: JSON of a service account or an authorised user."""
    metadata_server: bool = False
    """Take the token of the machine's own service account, from the metadata server at 169.254.169.254."""
    url: str = ""
    """Token endpoint, or metadata server, to ask in place of Google's own."""


class EntraIdentity(Identity, frozen=True, kw_only=True):
    """An identity of Microsoft Entra ID: an application with one of four proofs, or the machine's own."""

    tenant: str = ""
    """The tenant the application is registered in: its id, or a domain of it."""
    client_id: str = ""
    """The application's id; for a managed identity that of a user-assigned one."""
    client_secret: SecretReference | None = None
    """Reference to the application's secret."""
    certificate: SecretReference | None = None
    """Reference to the application's certificate and its private key, both PEM, in one file."""
    federated_token: SecretReference | None = None
    """Reference to another issuer's token that the application trusts, such as a Kubernetes service account's
    (`${file:/var/run/secrets/azure/tokens/azure-identity-token}`); a new content is taken over while calls run."""
    managed_identity: bool = False
    """Take the token of the machine's own identity, from its service at 169.254.169.254."""
    identity_header: SecretReference | None = None
    """With `managed_identity` on App Service and its kin: reference to the header's value, `${env:IDENTITY_HEADER}`."""
    url: str = ""
    """Authority to ask in place of `https://login.microsoftonline.com`, or with `managed_identity` the whole URL of
    the machine's identity service, such as App Service gives in IDENTITY_ENDPOINT."""


class OAuth2Identity(Identity, frozen=True, kw_only=True):
    """A client of any OAuth 2.0 server, by client credentials."""

    url: str
    """Token endpoint, `https://host/path`."""
    client_id: Annotated[str, Meta(min_length=1)]
    """The client's id."""
    client_secret: SecretReference
    """Reference to the client's secret."""
    parameters: dict[str, str] = {}
    """Form fields sent beside, such as `audience`."""
    client_authentication: Literal["header", "body"] = "header"
    """Where id and secret are sent: in the `Authorization` header (Basic), or in the form."""


class Credential(Resource, frozen=True, kw_only=True):
    """What proves the gateway to a provider: keys of one account, or one identity exchanged for short-lived tokens."""

    name: Name
    """Name, by which routes choose it."""
    provider: str = ""
    """The provider it belongs to; a route of another provider is then refused it."""
    values: SecretReferences | None = None
    """Reference to the key: `${env:NAME}`, `${file:PATH}` or `${vault:NAME}`; of several, one takes over when another
    is throttled."""
    google: GoogleIdentity | None = None
    """An identity of Google Cloud."""
    entra: EntraIdentity | None = None
    """An identity of Microsoft Entra ID."""
    oauth2: OAuth2Identity | None = None
    """A client of any other OAuth 2.0 server."""


class Timeouts(Resource, frozen=True, kw_only=True):
    """How long each step of one upstream attempt may take."""

    connect: Duration = Duration(5)
    """To connect, TLS included."""
    first_byte: Duration = Duration(120)
    """From the request sent to the first byte of the answer, and of a stream's body."""
    between_events: Duration = Duration(60)
    """Between two pieces of the answer."""
    total: Duration = Duration(900)
    """The whole attempt."""


class RouteTls(Resource, frozen=True, kw_only=True):
    """TLS towards an upstream."""

    ca_file: FilePath | None = None
    """Authorities to trust in place of the system's, PEM."""
    certificate_file: FilePath | None = None
    """Client certificate to show (mTLS), PEM."""
    key_file: FilePath | None = None
    """Private key of the client certificate, PEM, not encrypted."""
    server_name: str | None = None
    """Name to expect in the upstream's certificate, where it is not the URL's host."""
    verify: bool = True
    """Check the upstream's certificate. Without it anyone between can read keys and prompts."""


class Health(Resource, frozen=True, kw_only=True):
    """When an upstream counts as unhealthy. All routes to the same upstream share its health."""

    window: Duration = Duration(10)
    """The time over which errors are counted."""
    minimum_calls: Count = 10
    """Calls within the window before its error rate means anything."""
    error_rate: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of failed calls, from 0 to 1, at which the upstream is left to rest."""
    rest: Duration = Duration(10)
    """How long it rests before one call may try it again."""
    max_concurrent: Count = 10_000
    """Calls in flight per worker; more go elsewhere or are refused."""


class Route(Resource, frozen=True, kw_only=True):
    """One way to a model: a provider, a key, a target model."""

    name: Name
    """Name, unique in the LLM proxy; usage records carry it."""
    provider: str
    """The provider, such as `openai`, `anthropic`, `gemini`, `azureopenai`, `ollama`, `vllm`."""
    credential: str = ""
    """Name of the credential whose key is sent."""
    key_expression: str = ""
    """Takes the key from the caller's request in place of a credential: `#[attributes.headers['x-gemini-key']]`."""
    target_model: str = "from-request"
    """The model asked of the provider, or `from-request` for the one the caller names."""
    models: tuple[str, ...] = ()
    """Model names that lead here without a provider prefix, beside those the provider is known for."""
    aliases: dict[str, str] = {}
    """Names callers may use, each with the model it stands for."""
    url: str = ""
    """Base URL, `https://host/path`. Prefilled where the provider has one for everybody."""
    allow_insecure: bool = False
    """Allow plain `http` to another machine: keys and prompts then cross the network readable."""
    allow_private: bool = False
    """Allow the upstream's address to be private, loopback or link-local. Implied by a URL that names this machine."""
    headers: dict[str, str] = {}
    """Headers sent with every call. Keys belong in credentials, not here."""
    query: dict[str, str] = {}
    """Query parameters sent with every call, such as `api-version`."""
    match_headers: dict[str, str] = {}
    """Take this route only for requests with these headers and values."""
    timeouts: Timeouts = Timeouts()
    """How long each step may take."""
    tls: RouteTls = RouteTls()
    """TLS towards the upstream."""
    proxy_url: str | None = None
    """Forward proxy to go through, `http://host:port`."""
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    """Share of calls with the `weighted` strategy; 0 takes none."""
    priority: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Order with the `priority` strategy: the lowest is tried first."""
    health: Health = Health()
    """When the upstream counts as unhealthy."""


class Fallback(Resource, frozen=True, kw_only=True):
    """Where a call goes when its own route fails."""

    route: str
    """Name of a route of the same LLM proxy."""
    model: str | None = None
    """Model asked there. Without it: the route's own target model, or the caller's."""
    on: tuple[Trigger, ...] = (
        "unknown_model",
        "unhealthy",
        "status_408",
        "status_429",
        "status_5xx",
        "connect_error",
        "first_byte_timeout",
    )
    """What counts as failing."""


class Retries(Resource, frozen=True, kw_only=True):
    """Repeats of a call on its own route, before any fallback and before a byte went to the caller."""

    attempts: Annotated[int, Meta(ge=0, le=10)] = 1
    """Most repeats beside the first attempt; 0 for none."""
    on: tuple[Literal["status_408", "status_429", "status_5xx", "connect_error", "first_byte_timeout"], ...] = (
        "status_429",
        "status_5xx",
        "connect_error",
    )
    """Which failures are repeated."""
    backoff: Duration = Duration(0.1)
    """Wait before the first repeat; doubled each time, with jitter."""
    max_backoff: Duration = Duration(2)
    """Longest wait, also for a provider's `Retry-After`; a longer one goes to the caller."""
    only_within: Duration = Duration(2)
    """A failure that took longer than this is not repeated."""
    budget_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Most repeats as a share of an upstream's calls, from 0 to 1."""


class PolicyCondition(Resource, frozen=True, kw_only=True):
    """When a policy applies: all that is given must hold."""

    methods: tuple[str, ...] = ()
    """Request methods, such as `POST`."""
    path: str = ""
    """Regular expression searched in the path below the base path."""
    headers: dict[str, str] = {}
    """Header names, each with a regular expression searched in its value."""


class PolicyUse(Resource, frozen=True, kw_only=True):
    """One policy in the chain of an LLM proxy."""

    policy: str
    """Id of the policy, such as `client-id-enforcement`."""
    name: Name | None = None
    """Name of this use, needed where the same policy stands twice. Without it: the policy's id."""
    config: JsonObject = {}
    """The policy's own settings."""
    shadow: bool = False
    """Watch only: note what it would have refused, and refuse nothing."""
    when: tuple[PolicyCondition, ...] = ()
    """Apply it only to requests that meet one of these conditions."""
    enabled: bool = True
    """False takes it out of the chain; its settings are still checked."""


class TierLimit(Resource, frozen=True, kw_only=True):
    """Tokens allowed in one window."""

    total_tokens: Count | None = None
    """Input and output together."""
    prompt_tokens: Count | None = None
    """Input tokens."""
    completion_tokens: Count | None = None
    """Output tokens."""
    period: Duration = Duration(60)
    """Length of the window, at least 1s."""


class SlaTier(Resource, frozen=True, kw_only=True):
    """A level of service that contracts grant."""

    name: Name
    """Name, by which contracts choose it."""
    limits: tuple[TierLimit, ...]
    """Token limits; all of them hold."""


class Contract(Resource, frozen=True, kw_only=True):
    """A client application's right to use the LLM proxy."""

    client: str
    """Name of the client application."""
    sla_tier: str = ""
    """Name of the SLA tier whose limits apply. Without it: none."""


class ResponseState(Resource, frozen=True, kw_only=True):
    """How long, and how much of, Responses are kept for providers that keep none."""

    ttl: Duration = Duration(86_400)
    """How long a conversation is kept after its last turn; then it is deleted."""
    max_turns: Count = 200
    """Most turns of one conversation; a request that follows more is refused."""
    max_bytes: ByteSize = ByteSize(16_777_216)
    """Most bytes of one conversation's items; a request that would have more is refused."""
    max_client_bytes: ByteSize = ByteSize(268_435_456)
    """Most bytes kept for one client application; what it used longest ago is deleted first."""


class LlmProxy(Resource, frozen=True, kw_only=True):
    """One governed endpoint in front of one or several providers."""

    name: Name
    """Name, in usage records, traces and messages."""
    description: Text = ""
    """For people: it changes nothing."""
    base_path: str
    """Path under which it answers, such as `/llm-proxy`; `/` for all. Unique on each listener."""
    listeners: tuple[str, ...] = ()
    """Names of the listeners it answers on. Without it: all."""
    format: Literal["openai", "anthropic", "gemini", "bedrock", "cohere", "ollama", "any"] = "openai"
    """The API that callers speak: `openai` (Chat Completions, Responses, Embeddings), `anthropic` (Messages), `gemini`
    (generateContent), `bedrock` (Converse), `cohere` (Chat v2), `ollama` (Ollama's own), or `any` of them."""
    routes: Annotated[tuple[Route, ...], Meta(min_length=1)]
    """The ways to models, at least one."""
    strategy: Literal["model-based", "weighted", "priority"] = "model-based"
    """How a route is chosen: by the model the caller names, by weight, or in order of priority."""
    fallback: Fallback | None = None
    """Where a call goes when its own route fails."""
    retries: Retries = Retries()
    """Repeats of a failed call on its own route."""
    policies: tuple[PolicyUse, ...] = ()
    """Policies, applied in this order."""
    sla_tiers: tuple[SlaTier, ...] = ()
    """Levels of service that contracts can grant."""
    contracts: Literal["all", "*"] | tuple[Contract, ...] = ()
    """Which client applications may use it, where a policy identifies callers; `all` for every one, without a tier."""
    on_client_leave: Literal["cancel", "drain"] = "cancel"
    """What becomes of the upstream call of a caller that hangs up: cancel it, or read on to learn its usage."""
    drain_time: Duration = Duration(30)
    """With `drain`: how long to read on."""
    drain_bytes: ByteSize = ByteSize(4_194_304)
    """With `drain`: how much to read on."""
    response_state: ResponseState | None = None
    """Keep answers of the Responses API, encrypted in the data folder, so that `previous_response_id` and
    `conversation` work with providers that keep none themselves. Without it nothing is kept, and such requests are
    refused."""


class Resources(Resource, frozen=True, kw_only=True):
    """Everything a gateway needs to know."""

    gateway: Gateway = Gateway()
    """The gateway as a whole."""
    listeners: tuple[Listener, ...] = (Listener(name="default", address=Address.parse("127.0.0.1:8081")),)
    """Addresses to listen on. Without them: one named `default` on 127.0.0.1:8081."""
    business_groups: tuple[BusinessGroup, ...] = ()
    """Parts of the organisation that usage is attributed to."""
    clients: tuple[Client, ...] = ()
    """Client applications: who may call."""
    credentials: tuple[Credential, ...] = ()
    """Provider keys, each a reference to where it is kept."""
    llm_proxies: tuple[LlmProxy, ...] = ()
    """The governed endpoints."""
