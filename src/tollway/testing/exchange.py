"""A call without a gateway: what a policy sees, and what it did to it, for tests of one policy."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

import msgspec

from tollway.core.errors import CallerError
from tollway.core.ids import ClientId
from tollway.core.usage import Usage
from tollway.expressions import ExpressionError
from tollway.interfaces.counters import Counters
from tollway.interfaces.identity import ClientApplication, SignedRequest
from tollway.interfaces.policy import Authentication, PolicyContext
from tollway.interfaces.secrets import Secret
from tollway.signing.signed_requests import signer_of
from tollway.stores.counters_memory import MemoryCounters
from tollway.testing.clock import START_WALL_US, FrozenClock


class FakeClients:
    """A `ClientRegistry` of applications and their secrets in plain text."""

    def __init__(self, applications: Iterable[tuple[ClientApplication, str]] = ()) -> None:
        """Know the applications, each with its secret."""
        self._known = {application.client_id: (application, secret) for application, secret in applications}

    def authenticate(self, client_id: str, secret: str) -> ClientApplication | None:
        """Return the application if the secret is its own."""
        known = self._known.get(ClientId(client_id))
        return known[0] if known is not None and known[1] == secret else None

    def authenticate_signed(self, request: SignedRequest) -> ClientApplication | CallerError | None:
        """Return the application that signed the request with its secret."""
        secrets = {client_id: Secret(secret) for client_id, (_, secret) in self._known.items()}
        signer = signer_of(request, lambda name: secrets.get(ClientId(name)))
        return self.find(signer) if isinstance(signer, str) else signer

    def find(self, client_id: str) -> ClientApplication | None:
        """Return the application by its public id alone."""
        known = self._known.get(ClientId(client_id))
        return None if known is None else known[0]


class FakeAttempt:
    """One upstream attempt, and the headers set on it."""

    def __init__(
        self, *, route: str = "route", provider: str = "openai", target_model: str = "gpt-5", number: int = 1
    ) -> None:
        """Describe the attempt."""
        self.route = route
        self.provider = provider
        self.target_model = target_model
        self.number = number
        self.headers: dict[str, str] = {}

    def set_header(self, name: str, value: str) -> None:
        """Send this header with this attempt, in place of any of that name."""
        self.headers[name.lower()] = value


class FakeExchange:
    """A `PolicyExchange`, and so a `Scope`, whose every fact the test gives and every effect it can read.

    Header names in `upstream_headers` and `response_headers_sent` are lower case; each has all its
    values in the order sent.
    """

    def __init__(  # noqa: PLR0913 - a test names the few it means
        self,
        *,
        method: str = "POST",
        operation: str = "conversation",
        path: str = "/v1/chat/completions",
        query: str = "",
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        client_address: str = "192.0.2.1",
        requested_model: str = "openai/gpt-5",
        stream: bool = False,
        input_tokens: int = 10,
        output_limit: int | None = None,
        now_us: int = START_WALL_US,
    ) -> None:
        """Describe the request."""
        self.method = method
        self.operation = operation
        self.request_path = path
        self.query_string = query
        self.body = body
        self.client_address = client_address
        self.requested_model = requested_model
        self.stream = stream
        self.input_tokens = input_tokens
        self.output_limit = output_limit
        self.now_us = now_us
        self.identity: Authentication | None = None
        self.usage: Usage | None = None
        self.status_code: int | None = None
        self.response_fields: dict[str, str] = {}
        self.notes: dict[str, object] = {}
        self.upstream_headers: dict[str, list[str]] = {}
        self.response_headers_sent: dict[str, list[str]] = {}
        self._headers: dict[str, str] = {}
        pairs: Iterable[tuple[str, str]] = headers.items() if isinstance(headers, dict) else headers
        for name, value in pairs:
            key = name.lower()
            self._headers[key] = f"{self._headers[key]}, {value}" if key in self._headers else value

    @property
    def request_uri(self) -> str:
        """Path and query."""
        return f"{self.request_path}?{self.query_string}" if self.query_string else self.request_path

    @property
    def local_address(self) -> str:
        """The gateway's own address."""
        return "127.0.0.1:8081"

    @property
    def remote_address(self) -> str:
        """The caller's address."""
        return self.client_address

    @property
    def scheme(self) -> str:
        """Always `http`."""
        return "http"

    @property
    def version(self) -> str:
        """Always HTTP/1.1."""
        return "HTTP/1.1"

    def raw_header(self, name: bytes) -> bytes | None:
        """A request header by its lower-case name; repeats are joined by a comma."""
        value = self._headers.get(name.decode("latin-1"))
        return None if value is None else value.encode("latin-1")

    def header(self, name: str, /) -> str | None:
        """A request header by name, in any case."""
        return self._headers.get(name.lower())

    def headers(self) -> Mapping[str, str]:
        """All request headers."""
        return self._headers

    def query_params(self) -> Mapping[str, str]:
        """The decoded query parameters."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def payload(self) -> object:
        """The decoded body.

        Raises:
            ExpressionError: it is not JSON.
        """
        try:
            return msgspec.json.decode(self.body) if self.body else None
        except msgspec.DecodeError as error:
            raise ExpressionError("payload: the body is not JSON") from error

    def authentication(self) -> Mapping[str, object]:
        """`#[authentication.…]`."""
        identity = self.identity
        if identity is None:
            return {}
        client = identity.client
        return {
            "clientId": None if client is None else client.client_id,
            "clientName": None if client is None else client.name,
            "principal": identity.principal,
            "properties": dict(identity.properties),
        }

    def variables(self) -> Mapping[str, object]:
        """What policies noted."""
        return self.notes

    def new_id(self) -> str:
        """Always the same UUID."""
        return "00000000-0000-4000-8000-000000000000"

    def identify(self, authentication: Authentication) -> None:
        """Say who the caller is."""
        self.identity = authentication

    def estimated_input_tokens(self) -> int:
        """What the test gave."""
        return self.input_tokens

    def requested_output_tokens(self) -> int | None:
        """What the test gave."""
        return self.output_limit

    def set_upstream_header(self, name: str, value: str) -> None:
        """Send this header to the provider, in place of any of that name."""
        self.upstream_headers[name.lower()] = [value]

    def add_upstream_header(self, name: str, value: str) -> None:
        """Send this header to the provider beside any of that name."""
        self.upstream_headers.setdefault(name.lower(), []).append(value)

    def set_response_header(self, name: str, value: str) -> None:
        """Send this header to the caller, in place of any of that name."""
        self.response_headers_sent[name.lower()] = [value]

    def add_response_header(self, name: str, value: str) -> None:
        """Send this header to the caller beside any of that name."""
        self.response_headers_sent.setdefault(name.lower(), []).append(value)

    def set_response_lines(self, key: str, lines: bytes) -> None:
        """Send ready-made header lines to the caller."""
        del key
        for line in lines.decode("ascii").split("\r\n")[:-1]:
            name, _, value = line.partition(": ")
            self.response_headers_sent[name.lower()] = [value]

    def response_header(self, name: str, /) -> str | None:
        """A header of the provider's answer."""
        return self.response_fields.get(name.lower())

    def response_headers(self) -> Mapping[str, str]:
        """The headers of the provider's answer."""
        return self.response_fields

    def note(self, key: str, value: object) -> None:
        """Remember something until the call ends."""
        self.notes[key] = value

    def recall(self, key: str) -> object | None:
        """Return what `note` stored."""
        return self.notes.get(key)


def policy_context(
    *,
    proxy: str = "proxy",
    name: str = "policy",
    clients: Iterable[tuple[ClientApplication, str]] = (),
    counters: Counters | None = None,
    clock: FrozenClock | None = None,
) -> PolicyContext:
    """Make what a policy is given when its proxy is compiled, out of fakes."""
    return PolicyContext(
        proxy=proxy,
        name=name,
        counters=MemoryCounters() if counters is None else counters,
        clients=FakeClients(clients),
        clock=FrozenClock() if clock is None else clock,
    )
