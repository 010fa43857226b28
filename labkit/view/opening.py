"""Which campaign a notebook shows: the one that was named, the newest, or a small one made on the spot."""

from pathlib import Path

from labkit.campaign import Campaign
from labkit.errors import NoCampaignError
from labkit.settings import make_settings

TOUR = "tour"
_SMALL = {
    "clips": ["builtin:photo_pan"], "frames": 5, "anchors": ["x265-medium"], "generations": 1, "candidates": 1,
    "held_out": ["none"],
}  # fmt: skip


def open_run(runs: str | Path, campaign: str = "") -> Campaign:
    """Open a recorded campaign; where none is recorded at all, run a small one first (about ten seconds).

    Args:
        runs: the folder that holds campaigns.
        campaign: its name there; empty for the one that was written to last.

    Raises:
        NoCampaignError: there is none of this name.
    """
    folder = Path(runs)
    recorded = sorted(folder.glob("*/ledger.sqlite"), key=lambda path: path.stat().st_mtime)
    if campaign and folder / campaign / "ledger.sqlite" not in recorded:
        names = ", ".join(sorted(path.parent.name for path in recorded)) or "none"
        raise NoCampaignError(f"{folder} holds no campaign {campaign!r}; there are: {names}")
    if recorded:
        return Campaign.open(folder / campaign if campaign else recorded[-1].parent)
    tour = start_tour(folder)
    print(f"no campaign in {folder} yet: a small one is made, about ten seconds")
    for number in range(tour.settings.generations + 1):
        tour.generation(number)
    return tour


def start_tour(runs: str | Path) -> Campaign:
    """Return the small campaign of the tour, made but not run if it is not there yet."""
    return Campaign.start(Path(runs) / TOUR, make_settings(_SMALL, TOUR))
