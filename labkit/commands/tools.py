"""Commands about clips, notebooks, the machine and its speed. Imports stand inside: each pays for what it uses."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from labkit.commands.given import print_json


def clips(args: argparse.Namespace) -> int:
    """List, show or add clips."""
    from labkit.footage import library
    from labkit.terminal import out

    if args.action == "add":
        added = library.add_clip(args.source, args.name, args.frames)
        print_json(asdict(added)) if args.json else out.print(f"added {added.name}: {added}", markup=False)
        return 0
    known = library.list_clips()
    if args.action == "show":
        clip = library.find_clips([args.clip], args.frames)[0]
        record = {"name": clip.name, "width": clip.width, "height": clip.height, "fps": str(clip.fps),
                  "frames": len(clip), "matrix": clip.matrix, "origin": clip.origin, "notes": list(clip.notes),
                  "hash": clip.hash}  # fmt: skip
        print_json(record) if args.json else out.print("\n".join(f"{k}: {v}" for k, v in record.items()), markup=False)
    elif args.json:
        print_json([asdict(info) for info in known])
    else:
        for info in known:
            out.print(str(info), markup=False)
    return 0


def notebook(args: argparse.Namespace) -> int:
    """Execute a parameterised notebook; a parameter that it does not have is refused."""
    from labkit.notebook import run_notebook

    print(run_notebook(args.notebook, args.output, {name: _typed(value) for name, value in args.p or ()}))
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Show what this machine has, from fences to disk, and the one command that adds what is missing."""
    from rich.console import Console

    from labkit.doctor import examine, show

    facts = examine(Path(args.runs) if args.runs else None)
    print_json(facts) if args.json else show(facts, Console(highlight=False))
    return 0 if facts["isolation"]["level"] else 1


def bench(args: argparse.Namespace) -> int:
    """Run a benchmark and print medians."""
    from labkit import bench as benches

    return benches.run(args.benchmark, args.json)


def _typed(text: str) -> object:
    """Return a parameter's value: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
