"""Questions about kept turns: show, list, delete, and the threads they add to. No provider is asked.

Whatever is not the asker's own is unknown, in the same words as what never was.
"""

import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.gateway.kept_turns import Keeper, stored_turn, thread_parts
from tollway.interfaces.dialect import Operation
from tollway.interfaces.kept_turns import KeptTurns
from tollway.interfaces.response_state import Kept, StateUnavailable

if TYPE_CHECKING:
    from tollway.gateway.call import Call

_MICRO: Final = 1_000_000
_SECRET_BYTES: Final = 16
_ITEMS: Final = "/items/"

SWITCHED_OFF: Final = (
    "this LLM proxy keeps no responses; the gateway's operator can set `response_state` to have them kept"
)


class _Thread(msgspec.Struct):
    """What is kept of a thread beside its parts."""

    told: dict[str, object]
    created_seconds: int


_thread: Final = msgspec.json.Decoder(_Thread)


async def answer_kept(keeper: Keeper | None, operation: Operation, identity: str, call: "Call") -> bytes:
    """Do what is asked, and write the answer.

    Args:
        keeper: of the LLM proxy; None where it keeps nothing.
        operation: one of `KeptOperation`.
        identity: what the path names.
        call: whose; its body and query say the rest.

    Raises:
        TollwayError: there is no such thing, or it cannot be done.
    """
    if keeper is None:
        raise NotFound(SWITCHED_OFF)
    try:
        return await _Question(keeper, identity, call).answer(operation)
    except StateUnavailable as error:
        raise keeper.unavailable(error) from error


class _Question:
    """One question on its way."""

    def __init__(self, keeper: Keeper, identity: str, call: "Call") -> None:
        self._keeper = keeper
        self._words: KeptTurns = keeper.words
        self._store = keeper.store
        self._owner = keeper.owner(call)
        self._id, self._below, self._item = identity.partition(_ITEMS)
        self._call = call
        self._now_us = call.clock.wall_us()
        self._query = dict(parse_qsl(call.query_string, keep_blank_values=True))

    async def answer(self, operation: Operation) -> bytes:
        """Answer it."""
        answers: dict[str, Callable[[], Coroutine[Any, Any, bytes]]] = {
            "kept-turn": self._turn,
            "kept-turn-deletion": self._delete_turn,
            "kept-turn-input": self._input,
            "kept-turn-cancellation": self._cancel,
            "kept-thread-creation": self._create_thread,
            "kept-thread": self._thread_item if self._below else self._thread,
            "kept-thread-change": self._change_thread,
            "kept-thread-deletion": self._delete_item if self._below else self._delete_thread,
            "kept-items": self._items,
            "kept-items-addition": self._add_items,
        }
        return await answers[operation]()

    # --- turns

    async def _turn(self) -> bytes:
        self._words.check_retrieval(self._query)
        return bytes(stored_turn(await self._found_turn()).answer)

    async def _delete_turn(self) -> bytes:
        if not self._words.made("turn", self._id) or not await self._store.delete(self._owner, self._id):
            raise self._words.unknown("turn", self._id)
        return self._words.deleted("turn", self._id)

    async def _input(self) -> bytes:
        """List everything the answer was made from: what it followed, then its own items."""
        own = await self._found_turn()
        chain = await self._store.chain(self._owner, self._id, self._now_us, most=self._keeper.settings.max_turns)
        items: list[tuple[str, msgspec.Raw]] = []
        for one in chain:
            turn = stored_turn(one)
            items += self._words.named(turn.input, one.id)
            if one.id != own.id:
                items += self._words.named(self._words.output(turn.answer), one.id)
        return self._page(items)

    async def _cancel(self) -> bytes:
        await self._found_turn()
        raise self._words.not_running()

    async def _found_turn(self) -> Kept:
        found = None
        if self._words.made("turn", self._id):
            found = await self._store.get(self._owner, self._id, self._now_us)
        if found is None:
            raise self._words.unknown("turn", self._id)
        return found

    # --- threads

    async def _create_thread(self) -> bytes:
        told, items = self._words.thread(self._call.body, new=True)
        secret = secrets.token_hex(_SECRET_BYTES)
        identity = self._words.new_id("thread", secret)
        head = self._head(identity, _Thread(told, self._now_us // _MICRO))
        named = self._words.named(items, secret)
        await self._put([head, *self._parts_of(identity, named)])
        return self._object(head)

    async def _thread(self) -> bytes:
        return self._object(await self._found_thread())

    async def _change_thread(self) -> bytes:
        told, _ = self._words.thread(self._call.body, new=False)
        before = _thread.decode((await self._found_thread()).content)
        head = self._head(self._id, _Thread(told, before.created_seconds))
        await self._put([head])
        return self._object(head)

    async def _delete_thread(self) -> bytes:
        if not self._words.made("thread", self._id) or not await self._store.delete(self._owner, self._id):
            raise self._words.unknown("thread", self._id)
        return self._words.deleted("thread", self._id)

    async def _items(self) -> bytes:
        await self._found_thread()
        parts = await self._store.parts(self._owner, self._id, self._now_us)
        return self._page([(one.id.partition("/")[2], msgspec.Raw(one.content)) for one in parts])

    async def _add_items(self) -> bytes:
        items = self._words.added_items(self._call.body)
        await self._found_thread()
        named = self._words.named(items, secrets.token_hex(_SECRET_BYTES))
        held = await self._store.parts(self._owner, self._id, self._now_us)
        size = sum(len(one.content) for one in held) + sum(len(bytes(item)) for _, item in named)
        if size > self._keeper.settings.max_bytes:
            most = self._keeper.settings.max_bytes
            msg = f"items: with them it would have {size} bytes, and at most {most} may be kept; begin a new one"
            raise BadRequest(msg, code="kept_state_too_large", param="items")
        await self._put(self._parts_of(self._id, named))
        return self._words.listed(named, more=False)

    async def _thread_item(self) -> bytes:
        await self._found_thread()
        return (await self._found_item()).content

    async def _delete_item(self) -> bytes:
        head = await self._found_thread()
        item = await self._found_item()
        await self._store.delete(self._owner, item.id)
        return self._object(head)

    async def _found_thread(self) -> Kept:
        found = None
        if self._words.made("thread", self._id):
            found = await self._store.get(self._owner, self._id, self._now_us)
        if found is None:
            raise self._words.unknown("thread", self._id)
        return found

    async def _found_item(self) -> Kept:
        found = await self._store.get(self._owner, f"{self._id}/{self._item}", self._now_us)
        if found is None:
            raise self._words.unknown("thread", self._id, self._item)
        return found

    # --- writing

    def _head(self, identity: str, thread: _Thread) -> Kept:
        return Kept(
            id=identity,
            owner=self._owner,
            created_us=self._now_us,
            expires_us=self._keeper.expires_us(self._now_us),
            content=msgspec.json.encode(thread),
        )

    def _parts_of(self, thread: str, named: list[tuple[str, msgspec.Raw]]) -> list[Kept]:
        return thread_parts(self._owner, thread, named, self._now_us, self._keeper.expires_us(self._now_us))

    async def _put(self, kept: list[Kept]) -> None:
        await self._store.put(kept, owner_bytes=self._keeper.settings.max_client_bytes)

    def _object(self, head: Kept) -> bytes:
        thread = _thread.decode(head.content)
        return self._words.thread_object(head.id, thread.told, thread.created_seconds)

    def _page(self, items: list[tuple[str, msgspec.Raw]]) -> bytes:
        page = self._words.page(self._query)
        if page.newest_first:
            items.reverse()
        if page.after:
            places = [index for index, (identity, _) in enumerate(items) if identity == page.after]
            if not places:
                raise _unknown_place(page.after)
            items = items[places[0] + 1 :]
        return self._words.listed(items[: page.limit], more=len(items) > page.limit)


def _unknown_place(after: str) -> TollwayError:
    return BadRequest(f"after: the list has no item '{after}'", code="invalid_value", param="after")
