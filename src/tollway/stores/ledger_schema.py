"""The SQLite ledger's schema: statements that lead from each version to the next.

Rules of this file:
- Released migrations are never changed, so they spell out every column, whatever the code's types say now.
- Views hold no data; they are made anew from the code's types whenever those have changed.
"""

from typing import Final

import msgspec

from tollway.interfaces.usage_record import UsageRecord

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE context (
        number INTEGER PRIMARY KEY,
        members BLOB NOT NULL UNIQUE
    );
    CREATE TABLE record (
        id TEXT PRIMARY KEY,
        context INTEGER NOT NULL,
        own BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE rollup (
        hour INTEGER NOT NULL,
        business_group TEXT NOT NULL,
        client_id TEXT NOT NULL,
        client_name TEXT NOT NULL,
        model TEXT NOT NULL,
        provider TEXT NOT NULL,
        proxy TEXT NOT NULL,
        outcome TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        calls INTEGER NOT NULL,
        estimated INTEGER NOT NULL,
        anomalous INTEGER NOT NULL,
        input_fresh INTEGER NOT NULL,
        input_audio INTEGER NOT NULL,
        input_image INTEGER NOT NULL,
        cache_read INTEGER NOT NULL,
        cache_read_audio INTEGER NOT NULL,
        cache_write INTEGER NOT NULL,
        cache_write_5m INTEGER NOT NULL,
        cache_write_1h INTEGER NOT NULL,
        output_text INTEGER NOT NULL,
        output_audio INTEGER NOT NULL,
        output_image INTEGER NOT NULL,
        reasoning INTEGER NOT NULL,
        web_searches INTEGER NOT NULL,
        upstream_us BLOB NOT NULL,
        time_to_first_byte_us BLOB NOT NULL,
        overhead_us BLOB NOT NULL,
        UNIQUE (hour, business_group, client_id, client_name, model, provider, proxy, outcome)
    );
    CREATE TABLE spool_file (
        name TEXT PRIMARY KEY,
        position INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE quarantined (
        file TEXT NOT NULL,
        offset INTEGER NOT NULL,
        size INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (file, offset)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE rollup ADD COLUMN output_images INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rollup ADD COLUMN input_audio_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rollup ADD COLUMN input_characters INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rollup ADD COLUMN search_units INTEGER NOT NULL DEFAULT 0;
    """,
)

_OWN_MEMBERS: Final = UsageRecord.__struct_fields__[UsageRecord.__struct_fields__.index("id") :]


def usage_record_view() -> str:
    """Write the view that gives every member of a usage record a column of its name."""
    columns = ",\n    ".join(_column(field) for field in msgspec.structs.fields(UsageRecord))
    return f"CREATE VIEW usage_record AS SELECT\n    {columns}\nFROM record JOIN context ON number = context"


def _column(field: msgspec.structs.FieldInfo) -> str:
    half = "own" if field.name in _OWN_MEMBERS else "members"
    value = f"json_extract(CAST({half} AS TEXT), '$.{field.name}')"
    return f"coalesce({value}, {_default(field)}) AS {field.name}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    match field.default:
        case bool() | int():
            return str(int(field.default))
        case str():
            return f"'{field.default}'"
        case tuple():
            return "'[]'"
        case _:
            return "'{}'"
