"""The seam between the loop and those who write codecs: a brief goes in, a proposal comes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from labkit.candidate import Candidate, Failure
from labkit.propose.brief import Brief
from labkit.propose.exchange import Books, Exchange


@dataclass(frozen=True)
class Proposal:
    """One suggestion, recorded before anything runs.

    Attributes:
        cost_usd: what it cost to get, besides the exchanges that are in the books already.
        program: `labkit.policy.normal_hash` of the candidate, where the proposer has looked at it.
    """

    candidate: Candidate
    cost_usd: float = 0.0
    program: str | None = None


class Desk(Books, Protocol):
    """What a proposer works with: the books, a place to try a program out, and a way to show how far it is."""

    def exchanges(self) -> Sequence[Exchange]:
        """Return what was asked and answered in this generation before, in order: none of it is paid twice."""
        ...

    def try_out(self, candidate: Candidate) -> Failure | None:
        """Check and load a program behind the wall and code a few frames; return what went wrong, None if nothing."""
        ...

    def arriving(self, what: str, tokens: int) -> None:
        """Show how much of an answer has arrived."""
        ...

    def batch_id(self, key: str) -> str:
        """Return what was kept under `key` of a message batch, its id or the intent to send it; "" if nothing was."""
        ...

    def keep_batch(self, key: str, batch_id: str) -> None:
        """Keep for good that a message batch was sent, or is about to be."""
        ...


class Proposer(Protocol):
    """Whoever writes codecs: Claude, an offline program writer, a replay, a person."""

    name: str
    """Shown everywhere: "offline proposer (no LLM)"."""

    def catch_up(self, exchanges: Sequence[Exchange]) -> None:
        """Take note of all that the campaign asked and was answered before this process began."""
        return None  # noqa: RET501  (as with close)

    def reach(self) -> None:
        """Make sure that whoever is asked can be reached, before anything is measured; nothing is asked.

        Raises:
            ProposerStop: nobody is there.
        """
        return None  # noqa: RET501  (as with close)

    def propose(self, brief: Brief, desk: Desk) -> Proposal:
        """Return one candidate that differs from everything in `brief.tried`.

        Raises:
            NoProposalError: nothing came of it this time.
            ProposerError: nothing is left to propose, or the source of proposals is out of reach.
        """
        ...

    def learn(self, brief: Brief, desk: Desk) -> tuple[str, ...]:
        """Return the lessons of all experiments so far; () from those who draw none.

        Raises:
            ProposerError: as `propose`.
        """
        return ()

    def close(self) -> None:
        """Let go of connections and files, of which most proposers have none."""
        return None  # noqa: RET501  (said, so that whoever has none need not say it)
