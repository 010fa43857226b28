"""The seam between the loop and those who write codecs: a brief goes in, a proposal comes out."""

from dataclasses import dataclass, field
from typing import Protocol

from labkit.candidate import Candidate


@dataclass(frozen=True)
class Experiment:
    """One earlier candidate of the campaign, as a proposer may see it.

    Attributes:
        number: counts all candidates of the campaign from 0 (the starting program).
        decision: "adopted", "rejected" or "failed".
        bd_rate_pct: against the champion of its time; negative is better; None where there is no number.
        reason: why it was adopted, rejected or failed.
    """

    number: int
    generation: int
    candidate: str
    hypothesis: str
    decision: str
    bd_rate_pct: float | None
    reason: str


@dataclass(frozen=True)
class Brief:
    """Everything that a proposer may see.

    Attributes:
        generation: the number of the generation that asks; slot: which of its candidates this will be.
        seed: the campaign's seed; with generation and slot it fixes every random choice.
        champion: the program to beat; None before there is one.
        experiments: all earlier ones, oldest first, those of this generation included.
    """

    generation: int
    slot: int
    seed: int
    champion: Candidate | None
    champion_version: int | None
    experiments: tuple[Experiment, ...] = field(default=())

    @property
    def champion_hash(self) -> str:
        """Hash of the champion, "" before there is one: the parent of what is proposed."""
        return self.champion.hash if self.champion else ""

    @property
    def tried(self) -> frozenset[str]:
        """Hashes of all candidates so far: what must not be proposed again."""
        return frozenset(experiment.candidate for experiment in self.experiments)


@dataclass(frozen=True)
class Proposal:
    """One suggestion, recorded before anything runs. `cost_usd` is what it cost to get."""

    candidate: Candidate
    cost_usd: float = 0.0


class Proposer(Protocol):
    """Whoever writes codecs: Claude, an offline program writer, a replay, a person."""

    name: str
    """Shown everywhere: "offline proposer (no LLM)"."""

    def propose(self, brief: Brief) -> Proposal:
        """Return one candidate that differs from everything in `brief.tried`.

        Raises:
            ProposerError: nothing is left to propose, or the source of proposals is out of reach.
        """
        ...
