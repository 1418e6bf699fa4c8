"""Turns kept by the gateway: what a call refers to is put before its own items, and its answer is kept.

Rules of this file:
- What began here goes on here: a call that refers to something kept here is written anew for whatever provider it goes
  to, and its answer is kept here too. A call that does not, for a provider that keeps turns itself, passes.
- Kept things belong to one client application on one LLM proxy. To everybody else they are unknown, not forbidden.
- The store is asked before a route is chosen, and told before the caller can have a complete answer; a call that
  uses neither never waits for it.
- An answer that cannot be kept is not lost: the caller has it, and is told that it is not kept.
"""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from tollway.core.conversation import Conversation, KeptTurn
from tollway.core.errors import BadRequest, NotReady, TollwayError
from tollway.core.json_value import NOT_JSON
from tollway.gateway.relay import KeepingRelay
from tollway.interfaces.dialect import ConversationDialect
from tollway.interfaces.kept_turns import KeptTurns, TurnAsked
from tollway.interfaces.provider import Provider
from tollway.interfaces.response_state import Kept, ResponseStore, StateUnavailable
from tollway.snapshot.document import ResponseState

if TYPE_CHECKING:
    from tollway.gateway.call import Call
    from tollway.gateway.log import Log

_MICRO: Final = 1_000_000
_SECRET_BYTES: Final = 16


class StoredTurn(msgspec.Struct):
    """What is kept of one turn."""

    input: list[msgspec.Raw]
    """Its own items, without what it followed."""
    answer: msgspec.Raw


_stored: Final = msgspec.json.Decoder(StoredTurn)


def stored_turn(kept: Kept) -> StoredTurn:
    """Read what is kept of a turn."""
    turn = _stored.decode(kept.content)
    return StoredTurn([msgspec.Raw(bytes(one)) for one in turn.input], msgspec.Raw(bytes(turn.answer)))


class Keeper:
    """Keeps the turns of one LLM proxy in one API's words."""

    __slots__ = ("log", "scope", "settings", "store", "words")

    def __init__(self, scope: str, settings: ResponseState, store: ResponseStore, words: KeptTurns, log: "Log") -> None:
        """Keep in `store`, apart from what other scopes (LLM proxies) keep there."""
        self.scope = scope
        self.settings = settings
        self.store = store
        self.words = words
        self.log = log

    def begin(self, call: "Call") -> "Turn | None":
        """See what a call wants; None where it has nothing to do with kept turns.

        Raises:
            BadRequest: it contradicts itself, or cannot be read.
        """
        try:
            asked = self.words.asked(call.members)
            items = self.words.items(call.members)
            if asked.store or asked.previous or asked.thread or self.words.references(items):
                return Turn(self, call, asked, items)
        except NOT_JSON as error:
            # Members are kept raw, so nobody has looked into them yet.
            raise BadRequest(f"the body is not valid JSON: {error}") from None
        return None

    def owner(self, call: "Call") -> str:
        """Tell whose a call's turns are: an application's, a principal's, or anybody's who knows their ids."""
        identity = call.identity
        if identity is None:
            return f"{self.scope}\0"
        if identity.client is not None:
            return f"{self.scope}\0client\0{identity.client.client_id}"
        return f"{self.scope}\0principal\0{identity.principal or ''}"

    def expires_us(self, now_us: int) -> int:
        """Tell until when what is put now is kept."""
        return now_us + int(self.settings.ttl_seconds * _MICRO)

    def unavailable(self, error: StateUnavailable) -> TollwayError:
        """Tell the operator what is wrong, and give what the caller may know."""
        self.log.error("kept responses cannot be used", reason=str(error))
        return NotReady("the gateway cannot use its kept responses at the moment; try again later", should_retry=True)


class Turn:
    """One call's turn. `recall` comes before its first attempt, `prepare` with each, `keep` once at the end."""

    __slots__ = ("_asked", "_call", "_earlier", "_items", "_keeper", "_owner", "id", "keeps", "recalled", "relay")

    def __init__(self, keeper: Keeper, call: "Call", asked: TurnAsked, items: list[msgspec.Raw]) -> None:
        """Begin; nothing is looked up yet."""
        self._keeper = keeper
        self._call = call
        self._asked = asked
        self._items = items
        self._earlier: list[msgspec.Raw] = []
        self._owner = keeper.owner(call)
        words = keeper.words
        self.id = words.new_id("turn", secrets.token_hex(_SECRET_BYTES))
        self.recalled = (
            words.made("turn", asked.previous) or words.made("thread", asked.thread) or bool(words.references(items))
        )
        """Whether it refers to something kept here."""
        self.keeps = False
        """Whether the current attempt's answer is to be kept here."""
        self.relay: KeepingRelay | None = None

    # --- before the first attempt

    async def recall(self) -> None:
        """Fetch what the call refers to.

        Raises:
            BadRequest: it is not there, or more than may be recalled.
            NotFound: the thread is not there.
            NotReady: the store cannot be used.
        """
        keeper, asked = self._keeper, self._asked
        try:
            if keeper.words.made("turn", asked.previous):
                self._earlier = await self._chain(asked.previous)
            elif keeper.words.made("thread", asked.thread):
                self._earlier = await self._thread(asked.thread)
            await self._resolve()
        except StateUnavailable as error:
            raise keeper.unavailable(error) from error
        size = sum(len(bytes(one)) for one in (*self._earlier, *self._items))
        if size > keeper.settings.max_bytes:
            msg = (
                f"input: with the {len(self._earlier)} earlier items it refers to it has {size} bytes, and at most "
                f"{keeper.settings.max_bytes} may be kept; begin a new conversation with what matters of this one"
            )
            raise BadRequest(msg, code="kept_state_too_large", param="input")

    async def _chain(self, previous: str) -> list[msgspec.Raw]:
        keeper = self._keeper
        most = keeper.settings.max_turns
        chain = await keeper.store.chain(self._owner, previous, self._call.clock.wall_us(), most=most)
        if not chain:
            raise keeper.words.unknown_previous(previous)
        if chain[0].previous and len(chain) == most:
            why = f"it has more than {most} turns before it, the most that are kept together; begin a new conversation"
            raise keeper.words.unknown_previous(previous, why)
        if chain[0].previous:
            why = "a turn before it was deleted or has expired; begin a new conversation"
            raise keeper.words.unknown_previous(previous, why)
        items: list[msgspec.Raw] = []
        for one in chain:
            turn = stored_turn(one)
            items += turn.input
            items += keeper.words.output(turn.answer)
        return items

    async def _thread(self, thread: str) -> list[msgspec.Raw]:
        keeper = self._keeper
        now_us = self._call.clock.wall_us()
        if await keeper.store.get(self._owner, thread, now_us) is None:
            raise keeper.words.unknown("thread", thread)
        return [msgspec.Raw(one.content) for one in await keeper.store.parts(self._owner, thread, now_us)]

    async def _resolve(self) -> None:
        """Put kept items in the place of references to them."""
        keeper = self._keeper
        found: dict[str, dict[str, msgspec.Raw]] = {}
        for index, (turn_id, item_id) in keeper.words.references(self._items).items():
            if turn_id not in found:
                found[turn_id] = await self._items_of(turn_id)
            item = found[turn_id].get(item_id)
            if item is None:
                error = keeper.words.unknown("turn", turn_id, item_id)
                raise BadRequest(error.message, param=f"input[{index}].id")
            self._items[index] = item

    async def _items_of(self, turn_id: str) -> dict[str, msgspec.Raw]:
        keeper = self._keeper
        kept = await keeper.store.get(self._owner, turn_id, self._call.clock.wall_us())
        if kept is None:
            return {}
        turn = stored_turn(kept)
        return dict(
            (*keeper.words.named(turn.input, turn_id), *keeper.words.named(keeper.words.output(turn.answer), turn_id))
        )

    # --- with each attempt

    def passes(self, inbound: ConversationDialect, provider: Provider) -> bool:
        """Tell whether the call can go to `provider` as it is; what is kept of it is then kept there."""
        self.keeps = False
        return provider.keeps_turns and not self.recalled and inbound.name in provider.conversation

    def prepare(self, inbound: ConversationDialect, provider_dialect: str, path_model: str) -> Conversation:
        """Read the call with everything it refers to.

        Raises:
            BadRequest: it refers to what is not kept here, or is not what its dialect promises.
        """
        keeper, asked, call = self._keeper, self._asked, self._call
        words = keeper.words
        if asked.previous and not words.made("turn", asked.previous):
            raise words.unknown_previous(asked.previous)
        if asked.thread and not words.made("thread", asked.thread):
            raise words.unknown("thread", asked.thread)
        body = words.body(call.members, [*self._earlier, *self._items])
        conversation = inbound.parse_request(body, path_model=path_model, stream=call.stream)
        self.keeps = asked.store or bool(asked.thread)
        turn = KeptTurn(self.id, asked.store, asked.previous, asked.thread)
        return words.kept(conversation, turn, provider_dialect)

    # --- at the end

    @property
    def held(self) -> bool:
        """Whether the end of a streamed answer waits to be kept."""
        return self.keeps and self.relay is not None and self.relay.holds_end

    async def keep_streamed(self) -> None:
        """Keep an answer whose end is held back, and let go of that."""
        relay = self.relay
        if relay is None:  # pragma: no cover - `held` says so
            return
        if not await self._keep(relay.whole()):
            relay.not_kept()
        relay.release()

    async def keep(self, answer: bytes) -> tuple[bytes, bool]:
        """Keep a whole answer; return it as the caller may have it, and whether it is kept."""
        if await self._keep(answer):
            return answer, True
        return self._keeper.words.unkept(answer), False

    async def _keep(self, answer: bytes) -> bool:
        keeper = self._keeper
        try:
            await keeper.store.put(self._records(answer), owner_bytes=keeper.settings.max_client_bytes)
        except StateUnavailable as error:
            keeper.unavailable(error)
            return False
        return True

    def _records(self, answer: bytes) -> Sequence[Kept]:
        keeper, asked = self._keeper, self._asked
        now_us = self._call.clock.wall_us()
        expires_us = keeper.expires_us(now_us)
        records: list[Kept] = []
        if asked.store:
            content = msgspec.json.encode(StoredTurn(self._items, msgspec.Raw(answer)))
            records.append(
                Kept(
                    id=self.id,
                    owner=self._owner,
                    previous=asked.previous,
                    created_us=now_us,
                    expires_us=expires_us,
                    content=content,
                )
            )
        if asked.thread:
            items = keeper.words.named([*self._items, *keeper.words.output(answer)], self.id)
            records += thread_parts(self._owner, asked.thread, items, now_us, expires_us)
        return records


def thread_parts(
    owner: str, thread: str, items: Sequence[tuple[str, msgspec.Raw]], now_us: int, expires_us: int
) -> list[Kept]:
    """Describe items as parts of a thread."""
    return [
        Kept(
            id=f"{thread}/{identity}",
            owner=owner,
            thread=thread,
            created_us=now_us,
            expires_us=expires_us,
            content=bytes(item),
        )
        for identity, item in items
    ]
