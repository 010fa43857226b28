"""Canaries: programs of known result and known cheats, run before a campaign believes its own numbers."""

from labkit.canaries.choir import CANARIES, QP, Canary, canary_clip, must_all_pass, sing

__all__ = ["CANARIES", "QP", "Canary", "canary_clip", "must_all_pass", "sing"]
