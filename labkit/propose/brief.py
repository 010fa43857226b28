"""The brief: everything that a proposer may see. What stands in it comes from the ledger; held-out clips never do."""

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from statistics import fmean

from labkit.candidate import Candidate, Failure
from labkit.policy import DEFAULT_RULES, Rules, importable
from labkit.propose.held_out import Veil
from labkit.rd import Comparison, RDPoint

MEASURED = ("adopted", "rejected")


@dataclass(frozen=True)
class Experiment:
    """One earlier candidate of the campaign, as a proposer may see it.

    Attributes:
        number: counts all candidates of the campaign from 0 (the starting program).
        decision: "adopted", "rejected" or "failed"; "proposed" or "measured" until there is a verdict.
        bd_rate_pct: against the champion of its time; negative is better; None where there is no number.
        reason: why it was adopted, rejected or failed.
        by_clip: the same BD-rate by clip.
        bitstreams: one hash over all its bitstreams, "" if there are none: equal ones did the same.
        program: `labkit.policy.normal_hash` of its source: equal ones are the same program, written otherwise.
    """

    number: int
    generation: int
    candidate: str
    hypothesis: str
    decision: str
    bd_rate_pct: float | None
    reason: str
    by_clip: tuple[Comparison, ...] = ()
    bitstreams: str = ""
    program: str | None = None


@dataclass(frozen=True)
class Brief:
    """Everything that a proposer may see. Whatever it is made from, it holds nothing of clips that it does not list.

    Attributes:
        generation: the number of the generation that asks; slot: which of its candidates this will be.
        seed: the campaign's seed; with generation and slot it fixes every random choice.
        champion: the program to beat; None before there is one.
        experiments: all earlier ones, oldest first, those of this generation included.
        development_clips: names of the clips that may be spoken of.
        held_out: names and hashes of all others, to strike them from texts; not kept.
        clips: what each clip is, in words: "176x144, 9 frames, 29.97 fps".
        qps: the QPs of every curve.
        rule: the rule of adoption in whole sentences with its numbers, as it words itself.
        limits: what a candidate may use, by the names that `labkit.jail.Limits` has.
        rules: of the static check; modules: those of its allowed modules that are installed.
        points: the champion's rate points.
        gaps: the champion's BD-rate against each anchor, by anchor.
        bits: by clip, the share (0 to 1) of each component in the files, as the champion's encoder reported it.
        lessons: what was learnt, in this campaign or in earlier ones.
        failures: the last ones, by the experiment's number.
        alerts: what a person was told to look at.
    """

    generation: int
    slot: int
    seed: int
    champion: Candidate | None
    champion_version: int | None
    experiments: tuple[Experiment, ...] = ()
    development_clips: tuple[str, ...] = ()
    held_out: InitVar[Sequence[str]] = ()
    clips: Mapping[str, str] = field(default_factory=dict)
    qps: tuple[int, ...] = ()
    rule: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    rules: Rules = DEFAULT_RULES
    modules: tuple[str, ...] = field(default_factory=importable)
    points: tuple[RDPoint, ...] = ()
    gaps: Mapping[str, tuple[Comparison, ...]] = field(default_factory=dict)
    bits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lessons: tuple[str, ...] = ()
    failures: Mapping[int, Failure] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()
    shown_source: str = field(init=False)
    """The champion's source as it may be shown; "" before there is one."""

    def __post_init__(self, held_out: Sequence[str]) -> None:
        veil = Veil(self.development_clips, tuple(held_out))
        bits = {clip: {veil.masked(c): share for c, share in row.items()} for clip, row in self.bits.items()}
        kept = {
            "experiments": tuple(_unveiled(experiment, veil) for experiment in self.experiments),
            "clips": {clip: veil.prose(words) for clip, words in veil.table(self.clips).items()},
            "rule": veil.masked(self.rule),
            "points": tuple(point for point in self.points if point.clip in veil.shown),
            "gaps": {anchor: veil.comparisons(by_clip) for anchor, by_clip in sorted(self.gaps.items())},
            "bits": veil.table(bits),
            "lessons": tuple(map(veil.prose, self.lessons)),
            "failures": {number: veil.failure(failure) for number, failure in sorted(self.failures.items())},
            "alerts": tuple(map(veil.prose, self.alerts)),
            "shown_source": veil.masked(self.champion.source) if self.champion else "",
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    @property
    def champion_hash(self) -> str:
        """Hash of the champion, "" before there is one: the parent of what is proposed."""
        return self.champion.hash if self.champion else ""

    @property
    def tried(self) -> frozenset[str]:
        """Hashes of all candidates so far: what must not be proposed again."""
        return frozenset(experiment.candidate for experiment in self.experiments)

    @property
    def ideas(self) -> dict[int, str]:
        """Hypotheses that have a result, by the experiment's number; one whose program failed may be tried again."""
        return {e.number: e.hypothesis for e in self.experiments if e.decision in MEASURED and e.hypothesis}

    @property
    def programs(self) -> dict[str, int]:
        """Experiments' numbers by their program's normal hash: the same program again is told by its first number."""
        return {e.program: e.number for e in reversed(self.experiments) if e.program}


def _unveiled(experiment: Experiment, veil: Veil) -> Experiment:
    """Return what may be shown of an experiment; its mean is that of the development clips."""
    by_clip = veil.comparisons(experiment.by_clip)
    mean = experiment.bd_rate_pct
    if len(by_clip) < len(experiment.by_clip):
        numbers = [c.bd_rate_pct for c in by_clip if c.bd_rate_pct is not None]
        mean = fmean(numbers) if numbers and len(numbers) == len(by_clip) else None
    hypothesis, reason = veil.prose(experiment.hypothesis), veil.prose(experiment.reason)
    return replace(experiment, hypothesis=hypothesis, reason=reason, by_clip=by_clip, bd_rate_pct=mean)
