"""Finds providers and policies by name: the file of that name, else an entry point.

    provider(name)     tollway.providers.<name>.PROVIDER     entry-point group `tollway.providers`
    policy_type(id)    tollway.policies.<id>.POLICY          entry-point group `tollway.policies`

Names are in kebab case, file names in snake case. Nothing is registered anywhere: a new file is a
new plug-in. Modules are imported when they are first asked for.
"""

import importlib
import importlib.util
import pkgutil
import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeAlias, cast

from tollway.interfaces.policy import Policy
from tollway.interfaces.provider import Provider

AnyPolicy: TypeAlias = Policy[Any]

_PROVIDERS: Final = "tollway.providers"
_POLICIES: Final = "tollway.policies"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class UnknownPlugin(LookupError):
    """There is no plug-in of that name."""


class BrokenPlugin(Exception):
    """A plug-in of that name exists, but does not hold what it must."""


@cache
def provider(name: str) -> Provider:
    """The provider callers write as `name/model`.

    Raises:
        UnknownPlugin: there is none.
        BrokenPlugin: its module holds no `PROVIDER` of that name.
    """
    found = _load(_PROVIDERS, name, "PROVIDER")
    if not isinstance(found, Provider) or found.name != name:
        raise BrokenPlugin(f"the plug-in of provider {name!r} must hold a PROVIDER with that name")
    return found


@cache
def policy_type(policy_id: str) -> type[AnyPolicy]:
    """The policy with that public id.

    Raises:
        UnknownPlugin: there is none.
        BrokenPlugin: its module holds no `POLICY` with that id.
    """
    found = _load(_POLICIES, policy_id, "POLICY")
    if not (isinstance(found, type) and issubclass(found, Policy)) or found.id != policy_id:
        raise BrokenPlugin(f"the plug-in of policy {policy_id!r} must hold a POLICY class with that id")
    return cast("type[AnyPolicy]", found)


def provider_names() -> tuple[str, ...]:
    """All providers there are, sorted."""
    return _names(_PROVIDERS)


def policy_ids() -> tuple[str, ...]:
    """All policies there are, sorted."""
    return _names(_POLICIES)


def _load(group: str, name: str, attribute: str) -> object:
    # Only names of plug-ins' own form ever become module names: a configuration imports nothing else.
    if not _NAME.fullmatch(name):
        raise UnknownPlugin(name)
    module = f"{group}.{name.replace('-', '_')}"
    if _is_package(group) and importlib.util.find_spec(module) is not None:
        return getattr(importlib.import_module(module), attribute, None)
    for entry in _entries(group):
        if entry.name == name:
            return cast("object", entry.load())
    raise UnknownPlugin(name)


@cache
def _names(group: str) -> tuple[str, ...]:
    names = {entry.name for entry in _entries(group) if _NAME.fullmatch(entry.name)}
    if _is_package(group):
        package = importlib.import_module(group)
        files = [module.name for module in pkgutil.iter_modules(package.__path__)]
        names |= {file.replace("_", "-") for file in files if not file.startswith("_")}
    return tuple(sorted(names))


@cache
def _entries(group: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _is_package(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
