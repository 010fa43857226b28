"""Which proposer a campaign's settings name."""

from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import SettingsError
from labkit.propose.claude_settings import ClaudeSettings
from labkit.propose.manual import ManualProposer
from labkit.propose.proposer import Proposer
from labkit.propose.recombine import RecombineProposer
from labkit.propose.replay import ReplayProposer

KNOWN = "recombine, claude, replay:FOLDER, manual:FILE.py"


@dataclass(frozen=True)
class Asking:
    """How a model is asked.

    Attributes:
        budget_usd: the hard cap on all that a campaign spends; None for none.
        candidates: proposals in each generation.
        batch: by message batches.
        record: a folder that keeps every answer; "" for none.
    """

    claude: ClaudeSettings = field(default_factory=ClaudeSettings)
    budget_usd: float | None = None
    candidates: int = 2
    batch: bool = False
    record: str = ""


def make_proposer(name: str, asking: Asking = Asking()) -> Proposer:
    """Return the proposer called "recombine", "claude", "replay:FOLDER" or "manual:FILE.py".

    Raises:
        SettingsError: nobody is called so.
        ProposerError: the folder holds nothing to replay, or there is no key.
    """
    kind, _, rest = name.partition(":")
    if kind == "recombine" and not rest:
        return RecombineProposer()
    if kind == "claude" and not rest:
        return _claude(asking)
    if kind == "replay" and rest:
        return _replay(Path(rest), asking)
    if kind == "manual" and rest:
        return ManualProposer(Path(rest))
    raise SettingsError(f"unknown proposer {name!r}; known are {KNOWN}")


def _claude(asking: Asking) -> Proposer:
    from labkit.propose.claude import ClaudeProposer  # the SDK takes a second to load
    from labkit.propose.exchange import Asker
    from labkit.propose.messages import Messages
    from labkit.propose.record import Recording

    asker: Asker = Messages(asking.claude, asking.budget_usd)
    if asking.record:
        asker = Recording(asker, Path(asking.record))
    return ClaudeProposer(asker, asking.claude, asking.candidates, asking.batch)


def _replay(folder: Path, asking: Asking) -> Proposer:
    from labkit.propose.claude import ClaudeProposer
    from labkit.propose.record import FILE, Recorded

    if not (folder / FILE).exists():
        return ReplayProposer(folder)
    name = f"replay of Claude's answers in {folder.name}"
    return ClaudeProposer(Recorded(folder), asking.claude, asking.candidates, name=name)
