"""Compiles the policies of a proxy: their settings checked against their own types, and tried once."""

import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn, cast

import msgspec

from tollway.config import resources as written
from tollway.config.decode import decode_struct
from tollway.config.problems import Path, Problems, did_you_mean, shown
from tollway.expressions import ExpressionError
from tollway.interfaces.counters import Admission, Amounts, Window
from tollway.interfaces.identity import ClientApplication, SignedRequest
from tollway.interfaces.policy import PolicyContext
from tollway.interfaces.secrets import Secret
from tollway.snapshot import plugins
from tollway.snapshot.compilation import Compilation
from tollway.snapshot.document import PolicyCondition, PolicyUse
from tollway.snapshot.http_checks import is_token

IDENTIFYING: Final = "client-id-enforcement"


def compile_policies(compilation: Compilation, proxy: written.LlmProxy, path: Path) -> tuple[PolicyUse, ...]:
    """The chain of one proxy, in order, without what is disabled."""
    at: Path = (*path, "policies")
    _check_names(compilation, proxy.policies, at)
    uses: list[PolicyUse] = []
    for index, one in enumerate(proxy.policies):
        use = _use(compilation, proxy, one, (*at, index))
        if one.enabled:
            uses.append(use)
    if not proxy.contracts and any(use.policy == IDENTIFYING and not use.shadow for use in uses):
        compilation.warn(
            f"LLM proxy {proxy.name!r} enforces client ids but has no contracts, so it refuses everyone:"
            " list its clients under `contracts`, or write `contracts: all`"
        )
    return tuple(uses)


def _check_names(compilation: Compilation, policies: Sequence[written.PolicyUse], path: Path) -> None:
    first: dict[str, int] = {}
    for index, one in enumerate(policies):
        name = one.name or one.policy
        earlier = first.setdefault(name, index)
        if earlier != index and name:
            message = f"{shown(name)} is the name of policies[{earlier}] already: give each use a `name` of its own"
            compilation.problems.add((*path, index, "name"), message)


def _use(compilation: Compilation, proxy: written.LlmProxy, one: written.PolicyUse, path: Path) -> PolicyUse:
    when = [_condition(compilation.problems, each, (*path, "when", number)) for number, each in enumerate(one.when)]
    return PolicyUse(
        name=one.name or one.policy,
        policy=one.policy,
        config=_config(compilation, proxy, one, path),
        shadow=one.shadow,
        when=tuple(when),
    )


def _config(compilation: Compilation, proxy: written.LlmProxy, one: written.PolicyUse, path: Path) -> dict[str, Any]:
    try:
        policy = plugins.policy_type(one.policy)
    except plugins.UnknownPlugin:
        hint = did_you_mean(one.policy, plugins.policy_ids(), kind="there are")
        compilation.problems.add((*path, "policy"), f"{shown(one.policy)} is not a policy; {hint}")
        return {}
    except plugins.BrokenPlugin as error:
        compilation.problems.add((*path, "policy"), str(error))
        return {}
    at: Path = (*path, "config")
    config = decode_struct(policy.config_type, one.config, at, compilation.problems, compilation.secret)
    if compilation.problems.touched(at):
        return {}
    try:
        policy(config, _context(proxy.name, one.name or one.policy))
    except (ValueError, ExpressionError) as error:
        compilation.problems.add(at, str(error))
    return cast("dict[str, Any]", _plain(config))


def _plain(value: object) -> object:
    """A policy's settings as a snapshot holds them: plain values, defaults applied, secrets still secret."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, msgspec.Struct):
        members = {
            encoded: _plain(getattr(value, name))
            for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        }
        tag = value.__struct_config__
        return {tag.tag_field: tag.tag, **members} if tag.tag_field is not None else members
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in cast("set[str]", value))  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
    return msgspec.to_builtins(value)


def _condition(problems: Problems, one: written.PolicyCondition, path: Path) -> PolicyCondition:
    if not one.methods and not one.path and not one.headers:
        problems.add(path, "asks for nothing: give methods, path or headers, or remove it")
    for index, method in enumerate(one.methods):
        if not is_token(method):
            problems.add((*path, "methods", index), f"{shown(method)} is not a request method: write one such as POST")
    if one.path:
        _check_pattern(problems, one.path, (*path, "path"))
    for name, pattern in one.headers.items():
        if not is_token(name):
            problems.add((*path, "headers", name), f"{shown(name)} is not a header name", at_key=True)
        _check_pattern(problems, pattern, (*path, "headers", name))
    return PolicyCondition(
        methods=frozenset(method.upper() for method in one.methods),
        path=one.path,
        headers={name.lower(): pattern for name, pattern in one.headers.items()},
    )


def _check_pattern(problems: Problems, pattern: str, path: Path) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        problems.add(path, f"{shown(pattern)} is not a regular expression: {error}")


def _context(proxy: str, name: str) -> PolicyContext:
    return PolicyContext(proxy=proxy, name=name, counters=_NoCounters(), clients=_NoClients(), clock=_NoClock())


class _NoCounters:
    """Stands where counters will be; settings are checked without counting anything."""

    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        _never(windows, reserve, now_us)

    def settle(
        self, windows: Sequence[Window], starts: Sequence[int], correction: Amounts, now_us: int
    ) -> tuple[Amounts, ...]:
        _never(windows, starts, correction, now_us)


class _NoClients:
    """Stands where the client applications will be."""

    def authenticate(self, client_id: str, secret: str) -> ClientApplication | None:
        _never(client_id, secret)

    def authenticate_signed(self, request: SignedRequest) -> ClientApplication | None:
        _never(request)

    def find(self, client_id: str) -> ClientApplication | None:
        _never(client_id)


class _NoClock:
    """Stands where the clock will be."""

    def monotonic(self) -> float:
        return 0.0

    def wall_us(self) -> int:
        return 0

    def new_id(self) -> str:
        return "0" * 26


def _never(*_: object) -> NoReturn:
    raise ValueError("the policy uses counters or clients while its settings are read; it may only during a call")
