"""The campaign's database: rows are added, never edited, never deleted; the database itself refuses.

An entry is one candidate's line: proposal, then evaluation, then verdict, each recorded the moment it
exists, so that a crash loses at most the work in flight and never an answer that was paid for.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from labkit.adopt import Decision, Rule, Verdict
from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import LedgerError
from labkit.propose.exchange import Exchange, from_values
from labkit.propose.proposer import Proposal
from labkit.rd import Comparison, RDPoint


class _Json(sa.TypeDecorator[Any]):
    """JSON as text: a column type that takes infinite PSNR in every database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


class _Text(sa.TypeDecorator[str]):
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


_tables = sa.MetaData()
_POINT_FIELDS = [field for field in dataclasses.fields(RDPoint) if field.name != "reported"]
"""What a report says is no measured figure and has a table of its own."""
_COLUMN_TYPES: dict[Any, Any] = {str: sa.Text, int: sa.BigInteger, float: sa.Float}


def _table(name: str, *columns: Any) -> sa.Table:
    return sa.Table(name, _tables, *columns, sa.Column("at", sa.Text, nullable=False))


def _number(name: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, **more)


_campaign = _table("campaign", _number("id", primary_key=True), sa.Column("settings", _Json, nullable=False),
                   sa.Column("versions", _Json, nullable=False))  # fmt: skip
_clips = _table("clips", sa.Column("name", sa.Text, primary_key=True), sa.Column("hash", sa.Text, nullable=False),
                _number("width"), _number("height"), _number("frames"), sa.Column("fps", sa.Text),
                sa.Column("matrix", sa.Text), sa.Column("origin", sa.Text), sa.Column("notes", _Json))  # fmt: skip
_generations = _table("generations", _number("number", primary_key=True), _number("champion_version"),
                      sa.Column("isolation", sa.Text, nullable=False))  # fmt: skip
_proposals = _table("proposals", _number("number", primary_key=True), _number("generation", nullable=False),
                    _number("slot", nullable=False), sa.Column("candidate", sa.Text, nullable=False),
                    sa.Column("parent", sa.Text, nullable=False), sa.Column("proposer", sa.Text, nullable=False),
                    sa.Column("hypothesis", _Text, nullable=False), sa.Column("source", _Text, nullable=False),
                    sa.UniqueConstraint("generation", "slot"))  # fmt: skip
_evaluations = _table("evaluations", _number("proposal", primary_key=True, autoincrement=False),
                      sa.Column("candidate", sa.Text, nullable=False), sa.Column("isolation", sa.Text, nullable=False),
                      sa.Column("failure", _Json), sa.Column("wall_s", sa.Float), sa.Column("cpu_s", sa.Float),
                      sa.Column("warmed", sa.Boolean), sa.Column("output", _Text))  # fmt: skip
_points = _table("rate_points", _number("id", primary_key=True), _number("proposal"), sa.Column("anchor", sa.Text),
                 *(sa.Column(f.name, _COLUMN_TYPES.get(f.type, _Json), nullable=False) for f in _POINT_FIELDS),
                 sa.UniqueConstraint("proposal", "clip", "qp"),
                 sa.UniqueConstraint("anchor", "clip", "qp"))  # fmt: skip
_reported = _table("reported_bytes", _number("id", primary_key=True), _number("proposal", nullable=False),
                   sa.Column("clip", sa.Text, nullable=False), _number("qp", nullable=False),
                   sa.Column("rows", _Json, nullable=False), sa.UniqueConstraint("proposal", "clip", "qp"))  # fmt: skip
_programs = _table("programs", _number("proposal", primary_key=True, autoincrement=False),
                   sa.Column("program", sa.Text))  # fmt: skip
_verdicts = _table("verdicts", _number("proposal", primary_key=True, autoincrement=False),
                   sa.Column("decision", sa.Text, nullable=False), _number("version", unique=True),
                   sa.Column("bd_rate_pct", sa.Float), sa.Column("by_clip", _Json, nullable=False),
                   sa.Column("reasons", _Json, nullable=False), sa.Column("rule", _Json, nullable=False))  # fmt: skip
_costs = _table("costs", _number("id", primary_key=True), _number("generation"), _number("proposal"),
                sa.Column("proposer", sa.Text), sa.Column("usd", sa.Float, nullable=False))  # fmt: skip
_exchanges = _table("exchanges", _number("number", primary_key=True),
                    sa.Column("id", sa.Text, nullable=False, unique=True),
                    _number("generation", nullable=False), _number("slot", nullable=False),
                    sa.Column("purpose", sa.Text, nullable=False), sa.Column("model", sa.Text, nullable=False),
                    sa.Column("usd", sa.Float), sa.Column("exchange", _Json, nullable=False))  # fmt: skip
_batches = _table("batches", _number("number", primary_key=True),
                  sa.Column("key", sa.Text, nullable=False, unique=True),
                  sa.Column("id", sa.Text, nullable=False))  # fmt: skip
_lessons = _table("lessons", _number("number", primary_key=True), _number("experiments", nullable=False),
                  sa.Column("lessons", _Json, nullable=False), sa.Column("origin", _Text, nullable=False))  # fmt: skip
_alerts = _table("alerts", _number("id", primary_key=True), _number("generation"), sa.Column("kind", sa.Text),
                 sa.Column("text", _Text, nullable=False))  # fmt: skip
_ends = _table("generation_ends", _number("number", primary_key=True), sa.Column("wall_s", sa.Float))


@dataclass(frozen=True)
class Entry:
    """One candidate's line in the ledger.

    Attributes:
        number: counts all candidates of the campaign from 0.
        version: the version that it became, None if it was not adopted.
    """

    number: int
    generation: int
    slot: int
    candidate: Candidate
    evaluation: Evaluation | None
    verdict: Verdict | None
    version: int | None

    @property
    def outcome(self) -> str:
        """adopted, rejected, failed, or where it stands: proposed, measured."""
        if self.evaluation is None:
            return "proposed"
        if self.evaluation.failure is not None:
            return "failed"
        return "measured" if self.verdict is None else str(self.verdict.decision)


class Ledger:
    """Open (or make) the database at `url`: "sqlite:///path" or any that SQLAlchemy knows."""

    def __init__(self, url: str | sa.URL) -> None:
        shown = "of this URL"
        try:
            shown = str(sa.make_url(url))  # a password in it is shown as ***
            self.engine = sa.create_engine(url)
            if self.engine.dialect.name == "sqlite":
                sa.event.listen(self.engine, "connect", _prepare_sqlite)
            with self.engine.begin() as connection:
                for table in _tables.sorted_tables:  # not create_all: it looks first, and another may be creating
                    connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            self._forbid_changes()
        except (SQLAlchemyError, ImportError) as error:
            raise LedgerError(f"cannot open the ledger {shown}: {_cause(error)}") from error

    @classmethod
    def at(cls, folder: Path) -> "Ledger":
        """Return the ledger of the campaign in `folder`."""
        return cls(sa.URL.create("sqlite", database=str(folder / "ledger.sqlite")))  # a name may hold ? or %

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def _forbid_changes(self) -> None:
        if self.engine.dialect.name != "sqlite":
            return
        with self.engine.begin() as connection:
            for name, table in _tables.tables.items():
                # INSERT OR REPLACE deletes without a DELETE: so no row may come whose key stands already
                standing = f" WHEN EXISTS (SELECT 1 FROM {name} WHERE {_same_key(table)})"
                for action, when in (("UPDATE", ""), ("DELETE", ""), ("INSERT", standing)):
                    told = f"the ledger only grows: no {action} of a row of {name} that stands"
                    connection.exec_driver_sql(
                        f"CREATE TRIGGER IF NOT EXISTS {name}_no_{action.lower()} BEFORE {action} ON {name}{when} "
                        f"BEGIN SELECT RAISE(ABORT, '{told}'); END"
                    )

    def _add(self, *rows: tuple[sa.Table, Mapping[str, Any]]) -> int:
        """Insert all rows or none; return the first row's primary key."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            with self.engine.begin() as connection:
                keys = [
                    connection.execute(table.insert().values(**row, at=at)).inserted_primary_key for table, row in rows
                ]
        except SQLAlchemyError as error:
            raise LedgerError(f"cannot write to the ledger {self.engine.url}: {_cause(error)}") from error
        return int(keys[0][0]) if keys and keys[0] and isinstance(keys[0][0], int) else 0

    def _rows(self, table: sa.Table, *where: Any) -> list[Any]:
        return self._select(sa.select(table).where(*where).order_by(*table.primary_key))

    def _select(self, query: sa.Select[Any]) -> list[Any]:
        try:
            with self.engine.connect() as connection:
                return list(connection.execute(query))
        except SQLAlchemyError as error:
            raise LedgerError(f"cannot read the ledger {self.engine.url}: {_cause(error)}") from error

    # --- the campaign --------------------------------------------------------------------------------

    def record_settings(self, settings: Mapping[str, Any], versions: Mapping[str, str]) -> None:
        """Add what was asked for, and the versions of what will do it."""
        self._add((_campaign, {"settings": dict(settings), "versions": dict(versions)}))

    def settings(self) -> dict[str, Any] | None:
        """Return what was asked for last; None for a new ledger."""
        rows = self._rows(_campaign)
        return rows[-1].settings if rows else None

    def versions(self) -> dict[str, str]:
        """Return the versions of labkit, its libraries and the machine, as recorded last."""
        rows = self._rows(_campaign)
        return rows[-1].versions if rows else {}

    def record_clips(self, clips: Iterable[Clip]) -> None:
        """Add what the clips are; those recorded before must be the same."""
        known = self.clips()
        rows = []
        for clip in clips:
            if clip.name not in known:
                rows.append((_clips, {
                    "name": clip.name, "hash": clip.hash, "width": clip.width, "height": clip.height,
                    "frames": len(clip), "fps": str(clip.fps), "matrix": clip.matrix, "origin": clip.origin,
                    "notes": list(clip.notes),
                }))  # fmt: skip
            elif known[clip.name].hash != clip.hash:
                raise LedgerError(
                    f"clip {clip.name!r} has changed since the campaign began: {clip.hash[:12]} now, "
                    f"{known[clip.name].hash[:12]} then; restore it or start a new campaign with --name"
                )
        self._add(*rows)

    def clips(self) -> dict[str, Any]:
        """Return the clips' rows by name: hash, width, height, frames, fps, origin, notes."""
        return {row.name: row for row in self._rows(_clips)}

    # --- generations ---------------------------------------------------------------------------------

    def begin_generation(self, number: int, champion_version: int | None, isolation: str) -> None:
        """Add that a generation has begun."""
        self._add((_generations, {"number": number, "champion_version": champion_version, "isolation": isolation}))

    def generations(self) -> dict[int, Any]:
        """Return the rows of all generations begun, by number."""
        return {row.number: row for row in self._rows(_generations)}

    def end_generation(self, number: int, wall_s: float) -> None:
        """Add that a generation is complete: every candidate has its verdict."""
        self._add((_ends, {"number": number, "wall_s": wall_s}))

    def ended(self) -> dict[int, float]:
        """Return the wall seconds of every complete generation, by number."""
        return {row.number: row.wall_s for row in self._rows(_ends)}

    # --- entries -------------------------------------------------------------------------------------

    def record_proposal(
        self, generation: int, slot: int, proposal: Proposal, proposer: str, program: str | None = None
    ) -> int:
        """Add a proposal and its cost the moment they exist; return its number.

        Args:
            program: `labkit.policy.normal_hash` of its source: equal ones are the same program.
        """
        ((number,),) = self._select(sa.select(sa.func.count()).select_from(_proposals))
        candidate = proposal.candidate
        self._add(
            (_proposals, {"number": number, "generation": generation, "slot": slot, "candidate": candidate.hash,
                          "parent": candidate.parent, "proposer": candidate.proposer,
                          "hypothesis": candidate.hypothesis, "source": candidate.source}),
            (_costs, {"generation": generation, "proposal": number, "proposer": proposer, "usd": proposal.cost_usd}),
            (_programs, {"proposal": number, "program": program}),
        )  # fmt: skip
        return int(number)

    def record_evaluation(self, number: int, evaluation: Evaluation) -> None:
        """Add what was measured of an entry: rate points or the failure.

        Raises:
            ValueError: the figures are another program's than the entry's.
        """
        (proposal,) = self._rows(_proposals, _proposals.c.number == number) or (None,)
        measured = {evaluation.candidate, *(point.candidate for point in evaluation.points)}
        if proposal is None or measured != {proposal.candidate}:
            raise ValueError(f"entry {number} is {proposal and proposal.candidate}, the figures are of {measured}")
        row = {
            "proposal": number, "candidate": evaluation.candidate, "isolation": evaluation.isolation,
            "failure": dataclasses.asdict(evaluation.failure) if evaluation.failure else None,
            "wall_s": evaluation.wall_s, "cpu_s": evaluation.cpu_s, "warmed": evaluation.warmed,
            "output": evaluation.output,
        }  # fmt: skip
        points = ((_points, {"proposal": number, **_measured(point)}) for point in evaluation.points)
        reported = (
            (_reported, {"proposal": number, "clip": point.clip, "qp": point.qp, "rows": dict(point.reported)})
            for point in evaluation.points
            if point.reported
        )
        self._add((_evaluations, row), *points, *reported)

    def record_anchor(self, name: str, points: Iterable[RDPoint]) -> None:
        """Add a real encoder's rate points on one clip, unless they stand already."""
        known = {(row.clip, row.qp) for row in self._rows(_points, _points.c.anchor == name)}
        new = [point for point in points if (point.clip, point.qp) not in known]
        self._add(*((_points, {"anchor": name, **_measured(point)}) for point in new))

    def record_verdicts(self, verdicts: Mapping[int, Verdict], versions: Mapping[int, int], rule: Rule) -> None:
        """Add the verdicts on entries, all or none, and the versions that some became, both by the entry's number."""
        rows = (
            {
                "proposal": number,
                "decision": str(verdict.decision),
                "version": versions.get(number),
                "bd_rate_pct": verdict.bd_rate_pct,
                "by_clip": [dataclasses.asdict(comparison) for comparison in verdict.by_clip],
                "reasons": list(verdict.reasons),
                "rule": dataclasses.asdict(rule),
            }
            for number, verdict in verdicts.items()
        )
        self._add(*((_verdicts, row) for row in rows))

    def record_alert(self, generation: int, kind: str, text: str) -> None:
        """Add something that a person should look at; said once, however often a generation is resumed."""
        if (generation, kind, text) not in {(row.generation, row.kind, row.text) for row in self.alerts()}:
            self._add((_alerts, {"generation": generation, "kind": kind, "text": text}))

    def alerts(self) -> list[Any]:
        """Return all alerts: generation, kind, text."""
        return self._rows(_alerts)

    def cost_usd(self) -> float:
        """Return the sum of all costs."""
        return float(sum(row.usd for row in self._rows(_costs)))

    # --- what was asked of models --------------------------------------------------------------------

    def record_exchange(self, exchange: Exchange) -> None:
        """Add a request, its answer and its cost, in one step; one whose id stands already is not added again."""
        if self._rows(_exchanges, _exchanges.c.id == exchange.id):
            return
        row = {
            "id": exchange.id, "generation": exchange.generation, "slot": exchange.slot, "purpose": exchange.purpose,
            "model": exchange.model, "usd": exchange.usd, "exchange": dataclasses.asdict(exchange),
        }  # fmt: skip
        cost = {"generation": exchange.generation, "proposer": exchange.model, "usd": exchange.usd or 0.0}
        self._add((_exchanges, row), (_costs, cost))

    def exchanges(self, generation: int | None = None) -> list[Exchange]:
        """Return what was asked and answered, in order: in all, or in one generation."""
        where = () if generation is None else (_exchanges.c.generation == generation,)
        return [from_values(row.exchange) for row in self._rows(_exchanges, *where)]

    def record_batch(self, key: str, batch_id: str) -> None:
        """Add that a message batch was sent, so that a restart waits for it and sends nothing."""
        self._add((_batches, {"key": key, "id": batch_id}))

    def batch(self, key: str) -> str:
        """Return the id of a batch that was sent under `key`; "" if none was."""
        rows = self._rows(_batches, _batches.c.key == key)
        return str(rows[0].id) if rows else ""

    def record_lessons(self, experiments: int, lessons: Sequence[str], origin: str) -> None:
        """Add the lessons after so many experiments; they take the place of all earlier ones."""
        self._add((_lessons, {"experiments": experiments, "lessons": list(lessons), "origin": origin}))

    def lessons(self) -> list[Any]:
        """Return every state of the lessons, the last one in force: experiments, lessons, origin."""
        return self._rows(_lessons)

    def programs(self) -> dict[int, str | None]:
        """Return the normal hash of every entry's program, by number."""
        return {row.proposal: row.program for row in self._rows(_programs)}

    # --- reading -------------------------------------------------------------------------------------

    def entries(self, generation: int | None = None) -> list[Entry]:
        """Return all entries in order, or those of one generation."""
        where = () if generation is None else (_proposals.c.generation == generation,)
        proposals = self._rows(_proposals, *where)
        numbers = [row.number for row in proposals]
        evaluations = {row.proposal: row for row in self._rows(_evaluations, _evaluations.c.proposal.in_(numbers))}
        verdicts = {row.proposal: row for row in self._rows(_verdicts, _verdicts.c.proposal.in_(numbers))}
        points: dict[int, list[RDPoint]] = {}
        told = self._rows(_reported, _reported.c.proposal.in_(numbers))
        reported = {(row.proposal, row.clip, row.qp): tuple(row.rows.items()) for row in told}
        for row in self._rows(_points, _points.c.proposal.in_(numbers)):
            says = reported.get((row.proposal, row.clip, row.qp), ())
            points.setdefault(row.proposal, []).append(dataclasses.replace(_point(row), reported=says))
        return [_entry(row, evaluations, tuple(points.get(row.number, ())), verdicts) for row in proposals]

    def anchors(self) -> dict[str, dict[str, tuple[RDPoint, ...]]]:
        """Return the real encoders' rate points, by anchor, then by clip."""
        found: dict[str, dict[str, tuple[RDPoint, ...]]] = {}
        for row in self._rows(_points, _points.c.anchor.is_not(None)):
            clips = found.setdefault(row.anchor, {})
            clips[row.clip] = (*clips.get(row.clip, ()), _point(row))
        return found


def _same_key(table: sa.Table) -> str:
    """Return SQL that is true of a row with the primary key or a unique key of the row to come."""
    unique = [c.columns for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    keys = [" AND ".join(f"{c.name} = NEW.{c.name}" for c in key) for key in (table.primary_key.columns, *unique)]
    return " OR ".join(f"({key})" for key in keys)


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA journal_mode=WAL")  # a monitor may read while the campaign writes
    connection.execute("PRAGMA synchronous=FULL")  # a paid answer survives a power cut


def _measured(point: RDPoint) -> dict[str, Any]:
    return {field.name: getattr(point, field.name) for field in _POINT_FIELDS}


def _point(row: Any) -> RDPoint:
    values: dict[str, Any] = {f.name: getattr(row, f.name) for f in _POINT_FIELDS}
    lists: dict[str, Any] = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return RDPoint(**{**values, **lists})


def _entry(row: Any, evaluations: dict[int, Any], points: tuple[RDPoint, ...], verdicts: dict[int, Any]) -> Entry:
    candidate = Candidate(row.source, row.proposer, row.hypothesis, row.parent)
    measured, judged = evaluations.get(row.number), verdicts.get(row.number)
    evaluation = _evaluation(measured, points) if measured else None
    verdict = _verdict(judged) if judged else None
    version = judged.version if judged else None
    return Entry(row.number, row.generation, row.slot, candidate, evaluation, verdict, version)


def _evaluation(row: Any, points: tuple[RDPoint, ...]) -> Evaluation:
    failure = None
    if row.failure is not None:
        stage, kind = Stage(row.failure["stage"]), FailureKind(row.failure["kind"])
        failure = Failure(**{**row.failure, "stage": stage, "kind": kind})
    return Evaluation(row.candidate, row.isolation, points, failure, row.wall_s, row.cpu_s, row.warmed, row.output)


def _verdict(row: Any) -> Verdict:
    by_clip = tuple(Comparison(**comparison) for comparison in row.by_clip)
    return Verdict(Decision(row.decision), tuple(row.reasons), row.bd_rate_pct, by_clip)


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
