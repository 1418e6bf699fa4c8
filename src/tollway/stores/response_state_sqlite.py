"""Kept turns in SQLite: one file, shared by the workers of a machine, its content encrypted.

Rules of this file:
- All of SQLite runs in one thread of its own, in the order asked; the event loop never waits for a disk.
- AES-256-GCM, a fresh nonce a row and write. Owner, id, thread and previous are additional data: a row that was
  moved, given to somebody else or hung onto another is not read. They, times and sizes stand readable beside it.
- Deleted content is overwritten (`secure_delete`), and pages that are free leave the file.
- A put is on its way to the disk when `put` returns and outlives any process (WAL); a power failure may take
  the last ones, which their callers then find unknown.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tollway.interfaces.response_state import Kept, StateUnavailable
from tollway.stores.sqlite_files import write_ahead

STATE_FILE: Final = "response-state.sqlite3"
"""Of the data directory."""

ResultT = TypeVar("ResultT")

_APPLICATION_ID: Final = 0x546F_6C52  # "TolR": tells this file from any other SQLite database
_FORMAT: Final = 1
_NONCE_BYTES: Final = 12
_SAMPLE: Final = b"tollway response state: the key"
_FREED_PAGES: Final = 1024

_SCHEMA: Final = (
    """CREATE TABLE kept (
        number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, id TEXT NOT NULL, previous TEXT NOT NULL,
        thread TEXT NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, touched INTEGER NOT NULL,
        size INTEGER NOT NULL, UNIQUE (owner, id))""",
    # Apart: times change with every turn that follows, and a row is written whole.
    "CREATE TABLE content (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
    # Tells at once whether the key is the one that all content was sealed with.
    "CREATE TABLE seal (sample BLOB NOT NULL)",
    "CREATE INDEX part ON kept (owner, thread, number) WHERE thread != ''",
    "CREATE INDEX ending ON kept (expires_us) WHERE thread = ''",
    "CREATE INDEX oldest ON kept (owner, touched) WHERE thread = ''",
    # What an owner has, kept up by SQLite itself, so that no way of deleting can forget it.
    "CREATE TABLE owned (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TRIGGER added AFTER INSERT ON kept BEGIN
        INSERT INTO owned VALUES (new.owner, new.size)
        ON CONFLICT (owner) DO UPDATE SET bytes = bytes + new.size; END""",
    """CREATE TRIGGER changed AFTER UPDATE OF size ON kept BEGIN
        UPDATE owned SET bytes = bytes + new.size - old.size WHERE owner = new.owner; END""",
    """CREATE TRIGGER removed AFTER DELETE ON kept BEGIN
        DELETE FROM content WHERE number = old.number;
        UPDATE owned SET bytes = bytes - old.size WHERE owner = old.owner;
        DELETE FROM owned WHERE owner = old.owner AND bytes <= 0
            AND NOT EXISTS (SELECT 1 FROM kept WHERE owner = old.owner); END""",
)
_COLUMNS: Final = "kept.owner, kept.id, kept.previous, kept.thread, kept.created_us, kept.expires_us, content.sealed"
_TABLES: Final = "kept JOIN content USING (number)"
_LIVES: Final = """(CASE kept.thread WHEN '' THEN kept.expires_us ELSE (SELECT head.expires_us FROM kept AS head
    WHERE head.owner = kept.owner AND head.id = kept.thread) END) > ?"""

_Row = tuple[str, str, str, str, int, int, bytes]


class SqliteResponseStore:
    """A `ResponseStore` in one file."""

    def __init__(self, path: Path, key: bytes, *, busy_seconds: float = 5.0) -> None:
        """Open the file, which is made as needed; this happens in the calling thread.

        Args:
            path: the file; its directory is made, for this user alone.
            key: 32 bytes that content is encrypted with.
            busy_seconds: how long to wait for another process that writes.

        Raises:
            StateUnavailable: it cannot be opened, is no such file, or was written with another key or by a newer
                Tollway.
        """
        self._path = path
        self._cipher = AESGCM(key)
        self._thread = ThreadPoolExecutor(1, "response-state")
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))  # private before anything is in it
            self._db = sqlite3.connect(path, isolation_level=None, timeout=busy_seconds, check_same_thread=False)
        try:
            with self._errors():
                self._prepare(busy_seconds)
        except StateUnavailable:
            self._db.close()
            self._thread.shutdown()
            raise

    async def put(self, kept: Sequence[Kept], *, owner_bytes: int) -> None:
        """Keep all; see `ResponseStore.put`."""
        await self._in_thread(lambda: self._put(kept, owner_bytes))

    async def get(self, owner: str, identity: str, now_us: int) -> Kept | None:
        """Give one."""
        return await self._in_thread(lambda: self._get(owner, identity, now_us))

    async def chain(self, owner: str, identity: str, now_us: int, *, most: int) -> Sequence[Kept]:
        """Give one and what it follows."""
        return await self._in_thread(lambda: self._chain(owner, identity, now_us, most))

    async def parts(self, owner: str, thread: str, now_us: int) -> Sequence[Kept]:
        """Give the parts of one."""
        return await self._in_thread(lambda: self._parts(owner, thread, now_us))

    async def delete(self, owner: str, identity: str) -> bool:
        """Delete one and its parts."""
        return await self._in_thread(lambda: self._delete(owner, identity))

    async def expire(self, now_us: int) -> int:
        """Delete what is over."""
        return await self._in_thread(lambda: self._expire(now_us))

    async def close(self) -> None:
        """Close the file."""
        await self._in_thread(self._db.close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    def _guarded(self, work: Callable[[], ResultT]) -> ResultT:
        with self._errors():
            return work()

    # --- in the thread

    def _put(self, kept: Sequence[Kept], owner_bytes: int) -> None:
        if not kept:
            return
        with self._transaction():
            row = self._db.execute(
                "SELECT coalesce(max(touched), 0) + 1 FROM kept WHERE owner = ? AND thread = ''", (kept[0].owner,)
            ).fetchone()
            touched = int(row[0])
            for one in kept:
                self._insert(one, touched)
            self._shrink(kept[0].owner, owner_bytes, touched)

    def _insert(self, one: Kept, touched: int) -> None:
        db = self._db
        if one.thread:
            head = db.execute(
                "UPDATE kept SET expires_us = max(expires_us, ?), touched = ? WHERE owner = ? AND id = ?",
                (one.expires_us, touched, one.owner, one.thread),
            )
            if head.rowcount == 0:
                return
        ((number,),) = db.execute(
            "INSERT INTO kept (owner, id, previous, thread, created_us, expires_us, touched, size) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, id) DO UPDATE SET previous = excluded.previous, "
            "thread = excluded.thread, created_us = excluded.created_us, expires_us = excluded.expires_us, "
            "touched = excluded.touched, size = excluded.size RETURNING number",
            (
                one.owner, one.id, one.previous, one.thread, one.created_us, one.expires_us, touched, len(one.content),
            ),
        ).fetchall()  # fmt: skip
        db.execute("INSERT OR REPLACE INTO content VALUES (?, ?)", (number, self._sealed(one)))
        if one.previous:
            db.execute(
                "WITH RECURSIVE earlier (id) AS (SELECT ? UNION SELECT kept.previous FROM kept JOIN earlier "
                "ON kept.id = earlier.id WHERE kept.owner = ? AND kept.previous != '') "
                "UPDATE kept SET expires_us = max(expires_us, ?) WHERE owner = ? AND id IN earlier",
                (one.previous, one.owner, one.expires_us, one.owner),
            )

    def _shrink(self, owner: str, owner_bytes: int, touched: int) -> None:
        while self._owned(owner) > owner_bytes:
            row = self._db.execute(
                "SELECT id FROM kept WHERE owner = ? AND thread = '' AND touched < ? ORDER BY touched LIMIT 1",
                (owner, touched),
            ).fetchone()
            if row is None:
                return
            self._remove(owner, str(row[0]))

    def _owned(self, owner: str) -> int:
        row = self._db.execute("SELECT bytes FROM owned WHERE owner = ?", (owner,)).fetchone()
        return 0 if row is None else int(row[0])

    def _get(self, owner: str, identity: str, now_us: int) -> Kept | None:
        row: _Row | None = self._db.execute(
            f"SELECT {_COLUMNS} FROM {_TABLES} WHERE owner = ? AND id = ? AND {_LIVES}",  # noqa: S608 - names of our own
            (owner, identity, now_us),
        ).fetchone()
        return None if row is None else self._opened(row)

    def _chain(self, owner: str, identity: str, now_us: int, most: int) -> list[Kept]:
        found: list[Kept] = []
        while identity and len(found) < most:
            one = self._get(owner, identity, now_us)
            if one is None:
                break
            found.append(one)
            identity = one.previous
        return found[::-1]

    def _parts(self, owner: str, thread: str, now_us: int) -> list[Kept]:
        rows: list[_Row] = self._db.execute(
            f"SELECT {_COLUMNS} FROM {_TABLES} WHERE owner = ? AND thread = ? AND thread != '' AND {_LIVES} "  # noqa: S608 - as above
            "ORDER BY number",
            (owner, thread, now_us),
        ).fetchall()
        return [self._opened(row) for row in rows]

    def _delete(self, owner: str, identity: str) -> bool:
        with self._transaction():
            there = self._remove(owner, identity)
        self._free()
        return there

    def _remove(self, owner: str, identity: str) -> bool:
        self._db.execute("DELETE FROM kept WHERE owner = ? AND thread = ? AND thread != ''", (owner, identity))
        return self._db.execute("DELETE FROM kept WHERE owner = ? AND id = ?", (owner, identity)).rowcount > 0

    def _expire(self, now_us: int) -> int:
        with self._transaction():
            over = self._db.execute(
                "DELETE FROM kept WHERE thread != '' AND (owner, thread) IN "
                "(SELECT owner, id FROM kept WHERE thread = '' AND expires_us <= ?)",
                (now_us,),
            ).rowcount
            over += self._db.execute("DELETE FROM kept WHERE thread = '' AND expires_us <= ?", (now_us,)).rowcount
        if over:
            self._free()
        return over

    def _free(self) -> None:
        """Give free pages back, and let the journal not keep what was deleted."""
        self._db.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")  # `execute` would take one step of it
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # --- content

    def _sealed(self, one: Kept) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(
            nonce, one.content, _additional(one.owner, one.id, one.previous, one.thread)
        )

    def _opened(self, row: _Row) -> Kept:
        owner, identity, previous, thread, created_us, expires_us, sealed = row
        try:
            content = self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _additional(owner, identity, previous, thread)
            )
        except (InvalidTag, ValueError):
            raise StateUnavailable(f"{self._path} was altered: what is kept there cannot be trusted") from None
        return Kept(
            id=identity, owner=owner, previous=previous, thread=thread,
            created_us=created_us, expires_us=expires_us, content=content,
        )  # fmt: skip

    # --- opening, and the boundary

    def _prepare(self, busy_seconds: float) -> None:
        db = self._db
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded by a file that has nothing in it yet, and by no other
        with self._transaction():  # of several that make the file at once, one does
            application = int(db.execute("PRAGMA application_id").fetchone()[0])
            written = int(db.execute("PRAGMA user_version").fetchone()[0])
            empty = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if application != _APPLICATION_ID and not (empty and application == 0):
            raise StateUnavailable(f"{self._path} is a database, but none of kept responses")
        if written > _FORMAT:
            raise StateUnavailable(f"{self._path} was written by a newer Tollway (format {written}); upgrade first")
        write_ahead(db, busy_seconds)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")
        with self._transaction():
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                for statement in _SCHEMA:
                    db.execute(statement)
                nonce = os.urandom(_NONCE_BYTES)
                db.execute("INSERT INTO seal VALUES (?)", (nonce + self._cipher.encrypt(nonce, b"", _SAMPLE),))
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {_FORMAT}")

        self._check_key()

    def _check_key(self) -> None:
        sample = bytes(self._db.execute("SELECT sample FROM seal").fetchone()[0])
        try:
            self._cipher.decrypt(sample[:_NONCE_BYTES], sample[_NONCE_BYTES:], _SAMPLE)
        except InvalidTag:
            raise StateUnavailable(
                f"{self._path} was written with another key: restore the vault that has it, or delete the file"
            ) from None

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StateUnavailable(f"{self._path} cannot be used: {error}") from error


def _additional(*names: str) -> bytes:
    return b"tollway response state\0" + msgspec.json.encode(names)
