"""What each command does. Imports stand inside: a command pays only for what it uses."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import Any

CANDIDATE_FAILED, PAUSED = 3, 4


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


# --- evolve ----------------------------------------------------------------------------------------------


def evolve(args: argparse.Namespace) -> int:
    """Run a campaign to its last generation; what is recorded already is not run again."""
    from rich.markup import escape

    from labkit.campaign import Campaign
    from labkit.settings import load_settings, make_settings, with_absolute_paths
    from labkit.terminal import err, out, show_wall

    values = load_settings(args.settings) if args.settings else {}
    given = (
        "clips",
        "held_out",
        "frames",
        "qps",
        "anchors",
        "start",
        "proposer",
        "budget_usd",
        "batch",
        "record",
        "seed",
        "generations",
        "candidates",
        "workers",
        "early_stop",
        "cache",
        "pause_on",
        "vmaf",
        "remote",
        "min_isolation",
        "run_candidates_without_isolation",
    )
    values |= {key: getattr(args, key) for key in given if getattr(args, key) is not None}
    if args.rule:
        values["rule"] = {"kind": args.rule}
    settings = make_settings(with_absolute_paths(values), str(args.settings or "command line"))
    folder = _runs(args) / (args.name or _name_for(settings.clips))
    inherited = _lessons_of(args, args.lessons_from) if args.lessons_from else None
    with Campaign.start(folder, settings, inherited=inherited) as campaign:
        for line in campaign.introduction():
            err.print(escape(line), soft_wrap=True)
        show_wall(campaign.wall)
        paused = False
        for number in range(settings.generations + 1):
            if _one_generation(campaign, number) and (alerts := campaign.pausing(number)):
                for alert in alerts:
                    err.print(f"paused after generation {number}: {alert}", markup=False, soft_wrap=True)
                err.print("the same command goes on from here", soft_wrap=True)
                paused = True
                break
        report = _write_report(campaign, None)
        _show_end(campaign, report, args.json, out)
    return PAUSED if paused else 0


def _lessons_of(args: argparse.Namespace, run: Path) -> tuple[str, Sequence[str]]:
    """Return the name and the lessons of another campaign."""
    from labkit.campaign import Campaign
    from labkit.errors import CampaignError

    with Campaign.open(_folder(args, run)) as other:
        if not (known := other.ledger.lessons()):
            raise CampaignError(f"{other.folder} has no lessons yet: a Claude campaign draws them as it goes")
        return other.folder.name, known[-1].lessons


def _one_generation(campaign: Any, number: int) -> bool:
    """Run a generation unless it is recorded; return whether it ran now."""
    from labkit.errors import CampaignError
    from labkit.notebook import generation_notebook, run_generation
    from labkit.terminal import err, following, percent, shortened

    if number in campaign.ledger.ended() and generation_notebook(campaign.folder, number).exists():
        return False
    with _holding(campaign.folder), following(campaign.folder, number):
        run_generation(campaign.folder, number)
    if number not in campaign.ledger.ended():  # a notebook's own word is no evidence
        raise CampaignError(f"{campaign.folder}: generation {number} did not end; its notebook tells how far it came")
    for entry in campaign.recorded(number).entries:
        reason = shortened("; ".join(entry.verdict.reasons), 160)
        against = percent(campaign.against(entry.evaluation))
        line = f"generation {number}, candidate {entry.number}: {entry.outcome}, x265 {against}: {reason}"
        err.print(line, markup=False, soft_wrap=True)
    return True


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
    wall = _raise_wall(args)
    clips = find_clips(args.clips, args.frames)
    for note in (f"{clip.name}: {note}" for clip in clips for note in clip.notes):
        err.print(note, markup=False)
    keep = Keep(args.keep, y4m=True) if args.keep else None
    with progress_bar(args.candidate.name) as move:
        evaluation = measure(candidate, clips, args.qps, keep=keep, progress=move, wall=wall)
    comparisons = {} if evaluation.failure else _against_anchors(evaluation, args.anchors, clips)
    if args.json:
        _print_json(_evaluation_record(evaluation, comparisons))
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
        _print_json(asdict(verdict))
    else:
        _print_comparisons({args.champion.name: verdict.by_clip}, out)
        for reason in verdict.reasons:
            out.print(f"{verdict.decision}: {reason}", markup=False)
    return CANDIDATE_FAILED if challenger.failure else 0


# --- show, report, audit, clips, notebook -----------------------------------------------------------------------


def show(args: argparse.Namespace) -> int:
    """Show a campaign's table, or one of its candidates with its reasons and source."""
    from labkit.campaign import Campaign
    from labkit.jail.wire import printable
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
                out.print(f"reason: {reason}", markup=False, soft_wrap=True)
            if entry.evaluation and entry.evaluation.points:
                out.print(points_table(entry.evaluation.points, f"candidate {entry.candidate.hash[:12]}"))
            if args.source:
                print(printable("\n".join(entry.candidate.lines), 10**6))
    return 0


def brief(args: argparse.Namespace) -> int:
    """Print what a proposer would be told now: the prompt, and its size by section."""
    from labkit.campaign import Campaign
    from labkit.propose.prompt import prompt

    with Campaign.open(_run(args)) as campaign:
        told = prompt(campaign.brief(campaign.next_number))
    sections = [asdict(section) for section in told.sections]
    if args.json:
        _print_json({"text": told.text, "sections": sections})
        return 0
    print(told.text)
    for section in told.sections:
        words = f"{section.block}: {section.name}: {section.bytes:,} bytes, about {section.tokens_estimate:,} tokens"
        print(words, file=sys.stderr)
    return 0


def lessons(args: argparse.Namespace) -> int:
    """Show what a campaign has learnt."""
    from labkit.campaign import Campaign
    from labkit.terminal import out

    with Campaign.open(_run(args)) as campaign:
        known = campaign.ledger.lessons()
    if args.json:
        _print_json([{"experiments": row.experiments, "origin": row.origin, "lessons": row.lessons} for row in known])
        return 0
    if not known:
        out.print("no lessons yet: a Claude campaign draws them as it goes")
        return 0
    out.print(f"from {known[-1].origin}:", markup=False)
    for lesson in known[-1].lessons:
        out.print(f"- {lesson}", markup=False, soft_wrap=True)
    return 0


def propose(args: argparse.Namespace) -> int:
    """Enter your own codec in a campaign: one generation of the same check, run and verdict, in the ledger as yours."""
    from labkit.campaign import Campaign
    from labkit.candidate import read_candidate
    from labkit.notebook import run_generation
    from labkit.propose.manual import ManualProposer
    from labkit.terminal import err, out, show_wall

    yours = read_candidate(args.manual, hypothesis=args.hypothesis)
    proposer = ManualProposer(yours.source, yours.hypothesis)
    with Campaign.open(_run(args), proposer, candidates=1) as campaign:
        show_wall(campaign.wall)
        err.print(f"generation {campaign.next_number} of {campaign.folder}", markup=False, soft_wrap=True)
        turn = campaign.by_hand(yours.source)
        notebook = run_generation(campaign.folder, turn.number)
        (entry,) = turn.entries
        verdict = entry.verdict
        assert verdict is not None
        if args.json:
            _print_json({"candidate": entry.number, "outcome": entry.outcome, "reasons": list(verdict.reasons),
                         "notebook": str(notebook)})  # fmt: skip
        else:
            for reason in verdict.reasons:
                out.print(f"{entry.outcome}: {reason}", markup=False, soft_wrap=True)
            out.print(f"notebook: {notebook}", markup=False, soft_wrap=True)
    return CANDIDATE_FAILED if entry.outcome == "failed" else 0


def report(args: argparse.Namespace) -> int:
    """Write the campaign's offline HTML report."""
    from labkit.campaign import Campaign

    with Campaign.open(_run(args)) as campaign:
        path = _write_report(campaign, args.output)
    print(json.dumps({"report": str(path)}) if args.json else path)
    return 0


def audit(args: argparse.Namespace) -> int:
    """Compute everything again from what a campaign has kept: what is proven, what is only stated, what fails."""
    from labkit.audit import Kind
    from labkit.audit import audit as examine
    from labkit.terminal import out, progress_bar

    with progress_bar("audit") as move:
        report = examine(_run(args), anchors=args.anchors, decode=not args.no_decode, progress=move)
    if args.json:
        _print_json(report.record())
    else:
        colours = {Kind.PROVEN: "green", Kind.STATED: "yellow", Kind.FAILED: "bold red"}
        for kind, line in report.lines():
            colour = colours[kind] if kind and not line.startswith(" ") else ""
            out.print(line, style=colour or ("red" if kind is Kind.FAILED else ""), markup=False, soft_wrap=True)
    return 0 if report.passed else 1


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


def doctor(args: argparse.Namespace) -> int:
    """Show what this machine has, from fences to disk, and the one command that adds what is missing."""
    from rich.console import Console

    from labkit.doctor import examine, show

    facts = examine(Path(args.runs) if args.runs else None)
    _print_json(facts) if args.json else show(facts, Console(highlight=False))
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


def _runs(args: argparse.Namespace) -> Path:
    from labkit.settings import ROOT

    return Path(args.runs) if args.runs else ROOT / "runs"


def _run(args: argparse.Namespace) -> Path:
    return _folder(args, args.run)


def _folder(args: argparse.Namespace, run: str | Path) -> Path:
    """Return the campaign's folder: a path, or a name under runs/."""
    path = Path(run)
    return path if (path / "ledger.sqlite").exists() else _runs(args) / run
