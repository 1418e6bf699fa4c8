"""What a dialect knows of turns that are kept: how its API asks for them, and how it tells of them.

An optional half of a conversation dialect, under the name `turns`: most APIs send the whole conversation with every
call and have nothing of the kind. A *turn* is one request with its answer; a *thread* is what turns add to.

Rules of this file:
- No I/O: where turns are kept is `interfaces/response_state.py`, and when, the gateway's business.
- Items are passed on as the JSON they came as.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from tollway.core.conversation import Conversation, KeptTurn
from tollway.core.errors import CallerError

KeptThing = Literal["turn", "thread"]


class TurnAsked(msgspec.Struct, frozen=True):
    """What a request says of turns."""

    store: bool
    """Whether its answer shall be kept."""
    previous: str = ""
    """The turn it follows."""
    thread: str = ""
    """The thread it belongs to."""


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is asked for."""

    after: str = ""
    limit: int = 20
    newest_first: bool = True


class KeptTurns(Protocol):
    """Reads and writes everything about kept turns in one API's words. `items` are JSON objects."""

    # requests for a turn

    def asked(self, members: Mapping[str, msgspec.Raw]) -> TurnAsked:
        """Read what a request says.

        Raises:
            BadRequest: it contradicts itself, or a reference is no text.
        """
        ...

    def items(self, members: Mapping[str, msgspec.Raw]) -> list[msgspec.Raw]:
        """Give the request's own items; none where they cannot be read, which `parse_request` then refuses."""
        ...

    def references(self, items: Iterable[msgspec.Raw]) -> Mapping[int, tuple[str, str]]:
        """Find items that only name one of a kept turn: their index → the turn's id and the item's."""
        ...

    def body(self, members: Mapping[str, msgspec.Raw], items: Sequence[msgspec.Raw]) -> bytes:
        """Write the request with these items for its own, and without words about other turns."""
        ...

    def kept(self, request: Conversation, turn: KeptTurn, provider_dialect: str) -> Conversation:
        """Make the request one whose answer is kept here and not by a provider of that dialect."""
        ...

    def refuse_unkept(self, members: Mapping[str, msgspec.Raw]) -> None:
        """Refuse a request that refers to turns where neither gateway nor provider keeps any.

        Raises:
            BadRequest: saying what would mend it.
        """
        ...

    # what is kept

    def new_id(self, thing: KeptThing, secret: str) -> str:
        """Write the id of something that is kept here; `secret` is hexadecimal, and makes it unguessable."""
        ...

    def made(self, thing: KeptThing, identity: str) -> bool:
        """Tell whether an id is one that `new_id` wrote."""
        ...

    def output(self, answer: bytes) -> list[msgspec.Raw]:
        """Give the items of a whole answer."""
        ...

    def unkept(self, answer: bytes) -> bytes:
        """Write an answer anew that could not be kept after all."""
        ...

    def named(self, items: Sequence[msgspec.Raw], owner: str) -> list[tuple[str, msgspec.Raw]]:
        """Give each item an id, where it has none, and everything else that lists show; `owner` is what holds them."""
        ...

    # what is asked about kept things

    def page(self, query: Mapping[str, str]) -> Page:
        """Read which part of a list is asked for; raises `BadRequest`."""
        ...

    def check_retrieval(self, query: Mapping[str, str]) -> None:
        """Refuse ways to get a kept answer that there are not; raises `BadRequest`."""
        ...

    def listed(self, items: Sequence[tuple[str, msgspec.Raw]], *, more: bool) -> bytes:
        """Write one page of a list."""
        ...

    def deleted(self, thing: KeptThing, identity: str) -> bytes:
        """Write that something was deleted."""
        ...

    def unknown(self, thing: KeptThing, identity: str, item: str = "") -> CallerError:
        """The error of an id that nothing kept has, or of an item that it has not."""
        ...

    def unknown_previous(self, identity: str, why: str = "") -> CallerError:
        """The error of a request that follows a turn which is not there, and why, where more is known."""
        ...

    def not_running(self) -> CallerError:
        """The error of whoever wants to stop an answer that is complete."""
        ...

    # threads

    def thread(self, body: bytes, *, new: bool) -> tuple[dict[str, object], list[msgspec.Raw]]:
        """Read what a thread shall be told and begin with; raises `BadRequest`."""
        ...

    def thread_object(self, identity: str, told: Mapping[str, object], created_seconds: int) -> bytes:
        """Write a thread."""
        ...

    def added_items(self, body: bytes) -> list[msgspec.Raw]:
        """Read what shall be added to a thread; raises `BadRequest`."""
        ...
