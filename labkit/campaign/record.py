"""What a campaign's ledger tells: generations, the champion, gains and distances; nothing is run."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.adopt import REFERENCE, charge, charged, mean_bd_rate, versus
from labkit.campaign.briefing import last_version
from labkit.candidate import Evaluation
from labkit.errors import CampaignError
from labkit.evaluate import Keep
from labkit.goal import GoalDistance, distance
from labkit.ledger import DECISION, GOAL, HELD_OUT_ROLE, Entry, Ledger
from labkit.policy import code_quality
from labkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Generation:
    """One recorded turn of the loop.

    Attributes:
        entries: its candidates with evaluation and verdict.
        champion: the entry that was to be beaten; None before there was one.
        wall_s: from its beginning to its last verdict (of the last process that worked on it).
    """

    number: int
    entries: tuple[Entry, ...]
    champion: Entry | None
    wall_s: float

    @property
    def adopted(self) -> Entry | None:
        """The candidate that became champion, if any did."""
        return next((entry for entry in self.entries if entry.version is not None), None)


class Record:
    """What is recorded of a campaign, read anew at each question.

    Attributes:
        folder: `runs/<name>/`.
        settings: what was asked for.
    """

    folder: Path
    settings: Settings
    ledger: Ledger

    @property
    def next_number(self) -> int:
        """The generation that runs next."""
        return len(self.ledger.ended())

    @property
    def complete(self) -> bool:
        """Whether all generations that were asked for are recorded."""
        return self.next_number > self.settings.generations

    @property
    def champion(self) -> Entry | None:
        """The version to beat."""
        return last_version(self.ledger.entries())

    def entry(self, number: int) -> Entry:
        """Return one candidate's line.

        Raises:
            CampaignError: there is none with this number.
        """
        entries = self.ledger.entries()
        if not 0 <= number < len(entries):
            raise CampaignError(f"{self.folder} has entries 0 to {len(entries) - 1}, not {number}")
        return entries[number]

    def recorded(self, number: int) -> Generation:
        """Return a generation as the ledger has it, complete or not."""
        entries = self.ledger.entries()
        before = [entry for entry in entries if entry.generation < number]
        ours = tuple(entry for entry in entries if entry.generation == number)
        return Generation(number, ours, last_version(before), self.ledger.ended().get(number, 0.0))

    def against(self, evaluation: Evaluation, anchor: str = REFERENCE) -> float | None:
        """Return the mean BD-rate against an anchor in percent, negative is better; None if there is none."""
        points = self.ledger.anchors().get(anchor, {})
        return mean_bd_rate(versus(evaluation, points, anchor)) if evaluation.points and points else None

    def held_out_against(self, entry: Entry, anchor: str = REFERENCE) -> float | None:
        """Return the mean BD-rate on held-out clips against an anchor in percent; None if there is none."""
        evaluation = self.ledger.held_out().get(entry.number)
        points = self.ledger.anchors(HELD_OUT_ROLE).get(anchor, {})
        return mean_bd_rate(versus(evaluation, points, anchor)) if evaluation and evaluation.points and points else None

    def held_out_gain(self, entry: Entry) -> float | None:
        """Return the mean BD-rate on held-out clips against the version before it, percent; None if there is none."""
        measured = self.ledger.held_out()
        ours, before = measured.get(entry.number), self._before(entry) if entry.number in measured else None
        theirs = measured.get(before.number) if before else None
        if not ours or not theirs or not ours.points or not theirs.points:
            return None
        return mean_bd_rate(versus(ours, theirs.by_clip, "the champion"))

    def _before(self, entry: Entry) -> Entry | None:
        """Return the version that an entry had to beat."""
        return last_version([other for other in self.ledger.entries() if other.generation < entry.generation])

    def charged_gain(self, entry: Entry) -> float | None:
        """Return the BD-rate against the version before it with both sources charged to the rate, percent."""
        before = self._before(entry)
        if before is None or not before.evaluation or not entry.evaluation or not entry.evaluation.points:
            return None
        codes = [code_quality(one.candidate.source) for one in (entry, before)]
        if None in codes:
            return None
        extra = [charge(code, self.settings.rule) for code in codes if code]
        ours, theirs = (
            charged(one.points, more) for one, more in zip((entry.evaluation, before.evaluation), extra, strict=True)
        )
        evaluation = replace(entry.evaluation, points=ours)
        return mean_bd_rate(versus(evaluation, replace(before.evaluation, points=theirs).by_clip, "the champion"))

    def distances(self, entry: Entry) -> list[GoalDistance]:
        """Return how far a version is from the campaign's goal, on each clip where the goal's anchor was measured."""
        goal = self.settings.goal
        anchors, further = self.ledger.anchors(GOAL).get(goal.anchor, {}), self.ledger.goal_points()
        points = [*(entry.evaluation.points if entry.evaluation else ()), *further.get(entry.number, ())]
        return [
            distance(
                goal, [p for p in points if p.clip == name], anchors[name], row.width, row.height,
                float(Fraction(row.fps)),
            )
            for name, row in self.ledger.clips().items() if name in anchors and any(p.clip == name for p in points)
        ]  # fmt: skip

    @property
    def held_out_decisions(self) -> int:
        """How often the held-out clips were asked about an adoption: the more often, the less they prove."""
        return sum(use.purpose.startswith(DECISION) for use in self.ledger.held_out_uses())

    def table(self) -> "pd.DataFrame":
        """Return one row for each candidate: what it was, what was measured, what became of it."""
        import pandas as pd  # half a second that most commands do not need

        return pd.DataFrame([_row(self, entry) for entry in self.ledger.entries()])

    def keep(self, entry_number: int) -> Keep:
        """Return where an entry's bitstreams and pictures are kept."""
        qps = self.settings.qps
        return Keep(self.folder / "bitstreams" / f"{entry_number:04d}", picture_qp=qps[len(qps) // 2])

    def pausing(self, number: int) -> list[str]:
        """Return the alerts of a generation after which the campaign is to pause, in words."""
        return [
            f"{row.kind}: {row.text}" for row in self.ledger.alerts()
            if row.generation == number and row.kind in self.settings.pause_on
        ]  # fmt: skip


def _row(campaign: Record, entry: Entry) -> dict[str, object]:
    evaluation, verdict = entry.evaluation, entry.verdict
    points = evaluation.points if evaluation else ()
    return {
        "number": entry.number,
        "generation": entry.generation,
        "version": entry.version,
        "proposer": entry.candidate.proposer,
        "hypothesis": entry.candidate.hypothesis,
        "bd_rate_pct": verdict.bd_rate_pct if verdict else None,
        "bd_rate_x265_pct": campaign.against(evaluation) if evaluation else None,
        "held_out_pct": campaign.held_out_gain(entry),
        "held_out_x265_pct": campaign.held_out_against(entry),
        "verdict": entry.outcome,
        "reason": "; ".join(verdict.reasons) if verdict else "",
        "bytes": sum(point.bytes for point in points) or None,
        "encode_s": sum(point.encode_s for point in points) or None,
        "decode_s": sum(point.decode_s for point in points) or None,
        "wall_s": evaluation.wall_s if evaluation else None,
        "candidate": entry.candidate.hash,
        "isolation": evaluation.isolation if evaluation else None,
    }
