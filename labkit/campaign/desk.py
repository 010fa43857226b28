"""What a proposer works with: the campaign's books, a wall to try a program out behind, a line to show progress."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.candidate import Candidate, Failure
from labkit.clip import Clip
from labkit.evaluate import try_out
from labkit.jail import Limits, Wall
from labkit.ledger import Ledger
from labkit.progress import ProgressFile
from labkit.propose.exchange import Exchange, read_journal

JOURNAL = "answer-in-flight.json"


@dataclass
class CampaignDesk:
    """One generation's desk; see `labkit.propose.proposer.Desk`.

    Attributes:
        clip, qp: what a program is tried out on.
        budget_usd: shown beside what is spent; None for none.
    """

    ledger: Ledger
    folder: Path
    generation: int
    clip: Clip
    qp: int
    limits: Limits
    wall: Wall
    progress: ProgressFile
    stop: threading.Event
    budget_usd: float | None = None

    @property
    def journal(self) -> Path | None:
        """Where the answer in flight is kept."""
        return self.folder / JOURNAL

    def recover(self) -> None:
        """Book the answer that was in flight when an earlier process was killed."""
        path = self.folder / JOURNAL
        left = read_journal(path)
        if left is not None:
            self.record(left)
            path.unlink()

    def record(self, exchange: Exchange) -> None:
        """Book an exchange, its cost with it."""
        self.ledger.record_exchange(exchange)
        usd = "price unknown" if exchange.usd is None else f"{exchange.usd:.4f} USD"
        came = exchange.stop_reason or exchange.error or "no answer"
        tokens = f"{exchange.usage.prompt_tokens:,} tokens in, {exchange.usage.output_tokens:,} out"
        self.say(f"{exchange.purpose}, {exchange.model}: {came}, {tokens}, {usd}; {self.money()}")

    def money(self) -> str:
        """Return what is spent and left, in words."""
        spent = self.spent_usd()
        left = "" if self.budget_usd is None else f", {self.budget_usd - spent:.4f} of {self.budget_usd:.2f} left"
        return f"{spent:.4f} USD spent{left}"

    def spent_usd(self) -> float:
        """Return what the campaign has cost so far."""
        return self.ledger.cost_usd()

    def say(self, text: str) -> None:
        """Show a person what goes on."""
        self.progress.say(text)

    def arriving(self, what: str, tokens: int) -> None:
        """Show how much of an answer has arrived."""
        self.progress.report("proposer", 0, 1, f"{what} is arriving: {tokens:,} tokens")

    def exchanges(self) -> Sequence[Exchange]:
        """Return what was asked and answered in this generation."""
        return self.ledger.exchanges(self.generation)

    def try_out(self, candidate: Candidate) -> Failure | None:
        """Check and load a program and code a few frames; return what went wrong."""
        self.progress.report("proposer", 0, 1, "trying the program out")
        failure = try_out(candidate, self.clip, self.qp, self.limits, self.wall, self.stop)
        return None if failure is None else replace(failure, detail=failure.detail.strip())

    def batch_id(self, key: str) -> str:
        """Return the id of the message batch that was sent under `key`; "" if none was."""
        return self.ledger.batch(key)

    def keep_batch(self, key: str, batch_id: str) -> None:
        """Remember that a message batch was sent."""
        self.ledger.record_batch(key, batch_id)
