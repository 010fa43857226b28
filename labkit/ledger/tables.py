"""The ledger's tables, and the triggers by which the database itself refuses to change a row."""

import dataclasses
import json
from typing import Any

import sqlalchemy as sa

from labkit.rd import RDPoint


class Json(sa.TypeDecorator[Any]):
    """JSON as text: a column type that takes infinite PSNR in every database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


class Words(sa.TypeDecorator[str]):
    """Text of others, whatever it holds: a lone surrogate, which UTF-8 cannot spell, goes in as bytes."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        try:
            return value.encode("utf-8").decode("utf-8") if value else value
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


TABLES = sa.MetaData()
POINT_FIELDS = [field for field in dataclasses.fields(RDPoint) if field.name != "reported"]
"""What a report says is no measured figure and has a table of its own."""
_COLUMN_TYPES: dict[Any, Any] = {str: sa.Text, int: sa.BigInteger, float: sa.Float, float | None: sa.Float}


_LATER = ("ms_ssim", "frame_hashes")
"""Columns that older ledgers lack: theirs are empty."""


def _point_columns() -> list[sa.Column[Any]]:
    return [sa.Column(f.name, _COLUMN_TYPES.get(f.type, Json), nullable=f.name in _LATER) for f in POINT_FIELDS]


def _table(name: str, *columns: Any) -> sa.Table:
    return sa.Table(name, TABLES, *columns, sa.Column("at", sa.Text, nullable=False))


def _number(name: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, **more)


def _points_table(name: str) -> sa.Table:
    return _table(
        name, _number("id", primary_key=True), _number("proposal"), sa.Column("anchor", sa.Text), *_point_columns(),
        sa.UniqueConstraint("proposal", "clip", "qp"), sa.UniqueConstraint("anchor", "clip", "qp"),
    )  # fmt: skip


CAMPAIGN = _table("campaign", _number("id", primary_key=True), sa.Column("settings", Json, nullable=False),
                   sa.Column("versions", Json, nullable=False))  # fmt: skip
CLIPS = _table("clips", sa.Column("name", sa.Text, primary_key=True), sa.Column("hash", sa.Text, nullable=False),
                _number("width"), _number("height"), _number("frames"), sa.Column("fps", sa.Text),
                sa.Column("matrix", sa.Text), sa.Column("origin", sa.Text), sa.Column("notes", Json),
                sa.Column("role", sa.Text))  # fmt: skip
GENERATIONS = _table("generations", _number("number", primary_key=True), _number("champion_version"),
                      sa.Column("isolation", sa.Text, nullable=False))  # fmt: skip
PROPOSALS = _table("proposals", _number("number", primary_key=True), _number("generation", nullable=False),
                    _number("slot", nullable=False), sa.Column("candidate", sa.Text, nullable=False),
                    sa.Column("parent", sa.Text, nullable=False), sa.Column("proposer", sa.Text, nullable=False),
                    sa.Column("hypothesis", Words, nullable=False), sa.Column("source", Words, nullable=False),
                    sa.UniqueConstraint("generation", "slot"))  # fmt: skip
EVALUATIONS = _table("evaluations", _number("proposal", primary_key=True, autoincrement=False),
                      sa.Column("candidate", sa.Text, nullable=False), sa.Column("isolation", sa.Text, nullable=False),
                      sa.Column("failure", Json), sa.Column("wall_s", sa.Float), sa.Column("cpu_s", sa.Float),
                      sa.Column("warmed", sa.Boolean), sa.Column("output", Words),
                      sa.Column("stopped", sa.Text), _number("cached"))  # fmt: skip
POINTS = _points_table("rate_points")
REPORTED = _table("reported_bytes", _number("id", primary_key=True), _number("proposal", nullable=False),
                   sa.Column("clip", sa.Text, nullable=False), _number("qp", nullable=False),
                   sa.Column("rows", Json, nullable=False), sa.UniqueConstraint("proposal", "clip", "qp"))  # fmt: skip
PROGRAMS = _table("programs", _number("proposal", primary_key=True, autoincrement=False),
                   sa.Column("program", sa.Text))  # fmt: skip
VERDICTS = _table("verdicts", _number("proposal", primary_key=True, autoincrement=False),
                   sa.Column("decision", sa.Text, nullable=False), _number("version", unique=True),
                   sa.Column("bd_rate_pct", sa.Float), sa.Column("by_clip", Json, nullable=False),
                   sa.Column("reasons", Json, nullable=False), sa.Column("rule", Json, nullable=False))  # fmt: skip
COSTS = _table("costs", _number("id", primary_key=True), _number("generation"), _number("proposal"),
                sa.Column("proposer", sa.Text), sa.Column("usd", sa.Float, nullable=False))  # fmt: skip
EXCHANGES = _table("exchanges", _number("number", primary_key=True),
                    sa.Column("id", sa.Text, nullable=False, unique=True),
                    _number("generation", nullable=False), _number("slot", nullable=False),
                    sa.Column("purpose", sa.Text, nullable=False), sa.Column("model", sa.Text, nullable=False),
                    sa.Column("usd", sa.Float), sa.Column("exchange", Json, nullable=False))  # fmt: skip
BATCHES = _table("batches", _number("number", primary_key=True),
                  sa.Column("key", sa.Text, nullable=False, unique=True),
                  sa.Column("id", sa.Text, nullable=False))  # fmt: skip
LESSONS = _table("lessons", _number("number", primary_key=True), _number("experiments", nullable=False),
                  sa.Column("lessons", Json, nullable=False), sa.Column("origin", Words, nullable=False))  # fmt: skip
ALERTS = _table("alerts", _number("id", primary_key=True), _number("generation"), sa.Column("kind", sa.Text),
                 sa.Column("text", Words, nullable=False))  # fmt: skip
ENDS = _table("generation_ends", _number("number", primary_key=True), sa.Column("wall_s", sa.Float))
HELD_OUT = _table("held_out_evaluations", _number("proposal", primary_key=True, autoincrement=False),
                  sa.Column("candidate", sa.Text, nullable=False), sa.Column("isolation", sa.Text, nullable=False),
                  sa.Column("failure", Json), sa.Column("wall_s", sa.Float), sa.Column("cpu_s", sa.Float),
                  sa.Column("warmed", sa.Boolean), sa.Column("output", Words),
                  sa.Column("stopped", sa.Text), _number("cached"),
                  sa.Column("purpose", sa.Text, nullable=False))  # fmt: skip
HELD_OUT_POINTS = _points_table("held_out_points")
GOAL_POINTS = _points_table("goal_points")
"""Of the goal's anchor, and of versions at QPs beyond those of their curves."""
CHECKS = _table("checks", _number("id", primary_key=True), _number("proposal", nullable=False),
                sa.Column("kind", sa.Text, nullable=False), sa.Column("passed", sa.Boolean, nullable=False),
                sa.Column("detail", Words, nullable=False), sa.Column("failure", Json),
                sa.Column("wall_s", sa.Float), sa.Column("cpu_s", sa.Float),
                sa.UniqueConstraint("proposal", "kind"))  # fmt: skip
VMAF = _table("vmaf", _number("id", primary_key=True), _number("proposal"), sa.Column("anchor", sa.Text),
              sa.Column("clip", sa.Text, nullable=False), _number("qp", nullable=False),
              sa.Column("vmaf", sa.Float, nullable=False), sa.Column("model", sa.Text, nullable=False),
              sa.Column("ffmpeg", sa.Text, nullable=False), sa.UniqueConstraint("proposal", "clip", "qp"),
              sa.UniqueConstraint("anchor", "clip", "qp"))  # fmt: skip
CANARIES = _table("canaries", _number("id", primary_key=True), sa.Column("name", sa.Text, nullable=False),
                  sa.Column("expected", sa.Text, nullable=False), sa.Column("came", Words, nullable=False),
                  sa.Column("passed", sa.Boolean, nullable=False),
                  sa.Column("isolation", sa.Text, nullable=False))  # fmt: skip


def make_tables(engine: sa.Engine) -> None:
    """Make what is missing: tables, columns that an older ledger lacks, and triggers against every change."""
    with engine.begin() as connection:
        for table in TABLES.sorted_tables:  # not create_all: it looks first, and another may be creating
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        inspector = sa.inspect(connection)
        for name, table in TABLES.tables.items():
            known = {column["name"] for column in inspector.get_columns(name)}
            for column in (column for column in table.columns if column.name not in known):
                spelt = sa.schema.CreateColumn(column).compile(dialect=engine.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {spelt}")
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            for name, table in TABLES.tables.items():
                _forbid_changes(connection, name, table)


def _forbid_changes(connection: sa.Connection, name: str, table: sa.Table) -> None:
    # INSERT OR REPLACE deletes without a DELETE: so no row may come whose key stands already
    standing = f" WHEN EXISTS (SELECT 1 FROM {name} WHERE {_same_key(table)})"
    for action, when in (("UPDATE", ""), ("DELETE", ""), ("INSERT", standing)):
        told = f"the ledger only grows: no {action} of a row of {name} that stands"
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS {name}_no_{action.lower()} BEFORE {action} ON {name}{when} "
            f"BEGIN SELECT RAISE(ABORT, '{told}'); END"
        )


def _same_key(table: sa.Table) -> str:
    """Return SQL that is true of a row with the primary key or a unique key of the row to come."""
    constraints = [c.columns for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    unique = sorted(constraints, key=lambda columns: columns.keys())  # a set's order differs from run to run
    keys = [" AND ".join(f"{c.name} = NEW.{c.name}" for c in key) for key in (table.primary_key.columns, *unique)]
    return " OR ".join(f"({key})" for key in keys)


def prepare_sqlite(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA journal_mode=WAL")  # a monitor may read while the campaign writes
    connection.execute("PRAGMA synchronous=FULL")  # a paid answer survives a power cut
