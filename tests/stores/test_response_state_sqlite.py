import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tollway.interfaces.response_state import StateUnavailable
from tollway.stores.response_state_sqlite import SqliteResponseStore
from tollway.testing.contracts.response_state import (
    NOW_US,
    PLENTY,
    LastingResponseStoreContract,
    NewStore,
    ResponseStoreContract,
    kept,
)

KEY = bytes(range(32))


class TestSqliteResponseStore(ResponseStoreContract, LastingResponseStoreContract):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        made = iter(range(10_000))
        return lambda: SqliteResponseStore(tmp_path / f"{next(made)}.sqlite3", KEY)

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> NewStore:
        return lambda: SqliteResponseStore(tmp_path / "state.sqlite3", KEY)


def _bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_content_is_nowhere_on_disk_and_files_are_private(tmp_path: Path):
    folder = tmp_path / "data"
    store = SqliteResponseStore(folder / "state.sqlite3", KEY)
    await store.put([kept("resp_1", content=b"the merger is on Friday")], owner_bytes=PLENTY)
    assert b"merger" not in _bytes_of(folder)
    assert {file.stat().st_mode & 0o077 for file in (folder, *folder.iterdir())} == {0}
    await store.close()
    assert b"merger" not in _bytes_of(folder)


async def test_deleted_content_is_overwritten_in_file_and_journal(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    store = SqliteResponseStore(path, KEY)
    await store.put([kept("resp_1"), kept("resp_2", expires_us=NOW_US + 1)], owner_bytes=PLENTY)
    with closing(sqlite3.connect(path)) as database:
        sealed = [bytes(row[0]) for row in database.execute("SELECT sealed FROM content")]
    assert all(one in _bytes_of(tmp_path) for one in sealed)
    await store.delete("p\0ada", "resp_1")
    await store.expire(NOW_US + 1)
    assert not any(one in _bytes_of(tmp_path) for one in sealed)
    await store.close()


async def test_a_file_gets_smaller_when_much_is_deleted(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    store = SqliteResponseStore(path, KEY)
    await store.put([kept("large", content=b"x" * 500_000, expires_us=NOW_US + 1)], owner_bytes=PLENTY)
    await store.put([kept("small")], owner_bytes=PLENTY)
    await store.delete("p\0ada", "nobody")
    before = path.stat().st_size
    await store.expire(NOW_US + 1)
    assert path.stat().st_size < before / 4
    await store.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE kept SET owner = 'p\0bob' WHERE id = 'a'",
        "UPDATE kept SET previous = 'b' WHERE id = 'a'",
        "UPDATE content SET sealed = (SELECT sealed FROM content WHERE number = 2) WHERE number = 1",
        "UPDATE content SET sealed = zeroblob(3) WHERE number = 1",
    ],
    ids=["owner", "previous", "content", "too short"],
)
async def test_a_row_that_was_altered_is_not_read(tmp_path: Path, change: str):
    path = tmp_path / "state.sqlite3"
    store = SqliteResponseStore(path, KEY)
    await store.put([kept("a"), kept("b")], owner_bytes=PLENTY)
    with closing(sqlite3.connect(path)) as database:
        database.execute(change.replace("\0", "' || char(0) || '"))
        database.commit()
    owner = "p\0bob" if "owner" in change else "p\0ada"
    with pytest.raises(StateUnavailable, match="altered"):
        await store.get(owner, "a", NOW_US)
    await store.close()


async def test_another_key_reads_nothing(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    store = SqliteResponseStore(path, KEY)
    await store.put([kept("a")], owner_bytes=PLENTY)
    await store.close()
    with pytest.raises(StateUnavailable, match="another key"):
        SqliteResponseStore(path, bytes(32))
    again = SqliteResponseStore(path, KEY)
    assert await again.get("p\0ada", "a", NOW_US) is not None
    await again.close()


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(StateUnavailable, match="none of kept responses"):
        SqliteResponseStore(path, KEY)
    assert path.read_bytes() == before


async def test_a_newer_format_is_refused_and_said_so(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    await SqliteResponseStore(path, KEY).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StateUnavailable, match=r"newer Tollway.*99"):
        SqliteResponseStore(path, KEY)


async def test_a_full_disk_is_an_error_of_ours_and_leaves_what_was_there(tmp_path: Path):
    store = SqliteResponseStore(tmp_path / "state.sqlite3", KEY)
    await store.put([kept("a")], owner_bytes=PLENTY)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateUnavailable, match="full"):
        await store.put([kept("b", content=b"x" * 100_000)], owner_bytes=PLENTY)
    assert await store.get("p\0ada", "b", NOW_US) is None
    assert await store.get("p\0ada", "a", NOW_US) is not None
    await store.close()


async def test_the_loop_goes_on_while_another_process_writes(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    store = SqliteResponseStore(path, KEY)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(store.put([kept("a")], owner_bytes=PLENTY))
        for _ in range(20):
            await asyncio.sleep(0)  # the loop turns while the thread waits for the lock
        assert not waiting.done()
        other.execute("COMMIT")
        await waiting
    assert await store.get("p\0ada", "a", NOW_US) is not None
    await store.close()


def test_many_may_open_a_new_file_at_once(tmp_path: Path):
    for attempt in range(5):
        path = tmp_path / f"{attempt}.sqlite3"
        together = threading.Barrier(6)
        failures: list[Exception] = []

        def open_it(path: Path = path, together: threading.Barrier = together, failures: list[Exception] = failures):
            together.wait()
            try:
                asyncio.run(SqliteResponseStore(path, KEY).close())
            except StateUnavailable as error:
                failures.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


async def test_nothing_reads_the_whole_table(tmp_path: Path):
    store = SqliteResponseStore(tmp_path / "state.sqlite3", KEY)
    said: list[str] = []
    store._db.set_trace_callback(said.append)
    await store.put([kept("a"), kept("b", previous="a"), kept("p", thread="a")], owner_bytes=1)
    await store.put([kept("c")], owner_bytes=1)
    await store.chain("p\0ada", "b", NOW_US, most=9)
    await store.parts("p\0ada", "a", NOW_US)
    await store.delete("p\0ada", "a")
    await store.expire(NOW_US)
    store._db.set_trace_callback(None)
    looked = {one for one in said if one.startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")) and "kept" in one}
    assert len(looked) > 8
    for statement in looked:
        plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith(("SCAN kept", "SCAN content"))], (statement, plan)
    await store.close()
