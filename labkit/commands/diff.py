"""Two generations' notebooks side by side in a browser, or the code of two versions in the terminal."""

import argparse
import difflib
import json
import re
import sys
from pathlib import Path
from typing import Any

from labkit.commands.given import print_json, run_folder


def diff(args: argparse.Namespace) -> int:
    """Show what differs between two generations' notebooks (nbdime), or between two programs (--code)."""
    from labkit.campaign import Campaign

    with Campaign.open(run_folder(args)) as campaign:
        if args.code:
            _print_code(_program(campaign, args.old), _program(campaign, args.new), args.json)
            return 0
        notebooks = _notebook(campaign, args.old), _notebook(campaign, args.new)
    from labkit.view.notebook_diff import serve_diff

    def tell(address: str) -> None:
        print(json.dumps({"address": address}) if args.json else f"{address}  (Ctrl-C ends it)", flush=True)

    serve_diff(*notebooks, tell, browser=not args.no_browser, port=args.port or 0)
    return 0


def _notebook(campaign: Any, name: str) -> Path:
    """Return the executed notebook of a generation."""
    from labkit.errors import CampaignError
    from labkit.notebook import generation_notebook

    known = sorted(campaign.ledger.generations())
    if not name.isdigit() or int(name) not in known:
        if re.fullmatch(r"v\d+", name):
            told = f"{name!r} is a version: add --code for its code, or name generations"
        else:
            told = f"no generation {name!r}"
        raise CampaignError(f"{campaign.folder}: {told}; there are generations {_listed(known)}")
    path = generation_notebook(campaign.folder, int(name))
    if not path.exists():
        have = [n for n in known if generation_notebook(campaign.folder, n).exists()]
        raise CampaignError(
            f"{campaign.folder}: generation {name} left no notebook; there are those of {_listed(have)}"
        )
    return path


def _program(campaign: Any, name: str) -> tuple[str, str]:
    """Return what to call a version ("v2") or a candidate ("7"), and its source."""
    from labkit.errors import CampaignError

    entries = campaign.ledger.entries()
    versions = {entry.version: entry for entry in entries if entry.version is not None}
    if re.fullmatch(r"v\d+", name) and int(name[1:]) in versions:
        return name, versions[int(name[1:])].candidate.source
    if name.isdigit() and int(name) < len(entries):
        return f"candidate {int(name)}", entries[int(name)].candidate.source
    raise CampaignError(
        f"{campaign.folder}: no version or candidate {name!r}; there are versions {_listed(list(versions), 'v')} "
        f"and candidates {_listed([entry.number for entry in entries])}"
    )


def _listed(numbers: list[int], prefix: str = "") -> str:
    """Return numbers as runs: "0-3, 5"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = [f"{prefix}{run[0]}" + (f"-{prefix}{run[-1]}" if len(run) > 1 else "") for run in runs]
    return ", ".join(told) or "none"


def _print_code(old: tuple[str, str], new: tuple[str, str], as_json: bool) -> None:
    """Print a unified diff: in colours on a terminal, plain in a pipe."""
    from rich.syntax import Syntax

    from labkit.jail.wire import printable
    from labkit.terminal import err, out

    before, after = (printable(source, 10**6).splitlines() for _, source in (old, new))
    lines = list(difflib.unified_diff(before, after, old[0], new[0], lineterm=""))
    if as_json:
        print_json({"old": old[0], "new": new[0], "diff": lines})
    elif not lines:
        err.print(f"{old[0]} and {new[0]} are the same, line by line", markup=False)
    elif sys.stdout.isatty():
        out.print(Syntax("\n".join(lines), "diff", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        print("\n".join(lines))
