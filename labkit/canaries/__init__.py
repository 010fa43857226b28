"""Canaries: programs of known result and known cheats, run before a campaign believes its own numbers."""

from labkit.canaries.choir import QP, Canary, canary_clip, must_all_pass, sing

__all__ = ["QP", "Canary", "canary_clip", "must_all_pass", "sing"]
