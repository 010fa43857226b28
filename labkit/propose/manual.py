"""A person's program, from a file or from the text of a notebook's cell."""

from pathlib import Path

from labkit.candidate import Candidate, first_sentence, read_candidate
from labkit.errors import ProposerError
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer


class ManualProposer(Proposer):
    """Proposes what a person wrote, once: a path names a file, a text is the program itself."""

    def __init__(self, code: Path | str, hypothesis: str = "") -> None:
        self.name = "a person"
        self._code, self._hypothesis = code, hypothesis

    def reach(self) -> None:
        """Make sure that the file can be read: without it a campaign need not begin."""
        if isinstance(self._code, Path):
            read_candidate(self._code)

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        """Return the person's program; a second time there is nothing left."""
        if isinstance(self._code, Path):
            candidate = read_candidate(self._code, self.name, self._hypothesis, brief.champion_hash)
        else:
            hypothesis = self._hypothesis or first_sentence(self._code)
            candidate = Candidate(self._code, self.name, hypothesis, brief.champion_hash)
        if candidate.hash in brief.tried:
            raise ProposerError("this very program has been tried in this campaign already; change it first")
        return Proposal(candidate)
