import sqlite3

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.rollups import LEAVES, RollupKey
from tollway.stores.ledger_schema import MIGRATIONS, usage_record_view


def columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def test_the_migrations_give_rollups_a_column_for_every_dimension_and_leaf():
    database = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        database.executescript(script)
    names = columns(database, "rollup")
    assert names[: len(RollupKey.__struct_fields__)] == list(RollupKey.__struct_fields__)
    assert set(LEAVES) <= set(names), "a new leaf of Usage needs a migration"
    database.close()


def test_the_view_names_every_member_of_a_usage_record():
    database = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        database.executescript(script)
    database.execute(usage_record_view())
    assert columns(database, "usage_record") == list(UsageRecord.__struct_fields__)
    database.close()
