"""What a monitor reads of a campaign, as lightly as it can: nothing is written, nothing is locked."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labkit.campaign import Campaign
from labkit.campaign.control import LOG, Runner, runner
from labkit.ledger import Entry
from labkit.ledger.tables import EXCHANGES
from labkit.progress import read_progress

ADOPTED, NONE_ADOPTED, ALL_FAILED, OPEN = "a version adopted", "none adopted", "all failed", "not complete"
"""What may have become of a generation."""
_LATEST = 6


@dataclass(frozen=True)
class Turn:
    """One generation in the timeline.

    Attributes:
        began, ended: seconds since the epoch; None where it is not recorded.
        wall_s: that its last process worked on it; of one that runs or broke off, up to the last sign of life.
        outcomes: how many candidates came out how: adopted, rejected, failed, measured, proposed.
        version: that it brought; None for none.
    """

    number: int
    began: float | None
    ended: float | None
    wall_s: float
    outcomes: Mapping[str, int]
    version: int | None

    @property
    def kind(self) -> str:
        """How it came out as a whole: one of the words above."""
        if self.ended is None:
            return OPEN
        if self.version is not None:
            return ADOPTED
        return ALL_FAILED if set(self.outcomes) == {"failed"} else NONE_ADOPTED


@dataclass(frozen=True)
class Books:
    """What the ledger holds at one moment.

    Attributes:
        latest: the entries of the last generations, oldest first.
        champion, start: the version to beat and version 0, if there are any.
        unpriced: how many answers of models have no known price.
    """

    turns: Sequence[Turn]
    latest: Sequence[Entry]
    champion: Entry | None
    start: Entry | None
    alerts: Sequence[Any]
    spent_usd: float
    unpriced: int

    @property
    def done(self) -> int:
        """Complete generations, the start counted."""
        return sum(turn.ended is not None for turn in self.turns)


@dataclass(frozen=True)
class Moment:
    """What changes all the time.

    Attributes:
        runner: the process that holds the campaign, if any.
        progress: of the generation under way or of the last one; None before the first.
    """

    runner: Runner | None
    progress: dict[str, Any] | None


def read_moment(folder: Path) -> Moment:
    """Return who runs a campaign, and how far its generation has come."""
    state = read_progress(folder)
    whole = state is not None and {"generation", "jobs", "said", "started", "at"} <= set(state)
    return Moment(runner(folder), state if whole else None)


def read_books(campaign: Campaign) -> Books:
    """Return what is recorded; of three hundred generations, only the last ones with their figures."""
    ledger = campaign.ledger
    verdicts = {row.proposal: row for row in ledger.rows("verdicts")}
    proposals = ledger.rows("proposals")
    turns = _turns(campaign, proposals, verdicts)
    latest = [entry for turn in turns[-_LATEST:] for entry in ledger.entries(turn.number)]
    versions = {row.version: number for number, row in verdicts.items() if row.version is not None}
    generation = {row.number: row.generation for row in proposals}

    def version(number: int) -> Entry:
        return next(e for e in ledger.entries(generation[versions[number]]) if e.number == versions[number])

    return Books(
        turns, latest, version(max(versions)) if versions else None, version(0) if 0 in versions else None,
        ledger.alerts(), ledger.cost_usd(), _unpriced(campaign),
    )  # fmt: skip


def _unpriced(campaign: Campaign) -> int:
    """Count them without reading them: prompts and answers may be megabytes."""
    query = sa.select(sa.func.count()).select_from(EXCHANGES).where(EXCHANGES.c.usd.is_(None))
    with campaign.ledger.engine.connect() as connection:
        return int(connection.scalar(query) or 0)


def _turns(campaign: Campaign, proposals: Sequence[Any], verdicts: Mapping[int, Any]) -> list[Turn]:
    ledger = campaign.ledger
    begun, ends = ledger.generations(), {row.number: row for row in ledger.rows("generation_ends")}
    measured = {row.proposal: row.failure for row in ledger.rows("evaluations")}
    outcomes: dict[int, dict[str, int]] = {}
    versions: dict[int, int] = {}
    for row in proposals:
        verdict = verdicts.get(row.number)
        counts = outcomes.setdefault(row.generation, {})
        word = _outcome(row.number in measured, measured.get(row.number), verdict)
        counts[word] = counts.get(word, 0) + 1
        if verdict is not None and verdict.version is not None:
            versions[row.generation] = verdict.version
    state = read_progress(campaign.folder) or {}
    alive_s = float(state.get("at", 0.0)) - float(state.get("started", 0.0))
    return [
        Turn(
            number,
            _seconds(begun[number].at) if number in begun else None,
            _seconds(ends[number].at) if number in ends else None,
            ends[number].wall_s if number in ends else alive_s if state.get("generation") == number else 0.0,
            outcomes.get(number, {}),
            versions.get(number),
        )
        for number in sorted({*begun, *ends})
    ]


def _outcome(measured: bool, failure: object, verdict: Any) -> str:
    """Return what `Entry.outcome` would say."""
    if not measured:
        return "proposed"
    if failure is not None:
        return "failed"
    return "measured" if verdict is None else str(verdict.decision)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def clock(seconds: float | None) -> str:
    """Return a moment as people write it, in the time of this machine; the day too if it is not today."""
    if seconds is None:
        return "–"
    moment = datetime.fromtimestamp(seconds).astimezone()
    today = moment.date() == datetime.fromtimestamp(time.time()).date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"


def signature(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return a mark of the ledger's files, which differs once anything was recorded; no file is opened."""
    return tuple(_mark(folder / name) for name in ("ledger.sqlite", "ledger.sqlite-wal"))


def pulse(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return a mark of the files that show that a campaign moves."""
    return tuple(_mark(folder / name) for name in ("progress.json", "lock", LOG))


def _mark(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
