"""`%%candidate RUN`: a notebook cell that is a codec. `%load_ext labkit.magic` brings it.

The cell's text goes through the same check, run and verdict as any other candidate, in a generation of its own, and
stands in the campaign's ledger as a person's.
"""

import re
from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, cell_magic, magics_class

from labkit import view
from labkit.campaign import Campaign
from labkit.errors import LabkitError
from labkit.propose.manual import ManualProposer
from labkit.settings import ROOT
from labkit.view.fragment import Fragment

USAGE = "%%candidate RUN [HYPOTHESIS], for example: %%candidate default finer quantisation of chroma"


@magics_class
class CandidateMagic(Magics):
    """The magic, in an IPython shell."""

    @cell_magic
    def candidate(self, line: str, cell: str) -> Fragment | None:
        """Enter the cell's codec in a campaign; show its verdict, its change and what failed."""
        words = re.fullmatch(r"""(?:(["'])(?P<quoted>.+?)\1|(?P<plain>\S+))(?P<hypothesis>.*)""", line.strip())
        if words is None:
            print(f"name a campaign: {USAGE}")
            return None
        try:
            return enter(_folder(words["quoted"] or words["plain"]), cell, words["hypothesis"].strip())
        except LabkitError as error:
            print(f"labkit: {error}")
            return None


def enter(folder: Path, source: str, hypothesis: str = "") -> Fragment:
    """Run one generation of the campaign in `folder` with a person's codec; return what became of it.

    Raises:
        LabkitError: there is no such campaign, another process runs it, or this very program was tried before.
    """
    with Campaign.open(folder, ManualProposer(source, hypothesis), candidates=1) as campaign:
        turn = campaign.by_hand(source)
        parts = (view.show_generation(campaign, turn), view.show_changes(turn), view.show_failures(turn))
        return Fragment(parts[0].html + parts[1].html + parts[2].html, f"generation {turn.number}")


def _folder(run: str) -> Path:
    path = Path(run)
    return path if (path / "ledger.sqlite").exists() else ROOT / "runs" / run


def load_ipython_extension(shell: Any) -> None:
    """Register the magic; IPython calls this for `%load_ext labkit.magic`."""
    shell.register_magics(CandidateMagic)
