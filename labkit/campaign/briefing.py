"""The brief of a generation, made from the ledger alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import chain
from statistics import fmean
from typing import Any

from labkit.adopt import LIMITS, Rule, Verdict, versus
from labkit.campaign.measuring import HELD_OUT
from labkit.ledger import HELD_OUT_ROLE, Entry, Ledger
from labkit.propose.brief import Brief, Experiment
from labkit.rd import RDPoint, shares
from labkit.settings import Settings

FAILURES = 3
"""So many of the last failures are told word for word."""

ALERTS = 8


def brief_of(ledger: Ledger, settings: Settings, generation: int, slot: int) -> Brief:
    """Return what a proposer may see before it writes a candidate."""
    entries = ledger.entries()
    champion = last_version([entry for entry in entries if entry.generation < generation])
    programs, clips = ledger.programs(), ledger.clips()
    beaten = champion.evaluation if champion else None
    failed = [entry for entry in entries if entry.evaluation and entry.evaluation.failure]
    lessons = ledger.lessons()
    return Brief(
        generation=generation,
        slot=slot,
        seed=settings.seed,
        champion=champion.candidate if champion else None,
        champion_version=champion.version if champion else None,
        experiments=tuple(_experiment(entry, programs.get(entry.number)) for entry in entries),
        development_clips=tuple(clips),
        held_out=tuple(word for row in ledger.clips(HELD_OUT_ROLE).values() for word in (row.name, row.hash)),
        clips={name: _in_words(row) for name, row in clips.items()},
        qps=settings.qps,
        rule=_rule_in_words(settings.rule),
        limits=asdict(settings.limits),
        points=beaten.points if beaten else (),
        gaps={name: versus(beaten, by_clip, name) for name, by_clip in ledger.anchors().items()} if beaten else {},
        bits=_bits(beaten.points) if beaten else {},
        lessons=tuple(lessons[-1].lessons) if lessons else (),
        failures={entry.number: entry.evaluation.failure for entry in failed[-FAILURES:]},  # type: ignore[union-attr,misc]
        alerts=tuple(f"generation {row.generation}: {row.kind}: {row.text}" for row in ledger.alerts()[-ALERTS:]),
    )


def last_version(entries: Sequence[Entry]) -> Entry | None:
    """Return the entry that became the latest version; None before there is one."""
    adopted = [entry for entry in entries if entry.version is not None]
    return max(adopted, key=lambda entry: entry.version or 0, default=None)


def _experiment(entry: Entry, program: str | None) -> Experiment:
    verdict = entry.verdict
    points = entry.evaluation.points if entry.evaluation else ()
    return Experiment(
        entry.number, entry.generation, entry.candidate.hash, entry.candidate.hypothesis, entry.outcome,
        verdict.bd_rate_pct if verdict else None, _reason(verdict),
        verdict.by_clip if verdict else (), _bitstreams(points), program,
    )  # fmt: skip


def _reason(verdict: Verdict | None) -> str:
    """Return a verdict's reasons without what the held-out clips have said."""
    if verdict is None:
        return ""
    told = [reason for reason in verdict.reasons if not reason.startswith(f"{HELD_OUT}:")]
    return "; ".join(told) or "did not do as well on clips that nobody tunes to"


def _bitstreams(points: Sequence[RDPoint]) -> str:
    """Return one hash over all bitstreams' payloads, in a fixed order; "" if there are none."""
    if not points:
        return ""
    rows = sorted((point.clip, point.qp, point.bitstream_sha256) for point in points)
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _bits(points: Sequence[RDPoint]) -> dict[str, dict[str, float]]:
    """Return by clip the share of each component in its files; QPs weigh the same, as they do in a BD-rate."""
    told: dict[str, list[dict[str, float]]] = {}
    for point in points:
        if point.reported:
            told.setdefault(point.clip, []).append(shares(point))
    return {
        clip: {name: fmean(row.get(name, 0.0) for row in rows) for name in dict.fromkeys(chain(*rows))}
        for clip, rows in told.items()
    }


def _in_words(row: Any) -> str:
    return f"{row.width}x{row.height}, {row.frames} frames, {float(Fraction(row.fps)):.2f} fps"


def _rule_in_words(rule: Rule) -> str:
    """Return a rule with its numbers; what it does not limit, and what is none of a proposer's business, left out."""
    told = {
        name: value for name, value in asdict(rule).items()
        if name not in ("kind", "max_held_out_loss_pct") and not (name in LIMITS and not value)
    }  # fmt: skip
    if not rule.charge_source:
        told = {name: value for name, value in told.items() if name not in ("charge_source", "free_source_bytes")}
    numbers = ", ".join(f"{name} = {value}" for name, value in told.items())
    return f"{' '.join((type(rule).__doc__ or '').split())} ({rule.kind}: {numbers})"
