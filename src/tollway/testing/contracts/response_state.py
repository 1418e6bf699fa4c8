"""What every `ResponseStore` must do.

Inherit `ResponseStoreContract` and give `store`; inherit `LastingResponseStoreContract` too for a store that outlives
its process, and give `open_store`.
"""

# ruff: noqa: S101, D102 - a suite is made of assertions, and a test's name is its sentence

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.interfaces.response_state import Kept, ResponseStore
from tollway.stores.response_state_memory import MemoryResponseStore

NOW_US = 1_700_000_000_000_000
PLENTY = 1 << 30

NewStore = Callable[[], ResponseStore]


def kept(identity: str, *, owner: str = "p\0ada", content: bytes = b"content", **members: Any) -> Kept:
    """Describe one thing to keep, for an hour from `NOW_US` unless told otherwise."""
    plain = Kept(
        id=identity, owner=owner, created_us=NOW_US, expires_us=NOW_US + 3_600_000_000, content=content
    )  # fmt: skip
    return msgspec.structs.replace(plain, **members)


async def ids(found: Awaitable[Sequence[Kept]]) -> list[str]:
    """Give the ids of what was found."""
    return [one.id for one in await found]


class ResponseStoreContract:
    """Properties of one store."""

    @pytest.fixture
    def new_store(self) -> NewStore:
        """Give what makes an empty store."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, new_store: NewStore) -> ResponseStore:
        return new_store()

    async def test_what_was_put_comes_back_with_every_member(self, store: ResponseStore) -> None:
        one = kept("resp_2", previous="resp_1", content=b"\x00 \xff \xe2\x82\xac")
        await store.put([one], owner_bytes=PLENTY)
        assert await store.get(one.owner, "resp_2", NOW_US) == one
        await store.close()

    async def test_what_is_put_again_is_replaced(self, store: ResponseStore) -> None:
        await store.put([kept("a"), kept("b")], owner_bytes=PLENTY)
        await store.put([kept("a", content=b"other")], owner_bytes=PLENTY)
        found = await store.get("p\0ada", "a", NOW_US)
        assert found is not None
        assert found.content == b"other"
        await store.close()

    async def test_another_owner_sees_and_deletes_nothing(self, store: ResponseStore) -> None:
        await store.put([kept("a"), kept("part", thread="a"), kept("b", previous="a")], owner_bytes=PLENTY)
        for other in ("p\0bob", "p\0ad", "", "q\0ada"):
            assert await store.get(other, "a", NOW_US) is None
            assert await store.chain(other, "b", NOW_US, most=9) == []
            assert await store.parts(other, "a", NOW_US) == []
            assert not await store.delete(other, "a")
        assert await store.get("p\0ada", "a", NOW_US) is not None
        await store.close()

    async def test_owners_may_have_the_same_id(self, store: ResponseStore) -> None:
        await store.put([kept("a", content=b"hers")], owner_bytes=PLENTY)
        await store.put([kept("a", owner="p\0bob", content=b"his")], owner_bytes=PLENTY)
        assert await store.delete("p\0bob", "a")
        found = await store.get("p\0ada", "a", NOW_US)
        assert found is not None
        assert found.content == b"hers"
        await store.close()

    async def test_a_chain_is_given_oldest_first(self, store: ResponseStore) -> None:
        for number in range(5):
            await store.put([kept(f"r{number}", previous=f"r{number - 1}" if number else "")], owner_bytes=PLENTY)
        assert await ids(store.chain("p\0ada", "r4", NOW_US, most=9)) == ["r0", "r1", "r2", "r3", "r4"]
        assert await ids(store.chain("p\0ada", "r2", NOW_US, most=9)) == ["r0", "r1", "r2"]
        assert await ids(store.chain("p\0ada", "r4", NOW_US, most=2)) == ["r3", "r4"]
        assert await store.chain("p\0ada", "nobody", NOW_US, most=9) == []
        await store.close()

    async def test_a_broken_chain_tells_what_is_missing(self, store: ResponseStore) -> None:
        await store.put([kept("r0"), kept("r1", previous="r0"), kept("r2", previous="r1")], owner_bytes=PLENTY)
        assert await store.delete("p\0ada", "r0")
        found = await store.chain("p\0ada", "r2", NOW_US, most=9)
        assert [(one.id, one.previous) for one in found] == [("r1", "r0"), ("r2", "r1")]
        await store.close()

    async def test_a_circle_ends(self, store: ResponseStore) -> None:
        await store.put([kept("a", previous="b"), kept("b", previous="a")], owner_bytes=PLENTY)
        await store.put([kept("self", previous="self")], owner_bytes=PLENTY)
        assert len(await store.chain("p\0ada", "a", NOW_US, most=7)) == 7
        await store.close()

    async def test_parts_are_given_in_the_order_they_were_first_put(self, store: ResponseStore) -> None:
        await store.put([kept("c"), kept("c/2", thread="c"), kept("c/1", thread="c")], owner_bytes=PLENTY)
        await store.put([kept("c/3", thread="c"), kept("c/2", thread="c", content=b"new")], owner_bytes=PLENTY)
        parts = await store.parts("p\0ada", "c", NOW_US)
        assert [(one.id, one.content) for one in parts] == [
            ("c/2", b"new"),
            ("c/1", b"content"),
            ("c/3", b"content"),
        ]
        assert await store.parts("p\0ada", "", NOW_US) == []
        await store.close()

    async def test_deleting_takes_the_parts_along_and_nothing_else(self, store: ResponseStore) -> None:
        await store.put([kept("c"), kept("c/1", thread="c"), kept("d"), kept("d/1", thread="d")], owner_bytes=PLENTY)
        assert await store.delete("p\0ada", "c")
        assert not await store.delete("p\0ada", "c")
        assert await store.expire(NOW_US) == 0
        assert await store.get("p\0ada", "c/1", NOW_US) is None
        assert await ids(store.parts("p\0ada", "d", NOW_US)) == ["d/1"]
        assert await store.delete("p\0ada", "d/1")
        assert await store.get("p\0ada", "d", NOW_US) is not None
        await store.close()

    async def test_a_part_of_what_is_no_longer_there_is_left_out(self, store: ResponseStore) -> None:
        await store.put([kept("c/1", thread="c"), kept("r")], owner_bytes=PLENTY)
        assert await store.get("p\0ada", "c/1", NOW_US) is None
        assert await store.get("p\0ada", "r", NOW_US) is not None
        await store.put([kept("c")], owner_bytes=PLENTY)
        assert await store.parts("p\0ada", "c", NOW_US) == []
        await store.close()

    async def test_what_is_over_is_not_given_and_goes_when_told(self, store: ResponseStore) -> None:
        end = NOW_US + 10
        await store.put([kept("a", expires_us=end), kept("b")], owner_bytes=PLENTY)
        assert await store.get("p\0ada", "a", end - 1) is not None
        assert await store.get("p\0ada", "a", end) is None
        assert await store.expire(end - 1) == 0
        assert await store.expire(end) == 1
        assert await store.get("p\0ada", "a", NOW_US) is None
        assert await store.get("p\0ada", "b", NOW_US) is not None
        await store.close()

    async def test_a_part_lives_as_long_as_its_whole(self, store: ResponseStore) -> None:
        await store.put(
            [kept("c", expires_us=NOW_US + 10), kept("c/1", thread="c", expires_us=NOW_US + 5)], owner_bytes=PLENTY
        )
        assert await store.get("p\0ada", "c/1", NOW_US + 9) is not None
        assert await store.get("p\0ada", "c/1", NOW_US + 10) is None
        assert await store.parts("p\0ada", "c", NOW_US + 10) == []
        assert await store.expire(NOW_US + 9) == 0
        assert await store.expire(NOW_US + 10) == 2
        await store.close()

    async def test_what_follows_prolongs_what_it_follows(self, store: ResponseStore) -> None:
        await store.put([kept("a", expires_us=NOW_US + 10)], owner_bytes=PLENTY)
        await store.put([kept("b", previous="a", expires_us=NOW_US + 20)], owner_bytes=PLENTY)
        await store.put([kept("c", previous="b", expires_us=NOW_US + 30)], owner_bytes=PLENTY)
        await store.put([kept("d", previous="a", expires_us=NOW_US + 1)], owner_bytes=PLENTY)
        assert await ids(store.chain("p\0ada", "c", NOW_US + 29, most=9)) == ["a", "b", "c"]
        assert await store.expire(NOW_US + 30) == 4
        await store.close()

    async def test_a_new_part_prolongs_its_whole(self, store: ResponseStore) -> None:
        await store.put([kept("c", expires_us=NOW_US + 10)], owner_bytes=PLENTY)
        await store.put([kept("c/1", thread="c", expires_us=NOW_US + 20)], owner_bytes=PLENTY)
        assert await ids(store.parts("p\0ada", "c", NOW_US + 19)) == ["c/1"]
        await store.close()

    async def test_an_owner_with_too_much_loses_what_is_oldest(self, store: ResponseStore) -> None:
        await store.put([kept("theirs", owner="p\0bob", content=b"x" * 90)], owner_bytes=100)
        for name in ("a", "b", "c"):
            await store.put([kept(name, content=b"x" * 40)], owner_bytes=100)
        assert await store.get("p\0ada", "a", NOW_US) is None
        assert await store.get("p\0ada", "b", NOW_US) is not None
        assert await store.get("p\0ada", "c", NOW_US) is not None
        assert await store.get("p\0bob", "theirs", NOW_US) is not None
        await store.close()

    async def test_a_whole_goes_with_its_parts_and_never_in_pieces(self, store: ResponseStore) -> None:
        await store.put([kept("c", content=b""), kept("c/1", thread="c", content=b"x" * 60)], owner_bytes=100)
        await store.put([kept("a", content=b"x" * 30)], owner_bytes=100)
        await store.put([kept("c/2", thread="c", content=b"x" * 30)], owner_bytes=100)
        assert await ids(store.parts("p\0ada", "c", NOW_US)) == ["c/1", "c/2"]
        assert await store.get("p\0ada", "a", NOW_US) is None
        await store.put([kept("b", content=b"x" * 20)], owner_bytes=100)
        assert await store.parts("p\0ada", "c", NOW_US) == []
        assert await store.get("p\0ada", "b", NOW_US) is not None
        await store.close()

    async def test_what_is_put_now_stays_however_large(self, store: ResponseStore) -> None:
        await store.put([kept("a", content=b"x" * 500), kept("b", content=b"x" * 500)], owner_bytes=100)
        assert await store.get("p\0ada", "a", NOW_US) is not None
        assert await store.get("p\0ada", "b", NOW_US) is not None
        await store.close()

    async def test_many_at_once_are_all_there(self, store: ResponseStore) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(store.put([kept(f"r{number}")], owner_bytes=PLENTY))
        found = [await store.get("p\0ada", f"r{number}", NOW_US) for number in range(40)]
        assert None not in found
        await store.close()

    # One suite, several stores: hypothesis sees one function run by several classes, which is the point.
    @settings(
        deadline=None,
        max_examples=40,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        steps=st.lists(
            st.one_of(
                st.tuples(
                    st.just("put"),
                    st.integers(0, 5),
                    st.sampled_from(["", *"012345"]),
                    st.sampled_from(["", "", "0", "1"]),
                    st.integers(0, 60),
                ),
                st.tuples(st.just("delete"), st.integers(0, 5)),
                st.tuples(st.just("expire"), st.integers(0, 60)),
            ),
            max_size=25,
        )
    )
    def test_whatever_happens_it_agrees_with_the_reference(
        self, new_store: NewStore, steps: Sequence[tuple[Any, ...]]
    ) -> None:
        async def compare() -> None:
            store, reference = new_store(), MemoryResponseStore()
            for step in steps:
                for each in (store, reference):
                    await _do(each, step)
                for number in range(6):
                    for now_us in (NOW_US, NOW_US + 30):
                        own = await store.get("p\0ada", str(number), now_us)
                        assert own == await reference.get("p\0ada", str(number), now_us)
                        assert await store.parts("p\0ada", str(number), now_us) == await reference.parts(
                            "p\0ada", str(number), now_us
                        )
            await store.close()

        asyncio.run(compare())


async def _do(store: ResponseStore, step: tuple[Any, ...]) -> None:
    if step[0] == "delete":
        await store.delete("p\0ada", str(step[1]))
    elif step[0] == "expire":
        await store.expire(NOW_US + step[1])
    else:
        _, number, previous, thread, left = step
        alone = number < 2  # a whole is never itself a part
        one = kept(
            str(number),
            previous=previous,
            thread="" if alone else thread,
            expires_us=NOW_US + left,
            content=b"x" * (left % 7),
        )
        await store.put([one], owner_bytes=12)


class LastingResponseStoreContract:
    """Properties of a store that outlives its process; the fixture opens the same one each time."""

    @pytest.fixture
    def open_store(self) -> NewStore:
        """Give what opens the one store of this test."""
        raise NotImplementedError

    async def test_what_was_put_is_there_after_opening_again(self, open_store: NewStore) -> None:
        store = open_store()
        await store.put([kept("a"), kept("b", previous="a")], owner_bytes=PLENTY)
        await store.close()
        again = open_store()
        assert await ids(again.chain("p\0ada", "b", NOW_US, most=9)) == ["a", "b"]
        await again.close()

    async def test_what_one_puts_and_deletes_another_sees_at_once(self, open_store: NewStore) -> None:
        one, other = open_store(), open_store()
        await one.put([kept("a")], owner_bytes=PLENTY)
        assert await other.get("p\0ada", "a", NOW_US) is not None
        await other.put([kept("b", previous="a")], owner_bytes=PLENTY)
        assert await ids(one.chain("p\0ada", "b", NOW_US, most=9)) == ["a", "b"]
        assert await one.delete("p\0ada", "a")
        assert await other.get("p\0ada", "a", NOW_US) is None
        await one.close()
        await other.close()

    async def test_two_that_write_at_once_lose_nothing(self, open_store: NewStore) -> None:
        one, other = open_store(), open_store()
        async with asyncio.TaskGroup() as group:
            for number in range(25):
                group.create_task(one.put([kept(f"one{number}")], owner_bytes=PLENTY))
                group.create_task(other.put([kept(f"other{number}")], owner_bytes=PLENTY))
        for number in range(25):
            assert await other.get("p\0ada", f"one{number}", NOW_US) is not None
            assert await one.get("p\0ada", f"other{number}", NOW_US) is not None
        await one.close()
        await other.close()
