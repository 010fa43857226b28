"""A folder's clips.json: what is known of its clips beyond what their streams say."""

import json
from pathlib import Path
from typing import Any

from labkit.errors import ClipError

INDEX = "clips.json"

Entry = dict[str, Any]
"""One clip: name, file, matrix, range, size, fps, frames, yuv_sha256, content, licence, origin, notes."""

_ALLOWED = {"matrix": ("bt601", "bt709"), "range": ("limited", "full")}


def index_entries(folder: Path) -> list[Entry]:
    """Return the entries of the folder's clips.json; none if there is no such file.

    Raises:
        ClipError: the file cannot be read, or an entry lacks name or file or has an unknown matrix or range.
    """
    path = folder / INDEX
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["clips"]
        faults = [fault for entry in entries for fault in _faults(entry)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClipError(f"{path}: not a list of clips ({error!r}); repair it or move it away") from error
    if faults:
        raise ClipError(f"{path}: {faults[0]}")
    return list(entries)


def index_entry(path: Path) -> Entry:
    """Return what the clips.json beside the file says of it; {} if nothing."""
    return next((entry for entry in index_entries(path.parent) if entry["file"] == path.name), {})


def _faults(entry: Entry) -> list[str]:
    """Return what is wrong with one entry, in words."""
    name = entry.get("name")
    faults = [f"entry {name!r} has no {key!r}; add it" for key in ("name", "file") if not entry.get(key)]
    return faults + [
        f"entry {name!r}: {key} is {entry[key]!r}; it must be one of {', '.join(allowed)}"
        for key, allowed in _ALLOWED.items()
        if key in entry and entry[key] not in allowed
    ]
