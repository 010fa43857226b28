"""Whether what was computed again is what was recorded."""

import math
from collections.abc import Mapping
from typing import Any

CLOSE = 1e-6
"""Relative: what other versions of the libraries, or another processor, may change in a figure."""


def differences(recorded: Mapping[str, Any], again: Mapping[str, Any], near: bool) -> list[str]:
    """Return, for each of `again` that was recorded and is another value, both; empty where all agree.

    Args:
        recorded: by name; None and () are of older ledgers, which did not record it.
        near: take figures for equal that differ by less than a millionth.
    """
    found = []
    for name, value in again.items():
        before = recorded[name]
        if before is None or before == () or same(before, value, near):
            continue
        hint = "" if near or not same(before, value, True) else " (by less than a millionth)"
        found.append(f"{name} is {_shown(value)}, the ledger says {_shown(before)}{hint}")
    return found


def same(recorded: Any, again: Any, near: bool) -> bool:
    """Return whether two values are equal; numbers, also in tuples, may be near each other if asked."""
    if isinstance(recorded, tuple) and isinstance(again, tuple):
        return len(recorded) == len(again) and all(same(a, b, near) for a, b in zip(recorded, again, strict=True))
    if near and isinstance(recorded, float) and isinstance(again, float):
        return recorded == again or math.isclose(recorded, again, rel_tol=CLOSE)
    return bool(recorded == again)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
