"""What a campaign has recorded, read once as of one moment; and which rows make no sense by themselves."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.adopt import Anchors, BdRateRule, Decision, ParetoRule, Rule, ThresholdRule
from labkit.audit.finding import Finding, failed
from labkit.candidate import Check, Evaluation, Failure, FailureKind, Stage
from labkit.container import Container, Form
from labkit.errors import ContainerError, SettingsError
from labkit.jail import Level
from labkit.ledger import DEVELOPMENT, HELD_OUT_ROLE, Entry, Ledger
from labkit.ledger.versions import versions_in_use
from labkit.propose.exchange import Exchange, from_values
from labkit.rd import Comparison
from labkit.settings import Settings, make_settings

_RULES: dict[str, type[BdRateRule] | type[ThresholdRule] | type[ParetoRule]] = {
    rule.kind: rule for rule in (BdRateRule, ThresholdRule, ParetoRule)
}
_DECIDES_FIGURES = ("numpy", "opencv-python-headless", "scipy", "python", "machine", "processor")


@dataclass(frozen=True)
class Recorded:
    """A campaign's ledger as it stood when the audit began; the files are read when they are needed.

    Attributes:
        folder: the campaign's.
        ledger: a copy, so that nothing that the audit does can change a row.
        running: whether a process is stepping the campaign.
        other_versions: what measured the campaign and is another here, in words; empty where figures must be equal.
    """

    folder: Path
    ledger: Ledger
    settings: Settings
    entries: tuple[Entry, ...]
    running: bool
    other_versions: tuple[str, ...]
    _rows: dict[str, Sequence[Any]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, folder: Path, ledger: Ledger, running: bool) -> "Recorded":
        """Read what `senseless` has found nothing against."""
        settings = make_settings(ledger.settings() or {}, str(folder))
        recorded = [row.versions for row in ledger.rows("campaign")]
        return cls(folder, ledger, settings, tuple(ledger.entries()), running, _differing(recorded))

    def rows(self, table: str) -> Sequence[Any]:
        """Return all rows of a table as they stand."""
        if table not in self._rows:
            self._rows[table] = self.ledger.rows(table)
        return self._rows[table]

    @cached_property
    def begun(self) -> Mapping[int, Any]:
        """The rows of all generations that began, by number."""
        return self.ledger.generations()

    @cached_property
    def ended(self) -> Mapping[int, float]:
        """The generations that are complete."""
        return self.ledger.ended()

    @cached_property
    def generations(self) -> Mapping[int, Sequence[Entry]]:
        """The entries by generation, of all that have begun."""
        found: dict[int, list[Entry]] = {number: [] for number in self.begun}
        for entry in self.entries:
            found.setdefault(entry.generation, []).append(entry)
        return found

    @cached_property
    def adopted(self) -> tuple[Entry, ...]:
        """The entries that became a version, in their order."""
        return tuple(entry for entry in self.entries if entry.version is not None)

    @cached_property
    def anchors(self) -> Anchors:
        """The real encoders' points on development clips."""
        return self.ledger.anchors()

    @cached_property
    def checks(self) -> Mapping[int, Sequence[Check]]:
        """What would-be adoptions had to stand, by the entry's number."""
        return self.ledger.checks()

    @cached_property
    def held_out(self) -> Mapping[int, Evaluation]:
        """What was measured on held-out clips, by the entry's number."""
        return self.ledger.held_out()

    @cached_property
    def clips(self) -> Mapping[str, Any]:
        """The rows of all clips by name, held-out ones too."""
        return self.ledger.clips(DEVELOPMENT) | self.ledger.clips(HELD_OUT_ROLE)

    def knows(self, setting: str) -> bool:
        """Whether the settings that were recorded have this key: an older labkit's lack some."""
        return setting in (self.ledger.settings() or {})

    def champion_before(self, generation: int) -> Entry | None:
        """Return the version that a generation had to beat."""
        before = [entry for entry in self.adopted if entry.generation < generation]
        return max(before, key=lambda entry: entry.version or 0, default=None)


def read_rule(values: Mapping[str, Any]) -> Rule:
    """Return the rule that a verdict's row holds; raises ValueError, KeyError or TypeError where it holds none."""
    return _RULES[values["kind"]](**values)


def _differing(recorded: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    here = versions_in_use()
    told = {
        f"{name} {versions.get(name) or 'unknown'} then, {here[name] or 'unknown'} now": None
        for versions in recorded
        for name in _DECIDES_FIGURES
        if versions.get(name) != here[name]
    }
    return tuple(told)


# --- rows that make no sense by themselves -----------------------------------------------------------------


def senseless(ledger: Ledger) -> list[Finding]:
    """Return the rows that labkit cannot have written: nothing can be computed from a ledger that has any."""
    measured = {row.proposal for row in ledger.rows("rate_points") if row.proposal is not None}
    held_out = {row.proposal for row in ledger.rows("held_out_points") if row.proposal is not None}
    checks: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
        ("campaign", "id", lambda row: (make_settings(row.settings, "settings"), dict(row.versions))),
        ("clips", "name", _clip),
        ("generations", "number", lambda row: Level.of(row.isolation)),
        ("proposals", "number", lambda row: row.source.encode("utf-8", "surrogatepass")),
        ("evaluations", "proposal", lambda row: _measurement(row, measured)),
        ("held_out_evaluations", "proposal", lambda row: _measurement(row, held_out)),
        ("rate_points", "id", _point),
        ("held_out_points", "id", _point),
        ("goal_points", "id", _point),
        ("reported_bytes", "id", lambda row: {str(key): float(value) for key, value in row.rows.items()}),
        ("verdicts", "proposal", _verdict),
        ("exchanges", "number", lambda row: _exchange(from_values(row.exchange))),
        ("checks", "id", lambda row: _failure(row.failure)),
        ("canaries", "id", lambda row: Level.of(row.isolation)),
    )
    faults = [_sense(ledger, *check) for check in checks]
    return [*(fault for found in faults for fault in found), *_empty(ledger)]


def _sense(ledger: Ledger, table: str, key: str, read: Callable[[Any], object]) -> Iterator[Finding]:
    for row in ledger.rows(table):
        try:
            read(row)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SettingsError) as error:
            yield failed(
                f"table {table}, {key} {getattr(row, key)}", f"makes no sense: {type(error).__name__}: {error}"
            )


def _empty(ledger: Ledger) -> Iterator[Finding]:
    if not ledger.rows("campaign"):
        yield failed(
            "table campaign", "holds no settings: the campaign broke off before it began, or they were removed"
        )


def _clip(row: Any) -> None:
    for name in ("width", "height", "frames"):
        if not (isinstance(value := getattr(row, name), int) and 0 < value < 2**31):
            raise ValueError(f"{name} is {value}")
    try:
        Container(Form.CLIP, 0, row.width, row.height, Fraction(row.fps), row.frames, ()).data  # noqa: B018
    except ContainerError as error:
        raise ValueError(str(error)) from error


def _measurement(row: Any, with_points: set[int]) -> None:
    if (_failure(row.failure) is None) != (row.proposal in with_points):
        raise ValueError("holds a failure and rate points, or neither")
    Level.of(row.isolation)


def _failure(values: Any) -> Failure | None:
    if values is None:
        return None
    return Failure(**{**values, "stage": Stage(values["stage"]), "kind": FailureKind(values["kind"])})


def _point(row: Any) -> None:
    if (row.proposal is None) == (row.anchor is None):
        raise ValueError("belongs to a candidate and to an anchor, or to neither")
    lists = (("frame_bytes", int), ("frame_psnr_y_db", (int, float)), ("frame_hashes", str))
    for name, kind in lists:
        values = getattr(row, name)
        if not (isinstance(values, list) or (values is None and name == "frame_hashes")):
            raise TypeError(f"{name} is no list")
        if not all(isinstance(value, kind) for value in values or ()):
            raise TypeError(f"{name} holds something else than numbers or hashes")
    if min(row.frame_bytes, default=0) < 0 or row.bytes < 1:
        raise ValueError("a size below 0, or a file of no bytes")


def _verdict(row: Any) -> None:
    Decision(row.decision)
    read_rule(row.rule)
    comparisons = [Comparison(**values) for values in row.by_clip]
    if not all(isinstance(c.bd_rate_pct, float | int | None) for c in comparisons):
        raise TypeError("by_clip holds something else than numbers")
    if not all(isinstance(reason, str) for reason in row.reasons):
        raise TypeError("reasons are not all text")


def _exchange(exchange: Exchange) -> None:
    if not isinstance(exchange.usd, float | int | None) or not isinstance(exchange.request, dict):
        raise TypeError("usd is no number, or the request no dictionary")
    if not all(isinstance(count, int) and count >= 0 for count in dataclasses.astuple(exchange.usage)):
        raise ValueError("usage holds something else than counts of tokens")
