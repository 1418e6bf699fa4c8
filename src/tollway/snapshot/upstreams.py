"""Compiles what faces providers: credentials, and the routes that use them."""

from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec

from tollway.config import resources as written
from tollway.config.problems import Path, did_you_mean, shown
from tollway.expressions import ExpressionError, compile_expression
from tollway.interfaces.provider import Provider
from tollway.interfaces.secrets import Secret
from tollway.interfaces.signer import ChecksCredential
from tollway.interfaces.token_grant import TokenGrant
from tollway.snapshot import plugins
from tollway.snapshot.compilation import Compilation
from tollway.snapshot.document import Fallback, Health, Retries, Route, Timeouts, TlsClient
from tollway.snapshot.http_checks import checked_headers, checked_proxy_url, checked_url, is_header_value
from tollway.snapshot.identities import ANY_SERVER, TokenSource, compile_identity
from tollway.snapshot.tls_files import check_authorities, check_key_pair

FROM_REQUEST: Final = "from-request"
_CREDENTIALS: Final[Path] = ("credentials",)


class Keys(msgspec.Struct, frozen=True):
    """A credential with its secrets read."""

    provider: str
    values: tuple[Secret, ...]
    tokens: TokenSource | None
    path: Path


def compile_credentials(compilation: Compilation) -> dict[str, Keys]:
    """All credentials by name."""
    credentials = compilation.resources.credentials
    compilation.unique([one.name for one in credentials], _CREDENTIALS, "name")
    found: dict[str, Keys] = {}
    for index, one in enumerate(credentials):
        path: Path = (*_CREDENTIALS, index)
        if one.provider:
            find_provider(compilation, one.provider, (*path, "provider"))
        references = one.values or ()
        several = len(references) > 1
        places: list[Path] = [
            (*path, "values", number) if several else (*path, "values") for number in range(len(references))
        ]
        values = tuple(compilation.secret(ref, place) for ref, place in zip(references, places, strict=True))
        tokens = compile_identity(compilation, one, path)
        found.setdefault(one.name, Keys(one.provider, values, tokens, path))
    return found


def compile_routes(
    compilation: Compilation, proxy: written.LlmProxy, keys: Mapping[str, Keys], path: Path
) -> tuple[Route, ...]:
    """The routes of one proxy."""
    at: Path = (*path, "routes")
    compilation.unique([one.name for one in proxy.routes], at, "name")
    routes = tuple(_route(compilation, proxy, one, keys, (*at, index)) for index, one in enumerate(proxy.routes))
    if proxy.strategy == "weighted" and proxy.routes and not any(one.weight for one in proxy.routes):
        compilation.problems.add(at, "every weight is 0, so no route would take a call: give one a weight")
    return routes


def compile_fallback(compilation: Compilation, proxy: written.LlmProxy, path: Path) -> Fallback | None:
    """Where calls of one proxy go when their route fails."""
    fallback = proxy.fallback
    if fallback is None:
        return None
    names = [one.name for one in proxy.routes]
    at: Path = (*path, "fallback", "route")
    compilation.named(fallback.route, names, at, kind="a route of this LLM proxy", among=(*path, "routes"))
    return Fallback(route=fallback.route, model=fallback.model, on=frozenset(fallback.on))


def compile_retries(retries: written.Retries) -> Retries:
    """How one proxy repeats calls."""
    return Retries(
        attempts=retries.attempts,
        on=frozenset(retries.on),
        backoff_seconds=float(retries.backoff),
        max_backoff_seconds=float(retries.max_backoff),
        only_within_seconds=float(retries.only_within),
        budget_ratio=retries.budget_ratio,
    )


def find_provider(compilation: Compilation, name: str, path: Path) -> Provider | None:
    """The provider of that name; a problem at `path` when there is none."""
    try:
        return plugins.provider(name)
    except plugins.UnknownPlugin:
        hint = did_you_mean(name, plugins.provider_names(), kind="there are")
        compilation.problems.add(path, f"{shown(name)} is not a provider; {hint}")
    except plugins.BrokenPlugin as error:
        compilation.problems.add(path, str(error))
    return None


def _route(
    compilation: Compilation, proxy: written.LlmProxy, one: written.Route, keys: Mapping[str, Keys], path: Path
) -> Route:
    problems = compilation.problems
    provider = find_provider(compilation, one.provider, (*path, "provider"))
    base_url, private = ("", False) if provider is None else _url(compilation, one, provider, path)
    values = _keys(compilation, one, keys, path)
    if provider is not None:
        _check_serves(compilation, proxy, provider, path)
        _check_key(compilation, one, provider, keys, path, host=urlsplit(base_url).netloc)
    _check_models(compilation, one, path)
    proxy_url = None
    if one.proxy_url is not None:
        proxy_url = checked_proxy_url(one.proxy_url, (*path, "proxy_url"), problems)
    return Route(
        name=one.name,
        provider=one.provider,
        base_url=base_url,
        credential=one.credential,
        keys=values,
        token=_token(compilation, one, provider, keys, path),
        key_expression=one.key_expression,
        target_model=None if one.target_model == FROM_REQUEST else one.target_model,
        models=one.models,
        aliases=one.aliases,
        match_headers=checked_headers(one.match_headers, (*path, "match_headers"), problems, sent=False),
        headers=checked_headers(one.headers, (*path, "headers"), problems, sent=True),
        query=one.query,
        timeouts=_timeouts(compilation, one.timeouts, (*path, "timeouts")),
        tls=_tls(compilation, one, (*path, "tls")),
        proxy_url=proxy_url,
        allow_private=private,
        weight=one.weight,
        priority=one.priority,
        health=_health(one.health),
    )


def _url(compilation: Compilation, one: written.Route, provider: Provider, path: Path) -> tuple[str, bool]:
    """The base URL, and whether its address may be private."""
    at: Path = (*path, "url")
    text = one.url or provider.base_url
    if not text:
        message = f"missing: {provider.title} has no URL that is the same for everybody; give yours, https://host/path"
        compilation.problems.add(at, message)
        return "", False
    url = checked_url(text, at, compilation.problems)
    if url is None:
        return "", False
    if url.scheme == "http" and not url.loopback and not one.allow_insecure:
        message = f"{url.base} would send keys and prompts readable: use https, or set `allow_insecure: true`"
        compilation.problems.add(at, message)
    if url.private and not url.loopback and not one.allow_private:
        message = f"{url.host} is a private address: set `allow_private: true` if that is meant"
        compilation.problems.add(at, message)
    return url.base, one.allow_private or url.loopback


def _check_serves(compilation: Compilation, proxy: written.LlmProxy, provider: Provider, path: Path) -> None:
    """Callers of the Messages and generateContent APIs want conversations, which not all providers have."""
    converses = provider.conversation or any(surface.conversation for surface in provider.surfaces)
    if proxy.format in {"anthropic", "gemini"} and not converses:
        message = f"{provider.title} has no conversations, and format {proxy.format!r} is for nothing else"
        compilation.problems.add((*path, "provider"), f"{message}: choose another provider or format")


def _keys(compilation: Compilation, one: written.Route, keys: Mapping[str, Keys], path: Path) -> tuple[Secret, ...]:
    at: Path = (*path, "credential")
    if one.key_expression:
        if one.credential:
            compilation.problems.add(at, "stands beside `key_expression`: keep one of the two")
        _check_expression(compilation, one.key_expression, (*path, "key_expression"))
        return ()
    if one.credential and compilation.named(one.credential, keys, at, kind="a credential", among=_CREDENTIALS):
        return keys[one.credential].values
    return ()


def _check_key(
    compilation: Compilation, one: written.Route, provider: Provider, keys: Mapping[str, Keys], path: Path, *, host: str
) -> None:
    """Check that a provider that wants a key has one, and one of its own that it can be sent."""
    at: Path = (*path, "credential")
    if not one.credential:
        if not provider.key_optional and not one.key_expression:
            mend = "name a credential, or give `key_expression`"
            compilation.problems.add(at, f"missing: {provider.title} wants a key; {mend}")
        return
    found = keys.get(one.credential)
    if found is None:
        return
    if found.provider and found.provider != one.provider:
        message = f"{shown(one.credential)} belongs to provider {found.provider!r}, this route calls {one.provider!r}"
        compilation.problems.add(at, f"{message}: name another credential")
    elif provider.signer.fixed and not all(is_header_value(value.reveal()) for value in found.values):
        message = "the key cannot be sent in a header: it holds a line break, a space at an end or other characters"
        compilation.problems.add((*found.path, "values"), f"{message} than visible ASCII; store it anew")
    elif host and hasattr(provider.signer, "complaint"):
        signer = cast("ChecksCredential", provider.signer)
        complaints = (signer.complaint(value.reveal(), host) for value in found.values)
        for complaint in filter(None, dict.fromkeys(complaints)):
            compilation.problems.add((*found.path, "values"), complaint)


def _token(
    compilation: Compilation, one: written.Route, provider: Provider | None, keys: Mapping[str, Keys], path: Path
) -> TokenGrant | None:
    """How the token is asked for that the route sends in place of a key."""
    found = keys.get(one.credential)
    if provider is None or found is None or found.tokens is None or one.key_expression:
        return None
    tokens = found.tokens
    scope = tokens.scope or provider.token_scopes.get(tokens.kind, "")
    # A token is only ever sent to those it was asked for: here, or by name in the credential.
    if not scope and tokens.kind != ANY_SERVER:
        message = f"{provider.title} has no scope of its own for an identity of {tokens.kind!r}"
        compilation.problems.add((*path, "credential"), f"{message}: give `scope` there, or name another credential")
    return tokens.grant(scope)


def _check_expression(compilation: Compilation, text: str, path: Path) -> None:
    try:
        compile_expression(text)
    except ExpressionError as error:
        compilation.problems.add(path, str(error))


def _check_models(compilation: Compilation, one: written.Route, path: Path) -> None:
    if not one.target_model:
        message = f"empty: name a model, or write `{FROM_REQUEST}` for the one the caller names"
        compilation.problems.add((*path, "target_model"), message)
    for index, model in enumerate(one.models):
        if not model:
            compilation.problems.add((*path, "models", index), "empty: name a model, or remove the line")
    for alias, model in one.aliases.items():
        if not alias or not model:
            compilation.problems.add((*path, "aliases", alias), "empty: write `name callers use: model asked for`")


def _timeouts(compilation: Compilation, timeouts: written.Timeouts, path: Path) -> Timeouts:
    for name in ("connect", "first_byte", "between_events", "total"):
        if getattr(timeouts, name) <= 0:
            compilation.problems.add((*path, name), "must be longer than nothing")
    return Timeouts(
        connect_seconds=float(timeouts.connect),
        first_byte_seconds=float(timeouts.first_byte),
        between_events_seconds=float(timeouts.between_events),
        total_seconds=float(timeouts.total),
    )


def _health(health: written.Health) -> Health:
    return Health(
        window_seconds=float(health.window),
        minimum_calls=health.minimum_calls,
        error_rate=health.error_rate,
        open_seconds=float(health.rest),
        max_concurrent=health.max_concurrent,
    )


def _tls(compilation: Compilation, one: written.Route, path: Path) -> TlsClient:
    tls = one.tls
    if not tls.verify:
        compilation.warn(
            f"route {one.name!r} does not check its upstream's certificate: anyone between can read keys and prompts"
        )
    authorities = certificate = key = None
    if tls.ca_file is not None:
        authorities = compilation.file(tls.ca_file)
        check_authorities(authorities, (*path, "ca_file"), compilation.problems)
    if tls.certificate_file is not None and tls.key_file is not None:
        certificate, key = compilation.file(tls.certificate_file), compilation.file(tls.key_file)
        at = ((*path, "certificate_file"), (*path, "key_file"))
        check_key_pair(certificate, key, at=at, problems=compilation.problems)
    elif tls.certificate_file is not None:
        compilation.problems.add((*path, "key_file"), "missing: the private key of `certificate_file`")
    elif tls.key_file is not None:
        compilation.problems.add((*path, "certificate_file"), "missing: the certificate of `key_file`")
    return TlsClient(
        ca_file=None if authorities is None else str(authorities),
        certificate_file=None if certificate is None else str(certificate),
        key_file=None if key is None else str(key),
        server_name=tls.server_name,
        verify=tls.verify,
    )
