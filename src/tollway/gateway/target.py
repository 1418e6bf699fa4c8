"""A route made ready: where it goes, how its requests begin, and what it is busy with."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from tollway.core.errors import BadRequest
from tollway.expressions import Expression, compile_expression
from tollway.gateway.answer_headers import header_line
from tollway.interfaces.provider import Provider
from tollway.interfaces.signer import OutboundRequest
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import Route

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt
    from tollway.gateway.tokens import TokenKeeper
    from tollway.gateway.upstream import Pool

_MAX_HEADS: Final = 1024
# RFC 3986's unreserved characters, and those of sub-delims that model names use; a slash, a dot
# segment or a question mark from a caller must never change which path is called.
_MODEL_SAFE: Final = "-_.~:@"
_EITHER: Final = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")


class _Named(Protocol):
    name: str


class Target:
    """One route of one proxy, in one worker."""

    __slots__ = (
        "_body",
        "_heads",
        "_host",
        "_key_lines",
        "_path_prefix",
        "_static_lines",
        "active",
        "clock",
        "contexts",
        "forwards",
        "key_expression",
        "pool",
        "provider",
        "replaceable",
        "reshapes",
        "route",
        "surfaces",
        "tokens",
    )

    def __init__(
        self,
        route: Route,
        provider: Provider,
        pool: "Pool",
        active: "set[Attempt]",
        *,
        clock: Callable[[], float],
        tokens: "TokenKeeper | None" = None,
    ) -> None:
        """Prepare the parts of a request head that no call changes."""
        self.route = route
        self.provider = provider
        self.pool = pool
        self.active = active
        self.clock = clock
        self.tokens = tokens
        """Where the token comes from that is sent in place of a key."""
        self.key_expression: Expression | None = (
            compile_expression(route.key_expression) if route.key_expression else None
        )
        self.forwards: tuple[bytes, ...] = tuple(sorted(name.encode() for name in provider.forward_headers))
        """Request headers of the caller that may pass."""
        self.replaceable = frozenset(name.lower().encode() for name in provider.headers)
        """Of the headers always sent, those that a caller's own may replace (`anthropic-version`)."""
        url = urlsplit(route.base_url)
        self._host = url.netloc.rpartition("@")[2]
        self._path_prefix = url.path.rstrip("/").removesuffix(provider.base_path_tail)
        self._static_lines = b"".join(
            header_line(name, value)
            for name, value in {
                "host": self._host,
                "content-type": "application/json",
                "accept-encoding": "identity",
                "user-agent": "tollway",
                **provider.headers,
                **route.headers,
            }.items()
        )
        self._key_lines: tuple[bytes, ...] = ()
        if provider.signer.fixed and self.key_expression is None and tokens is None:
            keys = [key.reveal() for key in route.keys] or [""]
            self._key_lines = tuple(self.fixed_key_lines(key) for key in keys)
        self._heads: dict[tuple[str, str, bool], bytes] = {}
        self._body = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in provider.body.items()}
        self.reshapes = bool(provider.body or provider.omits)
        """Whether bodies go through `reshaped`."""
        self.surfaces = tuple(
            (models, not_for, Target(route, surface, pool, active, clock=clock, tokens=tokens))
            for models, not_for, surface in provider.surfaces_at(self._path_prefix)
        )
        """The same route to models that the provider wants to be asked for in another way."""
        self.contexts: dict[object, UsageRecord] = {}
        """What usage records of attempts on this route have in common; kept by the meter."""

    @property
    def key_count(self) -> int:
        """How many keys rotate."""
        return len(self.route.keys)

    def for_model(self, model: str, caller: str) -> "Target":
        """Give the surface of the provider that serves `model` to callers of the dialect `caller`."""
        for models, not_for, target in self.surfaces:
            if caller not in not_for and models.fullmatch(model):
                return target
        return self

    def reshaped(self, members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
        """Set what the provider wants in every body, and leave out what its path says."""
        kept = {name: raw for name, raw in members.items() if name not in self.provider.omits}
        kept.update(self._body)
        return kept

    def fixed_key_lines(self, key: str) -> bytes:
        """Write the header lines that prove who we are, for a signer that needs nothing but the key."""
        if not key and self.provider.key_optional:
            return b""
        return b"".join(header_line(name, value) for name, value in self.provider.signer.headers(key, None))

    def payload(
        self,
        attempt: "Attempt",
        body: bytes,
        dialect: _Named,
        paths: Mapping[str, str],
        forwarded: bytes,
        now_us: int,
    ) -> bytes:
        """Write a whole request: head and body in one piece. `paths` are the provider's, by dialect."""
        # A path without the model in it has one head for all models.
        head = self._heads.get((dialect.name, "", attempt.stream)) or self._head_of(attempt, dialect, paths)
        key_lines = self._key_lines[attempt.key_index] if self._key_lines else self._signed(attempt, head, body, now_us)
        extra = attempt.extra_headers
        if extra:
            forwarded += b"".join(header_line(name, value) for name, value in extra.items())
            head = _without(head, extra)
        return b"".join((head, key_lines, forwarded, b"content-length: %d\r\n\r\n" % len(body), body))

    def passed_payload(
        self,
        attempt: "Attempt",
        body: bytes,
        *,
        method: str,
        path: str,
        query: str,
        content_type: bytes,
        forwarded: bytes,
        now_us: int,
    ) -> bytes:
        """Write a whole request of an operation without a hub.

        Args:
            attempt: whose key and headers it carries.
            body: what it carries; empty for none.
            method: as the caller sent it.
            path: under the base URL, percent-encoded; `{model}` stands for the attempt's model.
            query: the caller's own, percent-encoded, beside the provider's.
            content_type: the caller's own; empty for none.
            forwarded: header lines that go out with it.
            now_us: when it is signed.
        """
        if "{model}" in path:
            path = path.replace("{model}", _model_in_path(attempt.target_model))
        parts = [urlencode({**self.provider.query, **self.route.query}), query]
        target = "?".join(filter(None, (self._path_prefix + path, "&".join(filter(None, parts)))))
        head = b"%b %b HTTP/1.1\r\n%b" % (method.encode("ascii"), target.encode("ascii"), self._static_lines)
        if content_type != b"application/json":
            head = _without(head, {"content-type": ""})
            if content_type:
                head += b"content-type: %b\r\n" % content_type
        key_lines = self._key_lines[attempt.key_index] if self._key_lines else self._signed(attempt, head, body, now_us)
        extra = attempt.extra_headers
        if extra:
            forwarded += b"".join(header_line(name, value) for name, value in extra.items())
            head = _without(head, extra)
        # RFC 9110, section 8.6: a request that carries nothing, and whose method expects nothing, says no length.
        length = b"content-length: %d\r\n" % len(body) if body or method not in {"GET", "DELETE"} else b""
        return b"".join((head, key_lines, forwarded, length, b"\r\n", body))

    def _head_of(self, attempt: "Attempt", dialect: _Named, paths: Mapping[str, str]) -> bytes:
        """Find or write the head for a path that names the model, and the first for one that does not."""
        path = paths[dialect.name]
        model = attempt.target_model if "{model}" in path else ""
        key = (dialect.name, model, attempt.stream)
        head = self._heads.get(key)
        if head is None:
            # Only conversations have actions and stream.
            actions: tuple[str, str] = getattr(dialect, "actions", ("", ""))
            stream_query: str = getattr(dialect, "stream_query", "")
            head = self._head(model, path, actions, stream_query, stream=attempt.stream)
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()  # model names may come from callers, so they must not pile up
            self._heads[key] = head
        return head

    def _head(self, model: str, path: str, actions: tuple[str, str], stream_query: str, *, stream: bool) -> bytes:
        query = {**self.provider.query, **self.route.query}
        parts = [urlencode(query)] if query else []
        if stream and stream_query:
            parts.append(stream_query)
        if "{model}" in path:
            path = path.replace("{model}", _model_in_path(model))
        path = _EITHER.sub(r"\2" if stream else r"\1", path)
        target = self._path_prefix + path.replace("{action}", actions[stream])
        if parts:
            target += "?" + "&".join(parts)
        return b"POST %b HTTP/1.1\r\n%b" % (target.encode("ascii"), self._static_lines)

    def _signed(self, attempt: "Attempt", head: bytes, body: bytes, now_us: int) -> bytes:
        if self.tokens is not None:
            return self.tokens.line
        if self.provider.signer.fixed:
            return self.fixed_key_lines(attempt.key_value)
        method, target, _ = head.decode("ascii").split(" ", 2)
        request = OutboundRequest(
            method=method, host=self._host, target=target, headers=_signable(head), body=body, now_us=now_us
        )
        credential = attempt.key_value or (self.route.keys[attempt.key_index].reveal() if self.route.keys else "")
        return b"".join(header_line(name, value) for name, value in self.provider.signer.headers(credential, request))


def _model_in_path(model: str) -> str:
    """Percent-encode a model name as one path segment.

    Raises:
        BadRequest: it is a dot segment, which no encoding keeps servers from collapsing.
    """
    if model in ("", ".", ".."):
        msg = f"'{model}' is not a model name"
        raise BadRequest(msg, param="model")
    return quote(model, safe=_MODEL_SAFE)


def _without(head: bytes, names: Mapping[str, str]) -> bytes:
    """Leave out the lines that `names` replace."""
    replaced = {name.lower().encode() for name in names}
    lines = head.split(b"\r\n")
    kept = [lines[0], *(line for line in lines[1:] if line.partition(b":")[0].lower() not in replaced)]
    return b"\r\n".join(kept)


def _signable(head: bytes) -> tuple[tuple[str, str], ...]:
    lines = head.decode("ascii").split("\r\n")[1:]
    return tuple((name, value) for name, _, value in (line.partition(": ") for line in lines if line))
