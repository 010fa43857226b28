"""The database's file: whole, with every trigger that makes it only grow, no row taken out, every cell readable."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labkit.audit.finding import Finding, failed, proven, unless
from labkit.errors import LedgerError
from labkit.ledger import Ledger
from labkit.ledger.tables import TABLES, Json

FILE = "ledger.sqlite"
_BUSY_S = 10.0
_ALL_TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
_CONDITION = re.compile(r"\([^()]*\)")
_COUNTED = (
    "campaign", "clips", "rate_points", "reported_bytes", "costs", "exchanges", "batches", "lessons", "alerts",
    "held_out_points", "checks", "canaries", "vmaf", "goal_points",
)  # fmt: skip
"""Tables whose rows the database itself numbers from 1; the others have numbers of ours."""

_STORED_AS: dict[type[sa.types.TypeEngine[Any]], set[str]] = {
    sa.Integer: {"integer"},
    sa.BigInteger: {"integer"},
    sa.Boolean: {"integer"},
    sa.Float: {"real", "integer"},
    sa.Text: {"text"},
}


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a campaign's ledger so that nothing is written, not even beside it.

    Raises:
        LedgerError: the file is no database, or cannot be read.
    """
    path = (folder / FILE).absolute()
    # without other connections SQLite would leave two files there that it cannot take away again
    alone = "" if path.with_name(f"{FILE}-wal").exists() else "&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro{alone}", uri=True, timeout=_BUSY_S)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise LedgerError(f"cannot read the ledger {path}: {error}") from error


def copied(original: sqlite3.Connection, folder: Path) -> None:
    """Write a copy of the database, as of one moment, to `folder`."""
    with closing(sqlite3.connect(folder / FILE)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # it goes with the audit
        original.backup(copy)


def check_whole(connection: sqlite3.Connection) -> list[Finding]:
    """Return whether SQLite finds its own file in order."""
    try:
        lines = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        lines = [str(error)]
    faults = [failed(FILE, f"the database is damaged: {line}") for line in lines if line != "ok"]
    return faults or [proven(FILE, "the database is whole (PRAGMA integrity_check)")]


def check_triggers(connection: sqlite3.Connection) -> list[Finding]:
    """Return whether each table still has the triggers that refuse changes, and no other."""
    wanted = _wanted_triggers()
    there, tables = _triggers(connection), _tables(connection)
    faults = []
    for name, (table, sql) in wanted.items():
        if table not in tables:
            continue
        if name not in there:
            faults.append(failed(f"trigger {name}", f"is gone: rows of {table} could be changed"))
        elif _meaning(there[name]) != _meaning((table, sql)):
            faults.append(failed(f"trigger {name}", f"is not the one that protects {table}: {there[name][1]}"))
    faults += [
        failed(f"trigger {name}", f"is none of ours: {there[name][1]}") for name in sorted(there.keys() - wanted)
    ]
    faults += [
        failed(f"table {table}", "is missing: dropped, or of an older labkit (then `labkit show` makes it)")
        for table in sorted(TABLES.tables.keys() - tables)
    ]
    return faults or [proven(FILE, f"{len(wanted)} triggers refuse every change of {len(tables)} tables")]


def check_gaps(connection: sqlite3.Connection) -> list[Finding]:
    """Return which rows are missing from tables that the database numbers."""
    faults = [fault for table in sorted(_tables(connection) & set(_COUNTED)) for fault in _gaps(connection, table)]
    return unless(faults, FILE, "no row was taken out of the middle of a table")


def check_cells(connection: sqlite3.Connection) -> list[Finding]:
    """Return which cells hold something that cannot be what was written."""
    tables = [table for name, table in TABLES.tables.items() if name in _tables(connection)]
    faults = [fault for table in tables for fault in _unreadable(connection, table)]
    return unless(faults, FILE, "every cell can be read")


def _gaps(connection: sqlite3.Connection, table: str) -> Iterator[Finding]:
    ids = [row[0] for row in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
    # rows are numbered as they come, and none ever goes: a hole is a row that was deleted
    if missing := sorted(set(range(1, max(ids, default=0) + 1)) - set(ids)):
        yield failed(f"table {table}", f"row {', '.join(map(str, missing[:10]))} is gone")
    if ids and ids[0] < 1:
        yield failed(f"table {table}", f"row {ids[0]} was not numbered by the database")


def _unreadable(connection: sqlite3.Connection, table: sa.Table) -> Iterator[Finding]:
    known = {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table.name})")}
    for column in (column for column in table.columns if column.name in known):
        cells = connection.execute(f'SELECT rowid, typeof("{column.name}"), "{column.name}" FROM {table.name}')
        for rowid, stored_as, value in cells:
            if reason := _trouble(column, stored_as, value):
                yield failed(f"table {table.name}, row {rowid}", f"{column.name} = {str(value)[:80]!r}: {reason}")


def _trouble(column: sa.Column[Any], stored_as: str, value: Any) -> str:
    """Return why a cell cannot be what labkit wrote; "" if it can."""
    if stored_as == "null":
        return "" if column.nullable else "nothing stands there"
    if isinstance(column.type, Json):
        return _not_json(value)
    if isinstance(column.type, sa.Boolean) and value not in (0, 1):
        return "neither true nor false"
    kind = next((kind for kind in _STORED_AS if isinstance(column.type, kind)), sa.Text)
    allowed = _STORED_AS[kind] | ({"blob"} if isinstance(column.type, sa.TypeDecorator) else set())
    return "" if stored_as in allowed else f"is stored as {stored_as}, expected {' or '.join(sorted(allowed))}"


def _not_json(value: Any) -> str:
    try:
        json.loads(value)
    except (ValueError, TypeError, RecursionError) as error:
        return f"no JSON: {error}"
    return ""


@cache
def _wanted_triggers() -> dict[str, tuple[str, str]]:
    """Return the triggers of a ledger that was just made."""
    with closing(Ledger("sqlite://")) as fresh, fresh.engine.connect() as connection:
        return {name: (table, sql) for name, table, sql in connection.exec_driver_sql(_ALL_TRIGGERS)}


def _triggers(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    return {name: (table, sql) for name, table, sql in connection.execute(_ALL_TRIGGERS)}


def _meaning(trigger: tuple[str, str]) -> tuple[str, str, list[str]]:
    """Return a trigger's table, its frame and its conditions, which stand in no fixed order."""
    table, sql = trigger
    return table, _CONDITION.sub("()", sql), sorted(_CONDITION.findall(sql))


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {row[0] for row in rows}
