"""Model-based choice: whose a model name is.

A name is looked up in this order; the first that knows it decides:

1. an alias of a route;
2. `prefix/model`, where the prefix is a route's name or its provider's (`openrouter/meta-llama/llama-4`:
   all after the first slash is the model);
3. a bare name that the settings give to one provider alone: a route's `models` or its target model;
4. a bare name that one configured provider alone is known to serve;
5. when all routes have one provider: that provider, whatever the name. A name with a slash goes
   there only if that provider's names may have slashes: `anthropic/claude` is not OpenAI's.

Several routes may answer to one name: those that list the model come first, then in the order written.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.errors import BadRequest
from tollway.routing.settings import RouteSettings

_MAX_REMEMBERED: Final = 4_096
_LONGEST_REMEMBERED: Final = 256
"""Names come from callers: neither they nor their number may pile up."""


class RouteChoice(msgspec.Struct, frozen=True, gc=False):
    """One route that answers to a name."""

    route_index: int
    target_model: str
    """The model to ask the provider for."""
    matched: bool = True
    """False when no route answers to the name; the index then means nothing."""


_UNMATCHED: Final = (RouteChoice(-1, "", matched=False),)


class ModelRouter:
    """The routes of one proxy, by every name a caller may use."""

    __slots__ = ("_known", "_named", "_one_provider", "_prefixes", "_remembered", "_routes")

    def __init__(self, routes: Sequence[RouteSettings], provider_known_models: Mapping[str, frozenset[str]]) -> None:
        """Lay out every known name.

        Args:
            routes: as written.
            provider_known_models: provider name → models it is known to serve.
        """
        self._routes = tuple(routes)
        self._known = provider_known_models
        self._prefixes: dict[str, tuple[int, ...]] = {}
        for index, route in enumerate(self._routes):
            for prefix in dict.fromkeys((route.name, route.provider)):
                self._prefixes[prefix] = (*self._prefixes.get(prefix, ()), index)
        self._one_provider = len({route.provider for route in self._routes}) == 1
        self._remembered: dict[str, tuple[RouteChoice, ...]] = {}
        self._named: dict[str, tuple[RouteChoice, ...]] = {}
        for names in (self._known_names(), self._configured_names(), self._aliased_names()):
            self._named.update(names)

    def choose(self, requested: str) -> RouteChoice:
        """Give the first route that answers to `requested`; `matched` is False when none does."""
        return self.candidates(requested)[0]

    def candidates(self, requested: str) -> tuple[RouteChoice, ...]:
        """Give every route that answers to `requested`, best first; one unmatched choice when none does."""
        remembered = self._remembered.get(requested)
        if remembered is None:
            remembered = self._look_up(requested)
            if len(requested) <= _LONGEST_REMEMBERED:
                if len(self._remembered) >= _MAX_REMEMBERED:
                    self._remembered.clear()
                self._remembered[requested] = remembered
        return remembered

    def model_for(self, route_index: int, requested: str) -> str:
        """Tell which model to ask route `route_index` for, when it serves a call meant for any route."""
        route = self._routes[route_index]
        aliased = route.aliases.get(requested)
        if aliased is not None:
            return aliased
        prefix, slash, rest = requested.partition("/")
        bare = rest if slash and prefix in self._prefixes else requested
        return route.aliases.get(bare) or route.target_model or bare

    def unknown(self, requested: str) -> BadRequest:
        """Say that no route answers to `requested`, in the words of the product we match."""
        if requested:
            message = (
                f"Failed to parse model from request: Model '{requested}' is not in the known unique model map "
                "and multiple providers are configured. Use 'provider/model' format."
            )
        else:
            message = "Failed to parse model from request: it names no model. Use 'provider/model' format."
        return BadRequest(
            message, code="unknown_model", param="model", should_retry=False, openai_body={"error": message}
        )

    def listed(self) -> tuple[str, ...]:
        """Give the names worth showing to a caller: `provider/model` for all known ones, and aliases."""
        names: dict[str, None] = {}
        for route in self._routes:
            own = [*route.models, *([route.target_model] if route.target_model else [])]
            for model in own or sorted(self._known.get(route.provider, ())):
                names[f"{route.provider}/{model}"] = None
            names.update(dict.fromkeys(route.aliases))
        return tuple(names)

    def _look_up(self, requested: str) -> tuple[RouteChoice, ...]:
        prefix, slash, model = requested.partition("/")
        indexes = (self._prefixes.get(prefix) or self._prefixes.get(prefix.lower())) if slash and model else None
        named = self._named.get(requested)
        # An alias is the operator's own word, so it goes before a prefix; other names do not.
        if named is not None and (indexes is None or any(self._aliases(choice, requested) for choice in named)):
            return named
        if indexes is not None:
            return self._among(indexes, model)
        if self._one_provider and self._takes_any(requested):
            return self._among(tuple(range(len(self._routes))), requested)
        return _UNMATCHED

    def _aliases(self, choice: RouteChoice, requested: str) -> bool:
        return requested in self._routes[choice.route_index].aliases

    def _among(self, indexes: tuple[int, ...], model: str) -> tuple[RouteChoice, ...]:
        """Order the routes of one prefix: those that list the model first."""
        listing = [index for index in indexes if self._lists(self._routes[index], model)]
        ordered = [*listing, *(index for index in indexes if index not in listing)]
        return tuple(
            RouteChoice(index, route.aliases.get(model) or route.target_model or model)
            for index, route in ((index, self._routes[index]) for index in ordered)
        )

    def _lists(self, route: RouteSettings, model: str) -> bool:
        return model in route.models or model in route.aliases or model == route.target_model

    def _takes_any(self, requested: str) -> bool:
        """Tell whether the only provider may have a model called so."""
        route = self._routes[0]
        if not requested:
            return route.target_model is not None
        if "/" not in requested:
            return True
        own = [*self._known.get(route.provider, ()), *(name for other in self._routes for name in other.models)]
        return not own or any("/" in name for name in own)

    def _aliased_names(self) -> dict[str, tuple[RouteChoice, ...]]:
        names: dict[str, tuple[RouteChoice, ...]] = {}
        for index, route in enumerate(self._routes):
            for alias, model in route.aliases.items():
                names[alias] = (*names.get(alias, ()), RouteChoice(index, model))
        return names

    def _configured_names(self) -> dict[str, tuple[RouteChoice, ...]]:
        return self._unique(
            [{*route.models, *([route.target_model] if route.target_model else [])} for route in self._routes]
        )

    def _known_names(self) -> dict[str, tuple[RouteChoice, ...]]:
        return self._unique([set(self._known.get(route.provider, ())) for route in self._routes])

    def _unique(self, served: Sequence[set[str]]) -> dict[str, tuple[RouteChoice, ...]]:
        """Keep the names that one provider alone serves, with the routes to it."""
        providers: dict[str, set[str]] = {}
        indexes: dict[str, list[int]] = {}
        for index, names in enumerate(served):
            for name in names:
                providers.setdefault(name, set()).add(self._routes[index].provider)
                indexes.setdefault(name, []).append(index)
        return {name: self._among(tuple(indexes[name]), name) for name, owners in providers.items() if len(owners) == 1}
