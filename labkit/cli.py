"""The command line: `./lab COMMAND` or `labkit COMMAND`.

Exit codes: 0 done; 1 the lab or the world failed; 2 a wrong call; 3 the candidate failed; 130 interrupted.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from labkit import __version__
from labkit.errors import CandidateError, ClipError, LabkitError, NoCampaignError, SettingsError
from labkit.rd import QPS

WRONG_CALL = (CandidateError, ClipError, NoCampaignError, SettingsError, ValueError)
CANDIDATE_FAILED = 3


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as Ctrl-C does: end what we started
    args = _parser().parse_args(argv)
    try:
        sys.exit(args.command(args))
    except KeyboardInterrupt:
        _say("interrupted; nothing recorded is lost, the same command goes on from here")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except (LabkitError, ValueError) as error:
        _say(str(error))
        sys.exit(2 if isinstance(error, WRONG_CALL) else 1)


def _say(text: str) -> None:
    print(f"labkit: {text}", file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


# --- evolve ----------------------------------------------------------------------------------------------


def evolve(args: argparse.Namespace) -> int:
    """Run a campaign to its last generation; what is recorded already is not run again."""
    from rich.markup import escape

    from labkit.campaign import Campaign
    from labkit.jail import ISOLATION_NOTE
    from labkit.settings import load_settings, make_settings
    from labkit.terminal import err, out

    values = load_settings(args.settings) if args.settings else {}
    given = (
        "clips",
        "frames",
        "qps",
        "anchors",
        "start",
        "proposer",
        "seed",
        "generations",
        "candidates",
        "workers",
        "remote",
    )
    values |= {key: getattr(args, key) for key in given if getattr(args, key) is not None}
    if args.rule:
        values["rule"] = {"kind": args.rule}
    if values.get("frames") == 0:
        values["frames"] = None
    settings = make_settings(values, str(args.settings or "command line"))
    folder = _runs(args) / (args.name or _name_for(settings.clips))
    with Campaign.start(folder, settings) as campaign:
        err.print(f"campaign {escape(str(folder))}, proposer: {escape(settings.proposer)}")
        err.print(f"[yellow]{ISOLATION_NOTE}[/yellow]", soft_wrap=True)
        for number in range(settings.generations + 1):
            _one_generation(campaign, number)
        report = _write_report(campaign, None)
        _show_end(campaign, report, args.json, out)
    return 0


def _one_generation(campaign: Any, number: int) -> None:
    from labkit.errors import CampaignError
    from labkit.notebook import generation_notebook, run_generation
    from labkit.terminal import err, following, percent, shortened

    if number in campaign.ledger.ended() and generation_notebook(campaign.folder, number).exists():
        return
    with _holding(campaign.folder), following(campaign.folder, number):
        run_generation(campaign.folder, number)
    if number not in campaign.ledger.ended():  # a notebook's own word is no evidence
        raise CampaignError(f"{campaign.folder}: generation {number} did not end; its notebook tells how far it came")
    for entry in campaign.recorded(number).entries:
        reason = shortened("; ".join(entry.verdict.reasons), 160)
        against = percent(campaign.against(entry.evaluation))
        line = f"generation {number}, candidate {entry.number}: {entry.outcome}, x265 {against}: {reason}"
        err.print(line, markup=False, soft_wrap=True)


def _holding(folder: Path) -> Any:
    from labkit.lock import stepping

    return stepping(folder)


def _show_end(campaign: Any, report: Path, as_json: bool, out: Any) -> None:
    from labkit.notebook import generation_notebook
    from labkit.terminal import campaign_table

    champion = campaign.champion
    if as_json:
        _print_json({
            "campaign": str(campaign.folder), "champion": None if champion is None else champion.version,
            "report": str(report), "notebooks": str(campaign.folder / "notebooks"), "entries": _records(campaign),
        })  # fmt: skip
        return
    out.print(campaign_table(campaign))
    if champion is None:
        out.print("champion: none yet")
    else:
        out.print(f"champion: v{champion.version}, {campaign.lineage.path(champion.version)}", soft_wrap=True)
    out.print(f"report:    {report}", soft_wrap=True, markup=False)
    for number in range(campaign.next_number):
        out.print(f"notebook:  {generation_notebook(campaign.folder, number)}", soft_wrap=True, markup=False)


def _records(campaign: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = campaign.table().astype(object).to_dict("records")
    return [{key: None if value != value else value for key, value in record.items()} for record in records]


def _name_for(clips: Sequence[str]) -> str:
    """Return a campaign's name for clips: "default" for the built-in ones, else the first one's."""
    if tuple(clips) == ("builtin",):
        return "default"
    return "-".join(Path(spec.rstrip("/")).stem.replace(":", "-") for spec in clips)[:80]


# --- evaluate, compare -----------------------------------------------------------------------------------


def evaluate(args: argparse.Namespace) -> int:
    """Measure one candidate on clips, beside real encoders."""
    from labkit.candidate import read_candidate
    from labkit.evaluate import Keep
    from labkit.evaluate import evaluate as measure
    from labkit.footage.library import find_clips
    from labkit.terminal import err, out, points_table, progress_bar

    candidate = read_candidate(args.candidate)
    clips = find_clips(args.clips, args.frames)
    for note in (f"{clip.name}: {note}" for clip in clips for note in clip.notes):
        err.print(note, markup=False)
    keep = Keep(args.keep, y4m=True) if args.keep else None
    with progress_bar(args.candidate.name) as move:
        evaluation = measure(candidate, clips, args.qps, keep=keep, progress=move)
    anchors = {} if evaluation.failure else _anchor_points(args.anchors, clips)
    comparisons = _compared(evaluation, anchors)
    if args.json:
        _print_json(_evaluation_record(evaluation, comparisons))
    else:
        out.print(f"isolation: {evaluation.isolation}, candidate {candidate.hash[:12]}")
        if evaluation.failure:
            out.print(str(evaluation.failure), style="red", markup=False)
            out.print(evaluation.failure.output, markup=False)
        else:
            out.print(points_table(evaluation.points, args.candidate.name))
            _print_comparisons(comparisons, out)
    return CANDIDATE_FAILED if evaluation.failure else 0


def _compared(evaluation: Any, anchors: Mapping[str, Any]) -> dict[str, Any]:
    from labkit.adopt import versus

    return {name: versus(evaluation, points, name) for name, points in anchors.items()}


def _anchor_points(names: Sequence[str], clips: Sequence[Any]) -> dict[str, dict[str, Any]]:
    from labkit.anchors import AnchorShelf
    from labkit.metrics import Distortion
    from labkit.settings import cache_folder
    from labkit.terminal import progress_bar

    shelf = AnchorShelf(cache_folder() / "anchors", Distortion)
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    with progress_bar("anchors") as move:
        for index, (name, clip) in enumerate((name, clip) for name in names for clip in clips):
            move(index, len(names) * len(clips), f"{name} on {clip.name}")
            found[name][clip.name] = shelf.curve(clip, name)
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
    evaluations = []
    for path in (args.champion, args.challenger):
        with progress_bar(path.name) as move:
            evaluations.append(measure(read_candidate(path), clips, args.qps, progress=move))
    champion, challenger = evaluations
    if champion.failure:
        _say(f"{args.champion}: {champion.failure}")
        return CANDIDATE_FAILED
    verdict = judge(challenger, champion, BdRateRule())
    if args.json:
        _print_json(asdict(verdict))
    else:
        _print_comparisons({args.champion.name: verdict.by_clip}, out)
        for reason in verdict.reasons:
            out.print(f"{verdict.decision}: {reason}", markup=False)
    return CANDIDATE_FAILED if challenger.failure else 0


# --- show, report, clips, notebook -----------------------------------------------------------------------


def show(args: argparse.Namespace) -> int:
    """Show a campaign's table, or one of its candidates with its reasons and source."""
    from labkit.campaign import Campaign
    from labkit.terminal import campaign_table, out, points_table

    with Campaign.open(_run(args)) as campaign:
        if args.json:
            records = _records(campaign)
            _print_json(records if args.number is None else records[campaign.entry(args.number).number])
        elif args.number is None:
            out.print(campaign_table(campaign))
        else:
            entry = campaign.entry(args.number)
            out.print(f"candidate {entry.number}, generation {entry.generation}: {entry.outcome}", markup=False)
            out.print(f"hypothesis: {entry.candidate.hypothesis}", markup=False)
            for reason in entry.verdict.reasons if entry.verdict else ():
                out.print(f"reason: {reason}", markup=False)
            if entry.evaluation and entry.evaluation.points:
                out.print(points_table(entry.evaluation.points, f"candidate {entry.candidate.hash[:12]}"))
            if args.source:
                print(entry.candidate.source)
    return 0


def report(args: argparse.Namespace) -> int:
    """Write the campaign's offline HTML report."""
    from labkit.campaign import Campaign

    with Campaign.open(_run(args)) as campaign:
        path = _write_report(campaign, args.output)
    print(json.dumps({"report": str(path)}) if args.json else path)
    return 0


def _write_report(campaign: Any, output: Path | None) -> Path:
    from labkit.view.report import write_report

    return write_report(campaign, output or campaign.folder / "report.html")


def clips(args: argparse.Namespace) -> int:
    """List, show or add clips."""
    from labkit.footage import library
    from labkit.terminal import out

    if args.action == "add":
        added = library.add_clip(args.source, args.name, args.frames)
        _print_json(asdict(added)) if args.json else out.print(f"added {added.name}: {added}", markup=False)
        return 0
    known = library.list_clips()
    if args.action == "show":
        clip = library.find_clips([args.clip], args.frames)[0]
        record = {"name": clip.name, "width": clip.width, "height": clip.height, "fps": str(clip.fps),
                  "frames": len(clip), "matrix": clip.matrix, "origin": clip.origin, "notes": list(clip.notes),
                  "hash": clip.hash}  # fmt: skip
        _print_json(record) if args.json else out.print("\n".join(f"{k}: {v}" for k, v in record.items()), markup=False)
    elif args.json:
        _print_json([asdict(info) for info in known])
    else:
        for info in known:
            out.print(str(info), markup=False)
    return 0


def notebook(args: argparse.Namespace) -> int:
    """Execute a parameterised notebook; a parameter that it does not have is refused."""
    from labkit.notebook import run_notebook

    print(run_notebook(args.notebook, args.output, {name: _typed(value) for name, value in args.p or ()}))
    return 0


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


# --- the parser ------------------------------------------------------------------------------------------


def _qps(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of QPs like 22,27,32,37") from None


def _names(text: str) -> tuple[str, ...]:
    from labkit.anchors import ANCHORS

    names = () if text == "none" else tuple(ANCHORS) if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in ANCHORS:
            raise argparse.ArgumentTypeError(f"unknown anchor {name!r}; known are {', '.join(ANCHORS)}, all, none")
    return names


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _positive(text: str) -> int:
    if not (text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _runs(args: argparse.Namespace) -> Path:
    from labkit.settings import ROOT

    return Path(args.runs) if args.runs else ROOT / "runs"


def _run(args: argparse.Namespace) -> Path:
    """Return the campaign's folder: a path, or a name under runs/."""
    path = Path(args.run)
    return path if (path / "ledger.sqlite").exists() else _runs(args) / args.run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("labkit", description="A lab in which video codecs evolve.")
    parser.add_argument("--version", action="version", version=f"labkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Callable[[argparse.Namespace], int], *, runs: bool = False) -> argparse.ArgumentParser:
        text = (function.__doc__ or "").strip()
        sub = commands.add_parser(function.__name__, help=text, description=text)
        sub.set_defaults(command=function)
        sub.add_argument("--json", action="store_true", help="print one JSON value")
        if runs:
            sub.add_argument("--runs", metavar="DIR", help="where campaigns are kept (runs/)")
        return sub

    _evolve_options(command(evolve, runs=True))
    for function, programs in ((evaluate, ("candidate",)), (compare, ("champion", "challenger"))):
        sub = command(function)
        for name in programs:
            sub.add_argument(name, type=Path, help="a codec: one Python file")
        sub.add_argument("--clips", nargs="+", default=["builtin"], help="paths, folders, URLs, builtin[:NAME], names")
        sub.add_argument("--qps", type=_qps, default=QPS, help="22,27,32,37")
        sub.add_argument("--frames", type=_positive, help="the first so many of each clip (all)")
        if function is evaluate:
            sub.add_argument(
                "--keep", type=Path, metavar="DIR", help="keep containers (.lkv) and decoded frames (.y4m)"
            )
            sub.add_argument(
                "--anchors", type=_names, default="all", help="real encoders to compare with: names, all, none"
            )
    sub = command(show, runs=True)
    sub.add_argument("run")
    sub.add_argument("number", type=_count, nargs="?", help="a candidate's number")
    sub.add_argument("--source", action="store_true", help="print its source too")
    sub = command(report, runs=True)
    sub.add_argument("run")
    sub.add_argument("--output", type=Path)
    _clips_options(command(clips))
    sub = command(notebook)
    sub.add_argument("notebook", type=Path)
    sub.add_argument("output", type=Path)
    sub.add_argument("-p", nargs=2, action="append", metavar=("NAME", "VALUE"), help="a parameter of the notebook")
    sub = command(bench)
    sub.add_argument("benchmark", nargs="?", help="which one; none lists them")
    return parser


def _evolve_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--name", help="the campaign's name under runs/ (from the clips)")
    sub.add_argument("--settings", type=Path, metavar="FILE.toml", help="a campaign file; flags win over it")
    sub.add_argument("--clips", nargs="+", help="paths, folders, URLs, builtin[:NAME], names (builtin)")
    sub.add_argument("--frames", type=_count, help="the first so many of each clip; 0 for all (17)")
    sub.add_argument("--qps", type=_qps, help="22,27,32,37")
    sub.add_argument("--anchors", type=_names, help="real encoders to compare with: names, all, none (all)")
    sub.add_argument("--generations", type=_count, help="in all, resumed ones included (6)")
    sub.add_argument("--candidates", type=_positive, help="proposals in each generation (2)")
    sub.add_argument("--proposer", help="recombine, replay:FOLDER or manual:FILE.py (recombine, offline)")
    sub.add_argument("--rule", choices=("bd_rate", "threshold", "pareto"), help="how adoption is judged (bd_rate)")
    sub.add_argument("--start", help="the program that is version 0 (codecs/intra_dct.py)")
    sub.add_argument("--seed", type=_count)
    sub.add_argument("--workers", type=_count, help="candidates measured at once (one a core)")
    sub.add_argument("--remote", help="a git remote to push adopted versions to")


def _clips_options(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="all known clips")
    one = actions.add_parser("show", help="one clip in detail")
    one.add_argument("clip")
    new = actions.add_parser("add", help="import a video into your library, losslessly")
    new.add_argument("source")
    new.add_argument("--name")
    for action in (one, new):
        action.add_argument("--frames", type=_positive)
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
