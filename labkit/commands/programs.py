"""Commands that measure single programs. Imports stand inside: a command pays only for what it uses."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from textwrap import indent
from typing import Any

from labkit.commands.given import CANDIDATE_FAILED, print_json


def evaluate(args: argparse.Namespace) -> int:
    """Measure one candidate on clips, beside real encoders."""
    from labkit.candidate import read_candidate
    from labkit.evaluate import Keep
    from labkit.evaluate import evaluate as measure
    from labkit.footage.library import find_clips
    from labkit.terminal import err, out, points_table, progress_bar

    candidate = read_candidate(args.candidate)
    wall = _raise_wall(args)
    clips = find_clips(args.clips, args.frames)
    for note in (f"{clip.name}: {note}" for clip in clips for note in clip.notes):
        err.print(note, markup=False)
    keep = Keep(args.keep, y4m=True) if args.keep else None
    with progress_bar(args.candidate.name) as move:
        evaluation = measure(candidate, clips, args.qps, keep=keep, progress=move, wall=wall)
    comparisons = {} if evaluation.failure else _against_anchors(evaluation, args.anchors, clips)
    if args.json:
        print_json(_evaluation_record(evaluation, comparisons))
    else:
        out.print(f"isolation: {evaluation.isolation}, candidate {candidate.hash[:12]}")
        if evaluation.failure:
            out.print(str(evaluation.failure), style="red", markup=False)
            if printed := evaluation.failure.output:  # indented: none of it can be taken for a line of the lab
                out.print("it printed:\n" + indent(printed, "    ", lambda line: True), markup=False, soft_wrap=True)
        else:
            out.print(points_table(evaluation.points, args.candidate.name))
            _print_comparisons(comparisons, out)
    return CANDIDATE_FAILED if evaluation.failure else 0


def _raise_wall(args: argparse.Namespace) -> Any:
    from labkit.jail import Level, raise_wall
    from labkit.terminal import show_wall

    wall = raise_wall(Level(args.min_isolation or Level.FILTERED), bool(args.run_candidates_without_isolation))
    show_wall(wall)
    return wall


def _against_anchors(evaluation: Any, names: Sequence[str], clips: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the comparisons by anchor; what stands in the way of a number is its reason, not an error."""
    from labkit.anchors import AnchorShelf
    from labkit.errors import AnchorError, RDError
    from labkit.metrics import Distortion
    from labkit.rd import Comparison, RDCurve, compare
    from labkit.settings import cache_folder
    from labkit.terminal import progress_bar

    shelf = AnchorShelf(cache_folder() / "anchors", Distortion)
    found: dict[str, list[Any]] = {name: [] for name in names}
    with progress_bar("anchors") as move:
        for index, (name, clip) in enumerate((name, clip) for name in names for clip in clips):
            move(index, len(names) * len(clips), f"{name} on {clip.name}")
            ours = RDCurve.of("the candidate", evaluation.on(clip.name))
            try:
                ours.check()  # first: a curve that compares with nothing needs no encoder to run
                found[name].append(compare(RDCurve.of(name, shelf.curve(clip, name)), ours, clip.name))
            except (RDError, AnchorError) as error:
                found[name].append(Comparison(clip.name, None, str(error)))
    return found


def _evaluation_record(evaluation: Any, comparisons: Mapping[str, Any]) -> dict[str, Any]:
    failure = asdict(evaluation.failure) if evaluation.failure else None
    return {
        "candidate": evaluation.candidate,
        "isolation": evaluation.isolation,
        "points": [_finite(asdict(point)) for point in evaluation.points],
        "bd_rate_pct": {name: {c.clip: c.bd_rate_pct for c in clips} for name, clips in comparisons.items()},
        "bd_rate_reason": {
            name: {c.clip: c.reason for c in clips if c.bd_rate_pct is None} for name, clips in comparisons.items()
        },
        "failure": failure,
        "cpu_s": evaluation.cpu_s,
        "wall_s": evaluation.wall_s,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return a point for strict JSON: an infinite PSNR is null, and `lossless` says so."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return None if value == float("inf") else value

    return {**{key: plain(value) for key, value in values.items()}, "lossless": values["psnr_db"] == float("inf")}


def _print_comparisons(comparisons: Mapping[str, Any], out: Any) -> None:
    for name, clips in comparisons.items():
        for c in clips:
            value = f"{c.bd_rate_pct:+.2f} %" if c.bd_rate_pct is not None else f"none: {c.reason}"
            out.print(f"BD-rate against {name} on {c.clip}: {value}", markup=False)


def compare(args: argparse.Namespace) -> int:
    """Measure two candidates on the same clips and judge the second against the first."""
    from labkit.adopt import BdRateRule, judge
    from labkit.candidate import read_candidate
    from labkit.evaluate import evaluate as measure
    from labkit.footage.library import find_clips
    from labkit.terminal import out, progress_bar

    clips = find_clips(args.clips, args.frames)
    wall = _raise_wall(args)
    evaluations = []
    for path in (args.champion, args.challenger):
        with progress_bar(path.name) as move:
            evaluations.append(measure(read_candidate(path), clips, args.qps, progress=move, wall=wall))
    champion, challenger = evaluations
    if champion.failure:
        print(f"labkit: {args.champion}: {champion.failure}", file=sys.stderr)
        return CANDIDATE_FAILED
    verdict = judge(challenger, champion, BdRateRule())
    if args.json:
        print_json(asdict(verdict))
    else:
        _print_comparisons({args.champion.name: verdict.by_clip}, out)
        for reason in verdict.reasons:
            out.print(f"{verdict.decision}: {reason}", markup=False)
    return CANDIDATE_FAILED if challenger.failure else 0
