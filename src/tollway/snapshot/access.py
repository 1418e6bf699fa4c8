"""Compiles who may call: client applications with their hashed secrets, and contracts with their tiers."""

from datetime import UTC, datetime, timedelta
from typing import Final

from tollway.config import resources as written
from tollway.config.problems import Path
from tollway.interfaces.identity import TokenLimit
from tollway.interfaces.secrets import Secret
from tollway.snapshot.client_secrets import derived_salt, hash_client_secret
from tollway.snapshot.compilation import Compilation
from tollway.snapshot.document import Client, Contract, SecretHash

_CLIENTS: Final[Path] = ("clients",)
_GROUPS: Final[Path] = ("business_groups",)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def compile_clients(compilation: Compilation) -> tuple[Client, ...]:
    """All client applications."""
    resources = compilation.resources
    compilation.unique([one.name for one in resources.business_groups], _GROUPS, "name")
    compilation.unique([one.name for one in resources.clients], _CLIENTS, "name")
    compilation.unique([one.client_id for one in resources.clients], _CLIENTS, "client_id")
    groups = {group.name: group for group in resources.business_groups}
    return tuple(_client(compilation, one, groups, (*_CLIENTS, index)) for index, one in enumerate(resources.clients))


def compile_contracts(compilation: Compilation, proxy: written.LlmProxy, path: Path) -> tuple[Contract, ...]:
    """Who may use one proxy."""
    tiers = _tiers(compilation, proxy, (*path, "sla_tiers"))
    if isinstance(proxy.contracts, str):  # all of them
        return tuple(Contract(client_id=client.client_id) for client in compilation.resources.clients)
    clients = {client.name: client.client_id for client in compilation.resources.clients}
    at: Path = (*path, "contracts")
    compilation.unique([one.client for one in proxy.contracts], at, "client", mend="one contract each")
    contracts: list[Contract] = []
    for index, one in enumerate(proxy.contracts):
        here = (*at, index)
        known = compilation.named(
            one.client, clients, (*here, "client"), kind="the name of a client application", among=_CLIENTS
        )
        if one.sla_tier:
            kind, among = "an SLA tier of this LLM proxy", (*path, "sla_tiers")
            compilation.named(one.sla_tier, tiers, (*here, "sla_tier"), kind=kind, among=among)
        if known:
            limits = tiers.get(one.sla_tier, ())
            contracts.append(Contract(client_id=clients[one.client], sla_tier=one.sla_tier, sla_limits=limits))
    return tuple(contracts)


def _client(
    compilation: Compilation, one: written.Client, groups: dict[str, written.BusinessGroup], path: Path
) -> Client:
    properties = dict(one.properties)
    if one.business_group:
        at = (*path, "business_group")
        compilation.named(one.business_group, groups, at, kind="a business group", among=_GROUPS)
        group = groups.get(one.business_group)
        if group is not None and group.cost_centre:
            properties.setdefault("cost_centre", group.cost_centre)
    hashes = [
        _hash(compilation, secret, one.client_id, (*path, "secrets", index)) for index, secret in enumerate(one.secrets)
    ]
    return Client(
        client_id=one.client_id,
        name=one.name,
        business_group=one.business_group,
        secrets=tuple(hashes),
        signing_secret=_signing_secret(compilation, one, path),
        properties=properties,
    )


def _signing_secret(compilation: Compilation, one: written.Client, path: Path) -> Secret | None:
    if one.signing_secret is None:
        return None
    if "/" in one.client_id:
        message = "holds a `/`, so that it cannot be an access key id: give a client that signs another id"
        compilation.problems.add((*path, "client_id"), message)
    return compilation.secret(one.signing_secret, (*path, "signing_secret"))


def _hash(compilation: Compilation, secret: written.ClientSecret, client_id: str, path: Path) -> SecretHash:
    expires = 0 if secret.expires is None else _microseconds(secret.expires)
    reference = secret.secret.reference
    if reference is None:
        return SecretHash(salt=secret.secret.salt, sha256=secret.secret.sha256, expires_us=expires)
    salt = derived_salt(client_id)
    value = compilation.secret(reference, (*path, "secret"))
    return SecretHash(salt=salt, sha256=hash_client_secret(value.reveal(), salt), expires_us=expires)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _tiers(compilation: Compilation, proxy: written.LlmProxy, path: Path) -> dict[str, tuple[TokenLimit, ...]]:
    compilation.unique([tier.name for tier in proxy.sla_tiers], path, "name")
    tiers: dict[str, tuple[TokenLimit, ...]] = {}
    for index, tier in enumerate(proxy.sla_tiers):
        limits = [
            _limit(compilation, limit, (*path, index, "limits", number)) for number, limit in enumerate(tier.limits)
        ]
        tiers[tier.name] = tuple(limits)
    return tiers


def _limit(compilation: Compilation, limit: written.TierLimit, path: Path) -> TokenLimit:
    if limit.total_tokens is None and limit.prompt_tokens is None and limit.completion_tokens is None:
        compilation.problems.add(path, "limits nothing: give total_tokens, prompt_tokens or completion_tokens")
    if limit.period < 1:
        compilation.problems.add((*path, "period"), f"{limit.period} is too short: at least 1s")
    return TokenLimit(
        total_tokens=limit.total_tokens,
        prompt_tokens=limit.prompt_tokens,
        completion_tokens=limit.completion_tokens,
        period_ms=round(limit.period * 1000),
    )
