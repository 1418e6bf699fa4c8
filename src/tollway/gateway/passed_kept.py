"""Calls for what a provider keeps: files, batches, stores. Each caller sees its own alone.

Rules of this file:
- Such a call names no model. It goes where the things are that it names, else to the route of
  `x-llm-proxy-route`, else to the first route that has the operation.
- What an answer makes is claimed before the answer is passed on.
- A page of a list holds the caller's own alone. The provider's pages are read until it is full.
"""

import contextlib
from typing import Final

import msgspec

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import NO_USAGE
from tollway.dialects.caller_fields import as_list, as_object, as_text
from tollway.gateway.attempt import Attempt
from tollway.gateway.batch_results import ResultsRelay, line_id
from tollway.gateway.kept import all_ids, all_owned, claim_all, find, not_there, own_items, owner_of, place_of
from tollway.gateway.meter import line_record
from tollway.gateway.passed import PassedExchange
from tollway.gateway.passed_routes import ROUTE_HEADER
from tollway.gateway.relay import Relay
from tollway.gateway.route import Planner
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.ownership import Owned, OwnershipUnavailable
from tollway.interfaces.passed import Governs
from tollway.routing.plan import Go

_MOST_PAGES: Final = 25
"""Of a provider's list, read for one page of the caller's."""


class KeptExchange(PassedExchange):
    """One call for what a provider keeps."""

    __slots__ = ("_listed", "governs")

    def _read(self) -> None:
        super()._read()
        self.governs: Governs = self.endpoint.shape.governs or Governs()
        self._listed: list[Json] = []
        """Of a list: what is the caller's own of the pages read so far."""

    def _choose_planner(self) -> None:
        wanted = self.raw_header(ROUTE_HEADER)
        self._planner = self._keeper(None if wanted is None else wanted.decode("latin-1"))

    def _keeper(self, route: str | None) -> Planner:
        """Find the route that keeps all the things this call names, if they are the caller's.

        Raises:
            NotFound: there is none.
            NotReady: nobody can tell at the moment.
        """
        endpoint = self.endpoint
        ids: list[str] = []
        if endpoint.shape.body == "json":
            ids.extend(all_ids(self.request.body, endpoint.dialect.kept_members))
        ids.extend(self.parameters[name] for name in self.governs.ids)
        if not ids:
            return endpoint.routes.alone(route)
        owner = owner_of(self)
        for name in [route] if route is not None else endpoint.routes.names:
            planner = endpoint.routes.alone(name)
            if all_owned(self._worker.ownership, planner.targets[0], owner, ids):
                return planner
        endpoint.routes.alone(route)  # says so where no route has the operation at all
        raise not_there(ids)

    def governed(self, attempt: Attempt, body: bytes) -> bytes:
        """Claim what an answer names for the caller, and leave out of it what is another's."""
        governs = self.governs
        ownership, target = self._worker.ownership, attempt.target
        owner = owner_of(self)
        origin = self.parameters.get("id", "") if governs.results_of else ""
        owned = Owned(owner=owner, origin=origin, claimed_us=self.started_us)
        answer = _decoded(body)
        if not answer:
            return body
        if governs.releases:
            with contextlib.suppress(OwnershipUnavailable):  # it is gone: that it is still known harms nobody
                ownership.release(place_of(target), self.parameters[governs.ids[0]])
        if not governs.lists:
            claim_all(ownership, target, answer, governs.claims, owned)
            return self._with_links(answer, body)
        own = own_items(ownership, target, owner, as_list(answer.get("data")))
        for item in own:
            identity = as_text(as_object(item).get("id"))
            mine = msgspec.structs.replace(owned, origin=identity if governs.results_of else "")
            claim_all(ownership, target, as_object(item), governs.claims, mine)
        return self._with_links(self._page(answer, own), None)

    def _with_links(self, answer: JsonObject, body: bytes | None) -> bytes:
        """Let what the answer links to lead here; an answer that links to nothing stays as it came."""
        host = (self.raw_header(b"host") or b"").decode("latin-1")
        before = msgspec.json.encode(answer)
        self.endpoint.dialect.rewrite_links(answer, f"{self.scheme}://{host}{self.proxy.base_path.decode()}")
        after = msgspec.json.encode(answer)
        return after if body is None or after != before else body

    def _page(self, answer: JsonObject, own: list[Json]) -> JsonObject:
        """Write the page the caller gets, or find that it needs more of the provider's first."""
        given = as_list(answer.get("data"))
        wanted = self._page_size() or len(given)
        self._listed += own
        more = answer.get("has_more") is True and bool(given)
        self.cursor = as_text(as_object(given[-1]).get("id")) if more and len(self._listed) < wanted else ""
        shown = self._listed[:wanted]
        page: JsonObject = {**answer, "data": shown, "has_more": more or len(shown) < len(self._listed)}
        for name, at in (("first_id", 0), ("last_id", -1)):
            if name in answer:
                page[name] = as_object(shown[at]).get("id") if shown else None
        return page

    def _page_size(self) -> int:
        size = self.query_params().get("limit", "")
        return int(size) if size.isascii() and size.isdecimal() and len(size) < 6 else 0

    def continues(self, attempt: Attempt) -> bool:
        """Ask for the provider's next page, where the caller's own is not full; False once enough were read."""
        if attempt.number >= _MOST_PAGES:
            return False
        self._waited += attempt.ended_at - attempt.started_at
        record = self._record(attempt, AnswerFacts(usage=NO_USAGE), outcome="ok", status=attempt.status, final=False)
        self._worker.keep(record)
        self._start(Go(0, attempt.target_model, attempt.number + 1, attempt.key_index))
        return True

    def file_relay(self, attempt: Attempt) -> Relay:
        """Meter the lines of a batch's results on their way, unless they are metered already."""
        if not self.governs.results:
            return super().file_relay(attempt)
        ownership, place = self._worker.ownership, place_of(attempt.target)
        named = self.parameters["id"]
        known = find(ownership, place, named)
        if known is None or known.settled:
            return super().file_relay(attempt)
        batch = named if self.governs.results == "own" else known.origin
        if not batch:
            return super().file_relay(attempt)

        def read(data: bytes) -> None:
            line = self.endpoint.dialect.batch_line(data)
            if line is not None:
                self._worker.keep(line_record(self, attempt, line, line_id(place, batch, line), known.claimed_us))

        def done(skipped: int) -> None:
            if skipped:
                self._worker.log.error("lines of a batch's results were too large to be metered", lines=skipped)
            with contextlib.suppress(OwnershipUnavailable):  # read again, its lines have the same ids
                ownership.settle(place, named)

        return ResultsRelay(read, done)


def _decoded(body: bytes) -> JsonObject:
    try:
        return as_object(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
