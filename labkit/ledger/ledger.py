"""The campaign's database: rows are added, never edited, never deleted; the database itself refuses.

An entry is one candidate's line: proposal, then evaluation, then verdict, each recorded the moment it
exists, so that a crash loses at most the work in flight and never an answer that was paid for.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from labkit.adopt import Rule, Verdict
from labkit.candidate import Check, Evaluation
from labkit.clip import Clip
from labkit.errors import LedgerError
from labkit.ledger.rows import (
    DEVELOPMENT,
    Entry,
    as_entry,
    as_evaluation,
    as_failure,
    as_point,
    measured_point,
    measurement,
    points_of,
)
from labkit.ledger.tables import (
    ALERTS,
    BATCHES,
    CAMPAIGN,
    CANARIES,
    CHECKS,
    CLIPS,
    COSTS,
    ENDS,
    EVALUATIONS,
    EXCHANGES,
    GENERATIONS,
    GOAL_POINTS,
    HELD_OUT,
    HELD_OUT_POINTS,
    LESSONS,
    POINTS,
    PROGRAMS,
    PROPOSALS,
    REPORTED,
    TABLES,
    VERDICTS,
    VMAF,
    make_tables,
    prepare_sqlite,
)
from labkit.propose.exchange import Exchange, from_values
from labkit.propose.proposer import Proposal
from labkit.rd import RDPoint


class Ledger:
    """Open (or make) the database at `url`: "sqlite:///path" or any that SQLAlchemy knows."""

    def __init__(self, url: str | sa.URL) -> None:
        shown = "of this URL"
        try:
            shown = str(sa.make_url(url))  # a password in it is shown as ***
            self.engine = sa.create_engine(url)
            if self.engine.dialect.name == "sqlite":
                sa.event.listen(self.engine, "connect", prepare_sqlite)
            make_tables(self.engine)
        except (SQLAlchemyError, ImportError) as error:
            raise LedgerError(f"cannot open the ledger {shown}: {_cause(error)}") from error

    @classmethod
    def at(cls, folder: Path) -> "Ledger":
        """Return the ledger of the campaign in `folder`."""
        return cls(sa.URL.create("sqlite", database=str(folder / "ledger.sqlite")))  # a name may hold ? or %

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

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
        self._add((CAMPAIGN, {"settings": dict(settings), "versions": dict(versions)}))

    def settings(self) -> dict[str, Any] | None:
        """Return what was asked for last; None for a new ledger."""
        rows = self._rows(CAMPAIGN)
        return rows[-1].settings if rows else None

    def versions(self) -> dict[str, str]:
        """Return the versions of labkit, its libraries and the machine, as recorded last."""
        rows = self._rows(CAMPAIGN)
        return rows[-1].versions if rows else {}

    def record_clips(self, clips: Iterable[Clip], role: str = DEVELOPMENT) -> None:
        """Add what the clips are, and whether they are held out; those recorded before must be the same."""
        known = {row.name: row for row in self._rows(CLIPS)}
        rows = []
        for clip in clips:
            if clip.name not in known:
                rows.append((CLIPS, {
                    "name": clip.name, "hash": clip.hash, "width": clip.width, "height": clip.height,
                    "frames": len(clip), "fps": str(clip.fps), "matrix": clip.matrix, "origin": clip.origin,
                    "notes": list(clip.notes), "role": role,
                }))  # fmt: skip
            elif known[clip.name].hash != clip.hash:
                raise LedgerError(
                    f"clip {clip.name!r} has changed since the campaign began: {clip.hash[:12]} now, "
                    f"{known[clip.name].hash[:12]} then; restore it or start a new campaign with --name"
                )
        self._add(*rows)

    def clips(self, role: str = DEVELOPMENT) -> dict[str, Any]:
        """Return the rows of development clips, or of held-out ones, by name: hash, width, height, frames, fps."""
        return {row.name: row for row in self._rows(CLIPS) if (row.role or DEVELOPMENT) == role}

    # --- generations ---------------------------------------------------------------------------------

    def begin_generation(self, number: int, champion_version: int | None, isolation: str) -> None:
        """Add that a generation has begun."""
        self._add((GENERATIONS, {"number": number, "champion_version": champion_version, "isolation": isolation}))

    def generations(self) -> dict[int, Any]:
        """Return the rows of all generations begun, by number."""
        return {row.number: row for row in self._rows(GENERATIONS)}

    def end_generation(self, number: int, wall_s: float) -> None:
        """Add that a generation is complete: every candidate has its verdict."""
        self._add((ENDS, {"number": number, "wall_s": wall_s}))

    def ended(self) -> dict[int, float]:
        """Return the wall seconds of every complete generation, by number."""
        return {row.number: row.wall_s for row in self._rows(ENDS)}

    # --- entries -------------------------------------------------------------------------------------

    def record_proposal(
        self, generation: int, slot: int, proposal: Proposal, proposer: str, program: str | None = None
    ) -> int:
        """Add a proposal and its cost the moment they exist; return its number.

        Args:
            program: `labkit.policy.normal_hash` of its source: equal ones are the same program.
        """
        ((number,),) = self._select(sa.select(sa.func.count()).select_from(PROPOSALS))
        candidate = proposal.candidate
        self._add(
            (PROPOSALS, {"number": number, "generation": generation, "slot": slot, "candidate": candidate.hash,
                          "parent": candidate.parent, "proposer": candidate.proposer,
                          "hypothesis": candidate.hypothesis, "source": candidate.source}),
            (COSTS, {"generation": generation, "proposal": number, "proposer": proposer, "usd": proposal.cost_usd}),
            (PROGRAMS, {"proposal": number, "program": program}),
        )  # fmt: skip
        return int(number)

    def record_evaluation(self, number: int, evaluation: Evaluation) -> None:
        """Add what was measured of an entry: rate points or the failure.

        Raises:
            ValueError: the figures are another program's than the entry's.
        """
        self._must_be_of(number, evaluation)
        points = ((POINTS, {"proposal": number, **measured_point(point)}) for point in evaluation.points)
        reported = (
            (REPORTED, {"proposal": number, "clip": point.clip, "qp": point.qp, "rows": dict(point.reported)})
            for point in evaluation.points
            if point.reported
        )
        self._add((EVALUATIONS, measurement(number, evaluation)), *points, *reported)

    def _must_be_of(self, number: int, evaluation: Evaluation) -> None:
        (proposal,) = self._rows(PROPOSALS, PROPOSALS.c.number == number) or (None,)
        measured = {evaluation.candidate, *(point.candidate for point in evaluation.points)}
        if proposal is None or measured != {proposal.candidate}:
            raise ValueError(f"entry {number} is {proposal and proposal.candidate}, the figures are of {measured}")

    def record_anchor(self, name: str, points: Iterable[RDPoint], role: str = DEVELOPMENT) -> None:
        """Add a real encoder's rate points on one clip, unless they stand already."""
        table = points_of(role)
        known = {(row.clip, row.qp) for row in self._rows(table, table.c.anchor == name)}
        new = [point for point in points if (point.clip, point.qp) not in known]
        self._add(*((table, {"anchor": name, **measured_point(point)}) for point in new))

    # --- what an adoption has to stand -------------------------------------------------------------------

    def record_held_out(self, number: int, evaluation: Evaluation, purpose: str) -> None:
        """Add what was measured of an entry on held-out clips, and for which decision: each row is a use of them.

        Raises:
            ValueError: the figures are another program's than the entry's.
        """
        self._must_be_of(number, evaluation)
        points = ((HELD_OUT_POINTS, {"proposal": number, **measured_point(point)}) for point in evaluation.points)
        self._add((HELD_OUT, {**measurement(number, evaluation), "purpose": purpose}), *points)

    def held_out(self) -> dict[int, Evaluation]:
        """Return all evaluations on held-out clips, by the entry's number."""
        points: dict[int, list[RDPoint]] = {}
        for row in self._rows(HELD_OUT_POINTS, HELD_OUT_POINTS.c.proposal.is_not(None)):
            points.setdefault(row.proposal, []).append(as_point(row))
        return {row.proposal: as_evaluation(row, tuple(points.get(row.proposal, ()))) for row in self._rows(HELD_OUT)}

    def held_out_uses(self) -> list[Any]:
        """Return one row for each decision that held-out clips were measured for: proposal, purpose, at."""
        return self._rows(HELD_OUT)

    def record_goal_points(self, number: int, points: Iterable[RDPoint]) -> None:
        """Add an entry's points beyond its curve, unless they stand already."""
        known = {(p.clip, p.qp) for p in self.goal_points().get(number, ())}
        new = [point for point in points if (point.clip, point.qp) not in known]
        self._add(*((GOAL_POINTS, {"proposal": number, **measured_point(point)}) for point in new))

    def goal_points(self) -> dict[int, tuple[RDPoint, ...]]:
        """Return the points beyond the curves, by the entry's number."""
        found: dict[int, tuple[RDPoint, ...]] = {}
        for row in self._rows(GOAL_POINTS, GOAL_POINTS.c.proposal.is_not(None)):
            found[row.proposal] = (*found.get(row.proposal, ()), as_point(row))
        return found

    def record_check(self, number: int, check: Check) -> None:
        """Add how a would-be adoption came out of a check."""
        self._add((CHECKS, {"proposal": number, **dataclasses.asdict(check)}))

    def checks(self) -> dict[int, list[Check]]:
        """Return the checks of all entries that came so far, by the entry's number."""
        found: dict[int, list[Check]] = {}
        for row in self._rows(CHECKS):
            check = Check(row.kind, row.passed, row.detail, as_failure(row.failure), row.wall_s, row.cpu_s)
            found.setdefault(row.proposal, []).append(check)
        return found

    def record_vmaf(self, who: int | str, clip: str, qp: int, vmaf: float, model: str, ffmpeg: str) -> None:
        """Add the VMAF of one rate point: of an entry, by its number, or of an anchor, by its name."""
        whose = {"proposal": who} if isinstance(who, int) else {"anchor": who}
        self._add((VMAF, {**whose, "clip": clip, "qp": qp, "vmaf": vmaf, "model": model, "ffmpeg": ffmpeg}))

    def vmaf(self) -> dict[int | str, dict[tuple[str, int], float]]:
        """Return VMAF, higher is better, by entry's number or anchor's name, then by clip and QP."""
        found: dict[int | str, dict[tuple[str, int], float]] = {}
        for row in self._rows(VMAF):
            found.setdefault(row.proposal if row.anchor is None else row.anchor, {})[row.clip, row.qp] = row.vmaf
        return found

    def record_canary(self, name: str, expected: str, came: str, passed: bool, isolation: str) -> None:
        """Add how a program of known result came out before the campaign began or went on."""
        row = {"name": name, "expected": expected, "came": came, "passed": passed, "isolation": isolation}
        self._add((CANARIES, row))

    def canaries(self) -> list[Any]:
        """Return all canaries' rows: name, expected, came, passed, isolation, at."""
        return self._rows(CANARIES)

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
        self._add(*((VERDICTS, row) for row in rows))

    def record_alert(self, generation: int, kind: str, text: str) -> None:
        """Add something that a person should look at; said once, however often a generation is resumed."""
        if (generation, kind, text) not in {(row.generation, row.kind, row.text) for row in self.alerts()}:
            self._add((ALERTS, {"generation": generation, "kind": kind, "text": text}))

    def alerts(self) -> list[Any]:
        """Return all alerts: generation, kind, text."""
        return self._rows(ALERTS)

    def cost_usd(self) -> float:
        """Return the sum of all costs."""
        return float(sum(row.usd for row in self._rows(COSTS)))

    # --- what was asked of models --------------------------------------------------------------------

    def record_exchange(self, exchange: Exchange) -> None:
        """Add a request, its answer and its cost, in one step; one whose id stands already is not added again."""
        if self._rows(EXCHANGES, EXCHANGES.c.id == exchange.id):
            return
        row = {
            "id": exchange.id, "generation": exchange.generation, "slot": exchange.slot, "purpose": exchange.purpose,
            "model": exchange.model, "usd": exchange.usd, "exchange": dataclasses.asdict(exchange),
        }  # fmt: skip
        cost = {"generation": exchange.generation, "proposer": exchange.model, "usd": exchange.usd or 0.0}
        self._add((EXCHANGES, row), (COSTS, cost))

    def exchanges(self, generation: int | None = None) -> list[Exchange]:
        """Return what was asked and answered, in order: in all, or in one generation."""
        where = () if generation is None else (EXCHANGES.c.generation == generation,)
        return [from_values(row.exchange) for row in self._rows(EXCHANGES, *where)]

    def record_batch(self, key: str, batch_id: str) -> None:
        """Add that a message batch was sent, so that a restart waits for it and sends nothing."""
        self._add((BATCHES, {"key": key, "id": batch_id}))

    def batch(self, key: str) -> str:
        """Return the id of a batch that was sent under `key`; "" if none was."""
        rows = self._rows(BATCHES, BATCHES.c.key == key)
        return str(rows[0].id) if rows else ""

    def record_lessons(self, experiments: int, lessons: Sequence[str], origin: str) -> None:
        """Add the lessons after so many experiments; they take the place of all earlier ones."""
        self._add((LESSONS, {"experiments": experiments, "lessons": list(lessons), "origin": origin}))

    def lessons(self) -> list[Any]:
        """Return every state of the lessons, the last one in force: experiments, lessons, origin."""
        return self._rows(LESSONS)

    def programs(self) -> dict[int, str | None]:
        """Return the normal hash of every entry's program, by number."""
        return {row.proposal: row.program for row in self._rows(PROGRAMS)}

    # --- reading -------------------------------------------------------------------------------------

    def rows(self, table: str) -> list[Any]:
        """Return all rows of a table as they stand, by its key: for an audit, which believes no hash."""
        return self._rows(TABLES.tables[table])

    def entries(self, generation: int | None = None) -> list[Entry]:
        """Return all entries in order, or those of one generation."""
        where = () if generation is None else (PROPOSALS.c.generation == generation,)
        proposals = self._rows(PROPOSALS, *where)
        numbers = [row.number for row in proposals]
        evaluations = {row.proposal: row for row in self._rows(EVALUATIONS, EVALUATIONS.c.proposal.in_(numbers))}
        verdicts = {row.proposal: row for row in self._rows(VERDICTS, VERDICTS.c.proposal.in_(numbers))}
        points: dict[int, list[RDPoint]] = {}
        told = self._rows(REPORTED, REPORTED.c.proposal.in_(numbers))
        reported = {(row.proposal, row.clip, row.qp): tuple(row.rows.items()) for row in told}
        for row in self._rows(POINTS, POINTS.c.proposal.in_(numbers)):
            says = reported.get((row.proposal, row.clip, row.qp), ())
            points.setdefault(row.proposal, []).append(dataclasses.replace(as_point(row), reported=says))
        return [as_entry(row, evaluations, tuple(points.get(row.number, ())), verdicts) for row in proposals]

    def anchors(self, role: str = DEVELOPMENT) -> dict[str, dict[str, tuple[RDPoint, ...]]]:
        """Return the real encoders' rate points on development clips, or on held-out ones, by anchor, then by clip."""
        found: dict[str, dict[str, tuple[RDPoint, ...]]] = {}
        table = points_of(role)
        for row in self._rows(table, table.c.anchor.is_not(None)):
            clips = found.setdefault(row.anchor, {})
            clips[row.clip] = (*clips.get(row.clip, ()), as_point(row))
        return found


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
