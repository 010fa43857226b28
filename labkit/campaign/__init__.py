"""The loop: brief, proposals, evaluations, verdict, ledger; one generation after the other.

Nothing here knows of notebooks: a notebook calls `Campaign.generation(number)`.
"""

from labkit.campaign.loop import Campaign
from labkit.campaign.record import Generation
from labkit.ledger.versions import versions_in_use

__all__ = ["Campaign", "Generation", "versions_in_use"]
