"""The campaign's database: rows are added, never edited, never deleted; the database itself refuses."""

from labkit.ledger.ledger import Ledger
from labkit.ledger.rows import DECISION, DEVELOPMENT, GOAL, HELD_OUT_ROLE, Entry

__all__ = ["DECISION", "DEVELOPMENT", "GOAL", "HELD_OUT_ROLE", "Entry", "Ledger"]
