"""Fill a generation's slots with proposals, each recorded the moment it exists; what nobody proposes is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.campaign.briefing import brief_of
from labkit.campaign.desk import CampaignDesk
from labkit.errors import NoProposalError, ProposerError, ProposerStop
from labkit.ledger import Ledger
from labkit.policy import normal_hash
from labkit.propose.proposer import Proposal, Proposer
from labkit.settings import Settings


def keep_proposal(ledger: Ledger, number: int, slot: int, proposal: Proposal, proposer: str) -> None:
    """Record a proposal with its program's normal hash."""
    program = proposal.program or normal_hash(proposal.candidate.source)
    ledger.record_proposal(number, slot, proposal, proposer, program)


@dataclass(frozen=True)
class Proposing:
    """One generation's proposer at its desk."""

    ledger: Ledger
    settings: Settings
    proposer: Proposer
    desk: CampaignDesk

    def fill(self, number: int, slots: Sequence[int]) -> None:
        """Ask for a proposal for each of these slots of a generation.

        Raises:
            ProposerStop: the proposer cannot go on.
            ProposerError: it has nothing for the first slot.
        """
        self.proposer.catch_up(self.ledger.exchanges())
        self._learn(number)
        for slot in slots:
            self._propose_one(number, slot)

    def _propose_one(self, number: int, slot: int) -> None:
        self.desk.arriving(f"slot {slot}", 0)
        try:
            proposal = self.proposer.propose(brief_of(self.ledger, self.settings, number, slot), self.desk)
        except ProposerStop:
            raise
        except NoProposalError as error:
            self.desk.say(f"slot {slot}: {error}")
            self.ledger.record_alert(number, "nothing proposed", f"slot {slot}: {error}")
        except ProposerError as error:
            if slot == 0:
                raise
            self.ledger.record_alert(number, "nothing proposed", f"slot {slot}: {error}")
        else:
            keep_proposal(self.ledger, number, slot, proposal, self.proposer.name)

    def _learn(self, number: int) -> None:
        """Have the lessons rewritten when enough experiments have passed since the last time."""
        known = self.ledger.lessons()
        count = len(self.ledger.entries())
        if count - (known[-1].experiments if known else 0) < self.settings.claude.lessons_every:
            return
        try:
            lessons = self.proposer.learn(brief_of(self.ledger, self.settings, number, 0), self.desk)
        except NoProposalError as error:
            self.ledger.record_alert(number, "no lessons", str(error))
            return
        if lessons:
            self.ledger.record_lessons(count, lessons, f"experiments 0 to {count - 1}")
