"""Which proposer a campaign's settings name."""

from pathlib import Path

from labkit.errors import SettingsError
from labkit.propose.manual import ManualProposer
from labkit.propose.proposer import Proposer
from labkit.propose.recombine import RecombineProposer
from labkit.propose.replay import ReplayProposer


def make_proposer(name: str) -> Proposer:
    """Return the proposer called "recombine", "replay:FOLDER" or "manual:FILE.py".

    Raises:
        SettingsError: nobody is called so.
        ProposerError: the folder holds nothing to replay.
    """
    kind, _, rest = name.partition(":")
    if kind == "recombine" and not rest:
        return RecombineProposer()
    if kind == "replay" and rest:
        return ReplayProposer(Path(rest))
    if kind == "manual" and rest:
        return ManualProposer(Path(rest))
    raise SettingsError(f"unknown proposer {name!r}; known are recombine, replay:FOLDER, manual:FILE.py")
