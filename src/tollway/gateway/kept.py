"""Things that a provider keeps: whose they are, and that nobody sees another's.

Rules of this file:
- A thing's id alone proves nothing: it must have been claimed by the same client application, at the
  same upstream and credential. Unknown and foreign ids are answered in the same way.
- Callers without a client application share one place in each LLM proxy.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from tollway.core.errors import BadRequest, NotFound, NotReady, TollwayError
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object
from tollway.gateway.exchange import Exchange
from tollway.gateway.target import Target
from tollway.gateway.translate import ConversationTranslation
from tollway.interfaces.ownership import Owned, Ownership, OwnershipUnavailable
from tollway.interfaces.usage_record import UsageRecord

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt

# A name written with escapes (`\u0066ile_id`) is the same name to whoever decodes it.
_ESCAPED: Final = re.compile(rb"\\u00[4-7]")


def owner_of(exchange: Exchange) -> str:
    """Name whom things belong to that this call makes."""
    client = exchange.client
    return client.client_id if client is not None else f"\0{exchange.proxy.name}"


def place_of(target: Target) -> str:
    """Name where a route's provider keeps things: ids are unique there, and one credential sees them all."""
    route = target.route
    return f"{route.provider}\0{route.base_url}\0{route.credential}"


def all_owned(ownership: Ownership, target: Target, owner: str, ids: Iterable[str]) -> bool:
    """Whether all of these things are this owner's."""
    place = place_of(target)
    for one in ids:
        known = find(ownership, place, one)
        if known is None or known.owner != owner:
            return False
    return True


def find(ownership: Ownership, place: str, resource: str) -> Owned | None:
    """Look one thing up.

    Raises:
        NotReady: the store cannot be read.
    """
    try:
        return ownership.find(place, resource)
    except OwnershipUnavailable as error:
        raise unavailable() from error


def unavailable() -> NotReady:
    """Say that nothing can be told now."""
    return NotReady("the gateway cannot tell at the moment whose this is; try again later")


def not_there(ids: Iterable[str]) -> NotFound:
    """Say of unknown and foreign things alike that they are not there."""
    names = ", ".join(f"'{one}'" for one in ids)
    return NotFound(f"there is nothing called {names} here that belongs to the caller", should_retry=False)


def ids_in(value: Json, names: frozenset[str]) -> Iterator[str]:
    """Give every id in a value: what stands in members of these names, alone, in a list, or as an object's `id`.

    A name that begins with a slash is one of the outermost members only. What callers attach for
    themselves (`metadata`) says nothing about what the provider keeps.
    """
    for name, inside in as_object(value).items():
        if f"/{name}" in names:
            yield from _named(inside)
    waiting: list[Json] = [value]
    while waiting:
        one = waiting.pop()
        waiting.extend(as_list(one))
        for name, inside in as_object(one).items():
            if name in names:
                yield from _named(inside)
            if name != "metadata":
                waiting.append(inside)


def _named(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    yield from (one for one in as_list(value) if isinstance(one, str))
    identity = as_object(value).get("id")
    if isinstance(identity, str):
        yield identity


def kept_ids(body: bytes, names: frozenset[str]) -> tuple[str, ...]:
    """Give every id of something kept in a JSON body, which is decoded only where one may be; see `all_ids`."""
    if not names or not (any(name.lstrip("/").encode() in body for name in names) or _ESCAPED.search(body)):
        return ()
    return all_ids(body, names)


def all_ids(body: bytes, names: frozenset[str]) -> tuple[str, ...]:
    """Give every id of something kept in a JSON body.

    Raises:
        BadRequest: it cannot be read to its end. A provider that reads it nonetheless could find ids there.
    """
    try:
        return tuple(dict.fromkeys(ids_in(msgspec.json.decode(body or b"{}"), names)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None


def member_at(value: JsonObject, path: str) -> Iterator[str]:
    """Give the ids at `file.id`, or in a list at `result_files`."""
    inside: Json = value
    for name in path.split("."):
        inside = as_object(inside).get(name)
    yield from _named(inside)


class NamingExchange(Exchange):
    """A conversation that may speak of things its provider keeps."""

    __slots__ = ()

    def _send(self, attempt: "Attempt", body: bytes) -> None:
        content, endpoint = self.request.body, self.endpoint
        # Of every call, only this much is looked at: nearly all name nothing.
        if endpoint.kept_mark in content or b"\\u00" in content or not endpoint.kept_outer.isdisjoint(self.members):
            try:
                self._check_names(attempt)
            except TollwayError as error:
                self._refuse(error)
                return
        super()._send(attempt, body)

    def _check_names(self, attempt: "Attempt") -> None:
        """Look whose the things are that the body names, where the provider gets it as it is.

        Raises:
            NotFound: one is not the caller's.
            NotReady: nobody can tell at the moment.
        """
        if not attempt.target.provider.keeps or not self._passes():
            return
        ids = kept_ids(self.request.body, self.endpoint.kept_members)
        if ids and not all_owned(self._worker.ownership, attempt.target, owner_of(self), ids):
            raise not_there(ids)

    def _passes(self) -> bool:
        """Whether the provider gets the caller's own words, ids and all."""
        translation = self._translation
        return isinstance(translation, ConversationTranslation) and translation.passes


class KeptAnswerExchange(NamingExchange):
    """A conversation whose answer its provider may keep, too."""

    __slots__ = ()

    def _finish_call(self, record: UsageRecord) -> None:
        if not self._settled and record.response_id and self._attempt is not None:
            self._claim(record.response_id, self._attempt.target)
        super()._finish_call(record)

    def _claim(self, response_id: str, target: Target) -> None:
        if not target.provider.keeps or not self._passes() or self.members.get("store") == msgspec.Raw(b"false"):
            return
        owned = Owned(owner=owner_of(self), claimed_us=self.started_us)
        try:
            self._worker.ownership.claim(place_of(target), response_id, owned)
        except OwnershipUnavailable as error:
            # The answer is there and is paid for. Only a follow-up will not find it.
            self._worker.log.error("a kept answer could not be claimed", error=str(error))  # noqa: TRY400 - our own log


def claim_all(ownership: Ownership, target: Target, answer: JsonObject, paths: Iterable[str], owned: Owned) -> None:
    """Let what an answer names belong to `owned.owner`.

    Raises:
        NotReady: the store cannot be written; the answer must not be passed on.
    """
    place = place_of(target)
    try:
        for path in paths:
            for one in member_at(answer, path):
                ownership.claim(place, one, owned)
    except OwnershipUnavailable as error:
        raise unavailable() from error


def own_items(ownership: Ownership, target: Target, owner: str, items: Iterable[Json]) -> list[Json]:
    """Keep of a page what is the owner's."""
    place = place_of(target)
    kept: list[Json] = []
    for item in items:
        identity = as_object(item).get("id")
        known = find(ownership, place, identity) if isinstance(identity, str) else None
        if known is not None and known.owner == owner:
            kept.append(item)
    return kept
