"""What the arguments of several commands name, and how JSON is printed."""

import argparse
import json
from pathlib import Path

CANDIDATE_FAILED, PAUSED = 3, 4
"""Exit codes."""


def print_json(value: object) -> None:
    """Print one strict JSON value."""
    print(json.dumps(value, indent=2, allow_nan=False))


def runs_folder(args: argparse.Namespace) -> Path:
    """Return where campaigns are kept."""
    from labkit.settings import ROOT

    return Path(args.runs) if args.runs else ROOT / "runs"


def run_folder(args: argparse.Namespace) -> Path:
    """Return the folder of the campaign that the command is about."""
    return campaign_folder(args, args.run)


def campaign_folder(args: argparse.Namespace, run: str | Path) -> Path:
    """Return the campaign's folder: a path, or a name under runs/."""
    path = Path(run)
    return path if (path / "ledger.sqlite").exists() else runs_folder(args) / run
