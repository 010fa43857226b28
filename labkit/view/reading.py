"""One look at a campaign: each table of its ledger is read once, however many parts of a page ask for it."""

import copy
from collections.abc import Callable
from typing import Any, cast

from labkit.campaign import Campaign
from labkit.ledger import Ledger


class _ReadOnce:
    """Answers as a ledger does, the same question from memory: what a page shows is of one moment."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._answers: dict[tuple[str, tuple[Any, ...]], Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        asked = cast(Callable[..., Any], getattr(self._ledger, name))
        if name.startswith("record_"):
            return asked  # clips that are read for the first time are recorded

        def answer(*args: Any) -> Any:
            if (name, args) not in self._answers:
                self._answers[name, args] = asked(*args)
            return self._answers[name, args]

        return answer


def read_once(campaign: Campaign) -> Campaign:
    """Return the campaign for one page: 300 generations are read once, not once for each version and table."""
    if isinstance(campaign.ledger, _ReadOnce):
        return campaign
    page = copy.copy(campaign)
    page.ledger = cast(Ledger, _ReadOnce(campaign.ledger))
    return page
