"""Answers from files: a campaign can be run again without whoever wrote the candidates."""

from pathlib import Path

from labkit.candidate import read_candidate
from labkit.errors import ProposerError
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer


class ReplayProposer(Proposer):
    """Proposes the sources of a folder (*.py) in the order of their names."""

    def __init__(self, folder: Path) -> None:
        self.name = f"replay of {folder.name}"
        self._files = sorted(folder.glob("*.py"))
        if not self._files:
            raise ProposerError(f"{folder} holds no .py file to replay")

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        """Return the first source that was not tried yet."""
        for path in self._files:
            candidate = read_candidate(path, self.name, parent=brief.champion_hash)
            if candidate.hash not in brief.tried:
                return Proposal(candidate)
        raise ProposerError(f"all {len(self._files)} recorded sources have been tried in this campaign")
