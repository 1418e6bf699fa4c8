"""A snapshot made ready to serve: endpoints by path, and everything one call needs behind them.

Built whole before it is used; a running exchange keeps the one it began with.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

from tollway.core.errors import BadRequest, MethodNotAllowed, NotFound, TollwayError
from tollway.dialects.registry import AnyDialect
from tollway.gateway.answer_headers import RoutingHeaders, header_line
from tollway.gateway.chain import Chain
from tollway.gateway.exchange import Exchange
from tollway.gateway.kept import KeptAnswerExchange, NamingExchange
from tollway.gateway.kept_turns import Keeper, Turn
from tollway.gateway.passed import PassedExchange, PassedTranslation
from tollway.gateway.passed_kept import KeptExchange
from tollway.gateway.passed_routes import PassedRoutes
from tollway.gateway.request import Request
from tollway.gateway.route import DialectsByName, Planner
from tollway.gateway.target import Target
from tollway.gateway.translate import ConversationTranslation, Translation, WholeTranslation
from tollway.interfaces.dialect import (
    KEPT_OPERATIONS,
    ConversationDialect,
    EmbeddingsDialect,
    InboundFormat,
    ModelList,
    NamesErrors,
    Operation,
    RerankDialect,
    Streams,
)
from tollway.interfaces.dialect import Endpoint as EndpointShape
from tollway.interfaces.kept_turns import KeptTurns
from tollway.interfaces.passed import PassedDialect
from tollway.interfaces.passed import PassedEndpoint as PassedShape
from tollway.interfaces.realtime import RealtimeDialect
from tollway.snapshot.document import LlmProxy

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt

_WITH_A_HUB: Final = ("conversation", "embeddings", "rerank")
_NO_KEEPERS: Final[Mapping[str, Keeper]] = {}


class Proxy:
    """One LLM proxy, ready to serve."""

    __slots__ = (
        "base_path",
        "chain",
        "dialects",
        "drain_bytes",
        "drain_seconds",
        "drains",
        "format",
        "gateway_name",
        "keepers",
        "model_list",
        "name",
        "planner",
        "routing_headers",
        "targets",
    )

    def __init__(
        self,
        document: LlmProxy,
        *,
        targets: Sequence[Target],
        chain: Chain,
        planner: Planner,
        dialects: DialectsByName,
        gateway_name: str,
        keepers: Mapping[str, Keeper] = _NO_KEEPERS,
    ) -> None:
        """Put the parts together; `keepers` keep the turns of each dialect that has any."""
        self.keepers = keepers
        self.dialects = dialects
        self.name = document.name
        self.gateway_name = gateway_name
        self.base_path = document.base_path.encode()
        self.format = document.format
        self.targets = tuple(targets)
        self.chain = chain
        self.planner = planner
        self.routing_headers = RoutingHeaders(document.strategy)
        self.drains = document.on_client_leave == "drain"
        self.drain_seconds = document.drain_seconds
        self.drain_bytes = document.drain_bytes
        self.model_list = planner.model_list()


class Endpoint:
    """One endpoint of one proxy."""

    __slots__ = (
        "_conversation",
        "_embeddings",
        "_names_errors",
        "_rerank",
        "action",
        "dialect_name",
        "exchange",
        "format",
        "keeper",
        "kept_mark",
        "kept_members",
        "kept_outer",
        "models",
        "operation",
        "passes",
        "provider_side",
        "proxy",
        "realtime",
        "streams",
        "variants",
    )

    def __init__(
        self,
        proxy: Proxy,
        operation: Operation,
        dialect: AnyDialect,
        streams: Streams,
        action: str = "",
        *,
        passes: bool = True,
    ) -> None:
        """Bind a dialect to a proxy. For the list of models the dialect only says how errors look."""
        self.proxy = proxy
        self.operation: Operation = operation
        self.dialect_name = dialect.name
        self.format: InboundFormat = dialect.format
        self.streams = streams
        self.passes = passes
        self.action = action
        """What the path says to do with its model (`embedContent`), or which of an API's notes it asks for;
        empty where it says nothing."""
        self._conversation: ConversationDialect | None = None
        self._embeddings: EmbeddingsDialect | None = None
        self._rerank: RerankDialect | None = None
        self.realtime: RealtimeDialect | None = None
        """Set where calls are sessions, which `realtime.py` serves."""
        if operation == "realtime":
            self.realtime = dialect  # pyright: ignore[reportAttributeAccessIssue]
        elif operation == "embeddings":
            self._embeddings = dialect  # pyright: ignore[reportAttributeAccessIssue] - the operation says which kind it is
        elif operation == "rerank":
            self._rerank = dialect  # pyright: ignore[reportAttributeAccessIssue]
        else:
            self._conversation = dialect  # pyright: ignore[reportAttributeAccessIssue]
        self.provider_side: AnyDialect | None = dialect if operation in _WITH_A_HUB else None
        # Few dialects name errors in headers; those that do have a method of their own for it.
        self._names_errors: NamesErrors | None = (
            cast("NamesErrors", dialect) if hasattr(dialect, "error_headers") else None
        )
        self.models: ModelList | None = getattr(dialect, "models", None)  # embeddings have none
        self.keeper: Keeper | None = proxy.keepers.get(dialect.name) if operation != "embeddings" else None
        """Keeps its turns, where they are kept."""
        keeps = any(target.provider.keeps for target in proxy.targets)
        self.kept_members: frozenset[str] = getattr(dialect, "kept_members", frozenset()) if keeps else frozenset()
        """Members of a body that name what a provider keeps."""
        self.kept_outer = frozenset(name[1:] for name in self.kept_members if name.startswith("/"))
        inner = [name for name in self.kept_members if not name.startswith("/")]
        self.kept_mark = b"_id" if all("_id" in name for name in inner) else b'"'
        """Stands in every body that names something with one of the inner of them."""
        self.exchange: type[Exchange] = Exchange
        """What carries its calls."""
        if operation == "conversation" and self.kept_members:
            self.exchange = KeptAnswerExchange if getattr(dialect, "keeps_answers", False) else NamingExchange
        self.variants: tuple[tuple[bytes, Endpoint], ...] = ()

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error as this endpoint's SDKs expect it."""
        dialect = self._conversation or self._embeddings or self._rerank or self.realtime
        return dialect.render_error(error) if dialect is not None else b""

    def error_lines(self, error: TollwayError) -> list[bytes]:
        """Write the headers in which this endpoint's SDKs look for an error's name."""
        if self._names_errors is None:
            return []
        return [header_line(name, value) for name, value in self._names_errors.error_headers(error)]

    def translation(self, exchange: "Exchange", attempt: "Attempt") -> Translation:
        """Choose the provider's dialect: the caller's own if it speaks it, else its preferred one.

        Raises:
            BadRequest: the request is not what the caller's dialect promises, or the provider has
                nothing of this kind.
        """
        provider = attempt.target.provider
        if self._embeddings is not None:
            inbound = self._embeddings
            if inbound.name in provider.embeddings and self.passes:
                return WholeTranslation(exchange, attempt, inbound, inbound, None, provider.embeddings)
            if not provider.embeddings:
                msg = f"the provider '{provider.name}' has no embeddings; choose a model of another provider"
                raise BadRequest(msg, param="model", code="operation_not_supported")
            name = inbound.name if inbound.name in provider.embeddings else next(iter(provider.embeddings))
            outbound_embeddings = exchange.proxy.dialects.embeddings[name]
            parsed = inbound.parse_request(exchange.body, path_model=exchange.path_model, path_action=self.action)
            return WholeTranslation(exchange, attempt, inbound, outbound_embeddings, parsed, provider.embeddings)
        if self._rerank is not None:
            return self._ranking(self._rerank, exchange, attempt)
        inbound_conversation = self._conversation
        if inbound_conversation is None:  # pragma: no cover - one of the two is always set
            msg = "no dialect"
            raise BadRequest(msg)
        if not provider.conversation:
            msg = (
                f"the model '{attempt.target_model}' of provider '{provider.name}' has no conversations; choose another"
            )
            raise BadRequest(msg, param="model", code="operation_not_supported")
        turn = exchange.turn
        if turn is not None and not turn.passes(inbound_conversation, provider):
            return self._kept_translation(exchange, attempt, inbound_conversation, turn)
        if inbound_conversation.name in provider.conversation:
            return ConversationTranslation(exchange, attempt, inbound_conversation, inbound_conversation, None)
        outbound = exchange.proxy.dialects.conversation[next(iter(provider.conversation))]
        turns: KeptTurns | None = getattr(inbound_conversation, "turns", None)  # most APIs keep none
        if turns is not None and self.keeper is None:
            turns.refuse_unkept(exchange.members)
        conversation = inbound_conversation.parse_request(
            exchange.body, path_model=exchange.path_model, stream=exchange.stream
        )
        return ConversationTranslation(exchange, attempt, inbound_conversation, outbound, conversation)

    def _kept_translation(
        self, exchange: "Exchange", attempt: "Attempt", inbound: ConversationDialect, turn: Turn
    ) -> ConversationTranslation:
        """Translate a call that refers to kept turns, or whose answer is kept; also where the dialect is the same."""
        spoken = attempt.target.provider.conversation
        name = inbound.name if inbound.name in spoken else next(iter(spoken))
        conversation = turn.prepare(inbound, name, exchange.path_model)
        outbound = exchange.proxy.dialects.conversation[name]
        return ConversationTranslation(exchange, attempt, inbound, outbound, conversation, turn if turn.keeps else None)

    def _ranking(self, inbound: RerankDialect, exchange: "Exchange", attempt: "Attempt") -> Translation:
        provider = attempt.target.provider
        if inbound.name in provider.rerank:
            return WholeTranslation(exchange, attempt, inbound, inbound, None, provider.rerank)
        if not provider.rerank:
            msg = f"the provider '{provider.name}' ranks no documents; choose a model of another provider"
            raise BadRequest(msg, param="model", code="operation_not_supported")
        outbound = exchange.proxy.dialects.rerank[next(iter(provider.rerank))]
        parsed = inbound.parse_request(exchange.body, path_model=exchange.path_model, path_action=self.action)
        return WholeTranslation(exchange, attempt, inbound, outbound, parsed, provider.rerank)


class PassedEndpoint(Endpoint):
    """One endpoint of one proxy whose calls pass without a hub."""

    __slots__ = ("_parameters", "dialect", "routes", "shape")

    def __init__(self, proxy: Proxy, dialect: PassedDialect, shape: PassedShape) -> None:
        """Bind one endpoint of a dialect to a proxy."""
        super().__init__(proxy, shape.operation, dialect, shape.streams)
        self.exchange = PassedExchange if shape.governs is None else KeptExchange
        self.provider_side = dialect
        self.dialect = dialect
        self.shape = shape
        self.routes = PassedRoutes(proxy.planner, shape.provides, repeatable=shape.repeatable)
        self._parameters = re.compile(path_pattern(shape.path) + r"\Z") if "{" in shape.path else None

    def parameters_of(self, path: bytes) -> Mapping[str, str]:
        """Give what stands in `path` for the names in braces, as it was sent."""
        if self._parameters is None:
            return {}
        found = self._parameters.search(path.decode("latin-1"))
        return found.groupdict() if found is not None else {}

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error as this endpoint's SDKs expect it."""
        return self.dialect.render_error(error)

    def translation(self, exchange: "Exchange", attempt: "Attempt") -> Translation:
        """Pass the call on; where the provider has no such operation, go by way of a conversation that says the same.

        Raises:
            BadRequest: no conversation can say it.
        """
        provider = attempt.target.provider
        emulation = self.dialect.emulation
        if self.shape.provides not in provider.operations and emulation is None:
            msg = f"the model '{attempt.target_model}' of '{provider.name}' has no such operation; choose another"
            raise BadRequest(msg, param="model", code="operation_not_supported")
        if emulation is None or self.shape.provides in provider.operations:
            return PassedTranslation(cast("PassedExchange", exchange), attempt, self)
        outbound = exchange.proxy.dialects.conversation[next(iter(provider.conversation))]
        conversation = emulation.parse_request(exchange.body, path_model=exchange.path_model, stream=exchange.stream)
        return ConversationTranslation(exchange, attempt, emulation, outbound, conversation)


def path_pattern(path: str) -> str:
    """Write a path as a regular expression: each name in braces is one segment of plain characters.

    A slash, a dot segment or an escape in an id could change which path of the provider is called.
    """
    parts = re.split(r"\{(\w+)\}", path)
    return "".join(
        rf"(?P<{part}>(?!\.{{1,2}}(?:/|\Z))[A-Za-z0-9_\-.:=@~]{{1,256}})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )


class Paths:
    """The endpoints of one listener, by path."""

    __slots__ = ("_exact", "_named", "_patterns", "_proxies")

    def __init__(self, proxies: Iterable[Proxy], dialects: Sequence[AnyDialect]) -> None:
        """Lay out every path of every proxy."""
        self._exact: dict[bytes, dict[bytes, Endpoint]] = {}
        self._patterns: list[tuple[bytes, bytes, bytes, bytes, Endpoint]] = []
        self._named: list[tuple[bytes, re.Pattern[bytes], bytes, Endpoint]] = []
        """Beginning of a path with ids in it, what the rest must look like, method, endpoint."""
        self._proxies: list[tuple[bytes, Endpoint]] = []
        for proxy in sorted(proxies, key=lambda one: -len(one.base_path)):  # of two that could be meant, the inner one
            served = [dialect for dialect in dialects if proxy.format in ("any", dialect.format)]
            self._add_dialects(proxy, served)
            self._add_models(proxy, served)
        self._patterns.sort(key=lambda pattern: (-len(pattern[4].proxy.base_path), -len(pattern[0]) - len(pattern[2])))
        self._proxies.sort(key=lambda entry: -len(entry[0]))

    def find(self, request: Request) -> tuple[Endpoint, str] | TollwayError:
        """Find what a request asks for, and the model its path names (else empty)."""
        methods = self._exact.get(request.path)
        if methods is not None:
            endpoint = methods.get(b"GET" if request.method == b"HEAD" else request.method)
            if endpoint is None:
                return _wrong_method(request, methods)
            return (_meant(endpoint, request) if endpoint.variants else endpoint), ""
        return self._find_pattern(request)

    def greets(self, request: Request) -> bool:
        """Whether somebody asks no more than whether a server is here: at a base path, or by HEAD at the root."""
        path = request.path
        if request.method == b"HEAD" and path == b"/":
            return True
        return any(path in (base, base + b"/") for base, _ in self._proxies)

    def error_format(self, path: bytes) -> Endpoint | None:
        """Tell in whose way an error about `path` is written; None when no proxy has it."""
        for base, endpoint in self._proxies:
            if path.startswith(base) and path[len(base) : len(base) + 1] in (b"", b"/"):
                return endpoint
        return None

    def _find_pattern(self, request: Request) -> tuple[Endpoint, str] | TollwayError:
        path = request.path
        wrong: dict[bytes, Endpoint] = {}
        for prefix, between, suffix, method, endpoint in self._patterns:
            if path.startswith(prefix) and path.endswith(suffix) and len(path) > len(prefix) + len(suffix):
                model = path[len(prefix) : len(path) - len(suffix)]
                if between:
                    scope, _, model = model.partition(between)
                    if not scope or not model:
                        continue
                if method != (b"GET" if request.method == b"HEAD" else request.method):
                    wrong[method] = endpoint
                    continue
                return _meant(endpoint, request), unquote(model.decode("latin-1"), errors="replace")
        for prefix, pattern, method, endpoint in self._named:
            if path.startswith(prefix) and pattern.fullmatch(path, len(prefix)):
                if method != (b"GET" if request.method == b"HEAD" else request.method):
                    wrong[method] = endpoint
                    continue
                return _meant(endpoint, request), ""
        if wrong:
            return _wrong_method(request, wrong)
        shown = path.decode("latin-1")
        if self.error_format(path) is None:
            return NotFound(f"there is no LLM proxy at '{shown}'; check the base path")
        return NotFound(f"there is no endpoint at '{shown}' of this LLM proxy; check the path behind its base path")

    def _add_dialects(self, proxy: Proxy, dialects: Sequence[AnyDialect]) -> None:
        keeps = any(target.provider.keeps for target in proxy.targets)
        # Conversations first: what the gateway keeps itself goes before what a provider keeps at the same place.
        for dialect in sorted(dialects, key=_rank):
            for shape in dialect.endpoints:
                if shape.operation in KEPT_OPERATIONS and keeps and dialect.name not in proxy.keepers:
                    continue
                if isinstance(shape, PassedShape):
                    passed = PassedEndpoint(proxy, cast("PassedDialect", dialect), shape)
                    for version in shape.versions:
                        self._add(proxy.base_path, version, shape, passed)
                    continue
                action = shape.path.rpartition(":")[2] if ":" in shape.path else ""
                endpoint = Endpoint(proxy, shape.operation, dialect, shape.streams, action, passes=shape.passes)
                for version in shape.versions:
                    self._add(proxy.base_path, version, shape, endpoint)

    def _add_models(self, proxy: Proxy, dialects: Sequence[AnyDialect]) -> None:
        """Lay out the lists of models. Of several under one path, the one whose header is there is meant."""
        conversations = [cast("ConversationDialect", one) for one in dialects if hasattr(one, "stream_parser")]
        lists = [(one, one.models) for one in conversations if one.models is not None]
        lists.sort(key=lambda entry: bool(entry[1].telling_header))
        meant: dict[tuple[str, Operation], Endpoint] = {}
        for dialect, shape in lists:
            places: list[tuple[Operation, str, str]] = [
                ("models", shape.list_path, ""),
                ("model", shape.model_path, ""),
                *(("models", path, path) for path in shape.notes),
            ]
            for operation, path, note in places:
                if not path:
                    continue
                endpoint = Endpoint(proxy, operation, dialect, "never", note)
                first = meant.setdefault((path, operation), endpoint)
                if first is not endpoint:
                    first.variants = (*first.variants, (shape.telling_header, endpoint))
                method = "POST" if operation == "model" and shape.model_member else "GET"
                at = EndpointShape(operation=operation, dialect=dialect.name, method=method, path=path)
                for version in shape.versions:
                    self._add(proxy.base_path, version, at, endpoint)
        if conversations:
            errors = next((one for one in conversations if one.format == "openai"), conversations[0])
            self._proxies.append((proxy.base_path, Endpoint(proxy, "models", errors, "never")))

    def _add(self, base: bytes, version: str, shape: EndpointShape, endpoint: Endpoint) -> None:
        path = base + version.encode() + shape.path.encode()
        method = shape.method.encode()
        before, marker, suffix = path.replace(b"{id}", b"{model}").partition(b"{model}")
        if marker:
            prefix, _, between = before.partition(b"{scope}")
            self._patterns.append((prefix, between, suffix, method, endpoint))
        elif b"{" in path:
            start = path.index(b"{")
            pattern = re.compile(path_pattern(path[start:].decode()).encode())
            known = next((one[3] for one in self._named if one[:3] == (path[:start], pattern, method)), None)
            if known is None:
                self._named.append((path[:start], pattern, method, endpoint))
            else:
                _add_variant(known, endpoint)
        else:
            known = self._exact.setdefault(path, {}).setdefault(method, endpoint)
            if known is not endpoint:
                _add_variant(known, endpoint)


def _rank(dialect: object) -> tuple[bool, bool]:
    return bool(_telling_header(dialect)), not hasattr(dialect, "stream_parser")


def _telling_header(dialect: object) -> bytes:
    header: bytes = getattr(dialect, "telling_header", b"")  # only dialects without a hub have one
    return header


def _add_variant(known: Endpoint, endpoint: Endpoint) -> None:
    """Let a header tell which of two APIs with one path is meant."""
    if isinstance(endpoint, PassedEndpoint) and (header := endpoint.dialect.telling_header):
        known.variants = (*known.variants, (header, endpoint))


def _meant(endpoint: Endpoint, request: Request) -> Endpoint:
    """Choose among APIs with one path by the header that only one of them sends."""
    for header, variant in endpoint.variants:
        if header in request.headers:
            return variant
    return endpoint


def _wrong_method(request: Request, allowed: Iterable[bytes]) -> MethodNotAllowed:
    names = ", ".join(sorted(method.decode() for method in allowed))
    return MethodNotAllowed(
        f"{request.method.decode('latin-1')} is not served here; use {names}", headers=(("allow", names),)
    )
