"""Commands about a campaign. Imports stand inside: a command pays only for what it uses."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labkit.commands.given import CANDIDATE_FAILED, PAUSED, campaign_folder, print_json, run_folder, runs_folder


def evolve(args: argparse.Namespace) -> int:
    """Run a campaign to its last generation; what is recorded already is not run again."""
    from rich.markup import escape

    from labkit.campaign import Campaign
    from labkit.lock import stepping
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
    folder = runs_folder(args) / (_fit(args.name) if args.name else _name_for(settings.clips))
    inherited = _lessons_of(args, args.lessons_from) if args.lessons_from else None
    with Campaign.start(folder, settings, inherited=inherited) as campaign, stepping(folder):
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


def _fit(name: str) -> str:
    """Return a name that is one folder under runs/."""
    from labkit.errors import SettingsError

    if name in (".", "..") or Path(name).name != name:
        raise SettingsError(f"--name {name!r} is not the name of one folder; --runs says in which folder it lies")
    return name


def _lessons_of(args: argparse.Namespace, run: Path) -> tuple[str, Sequence[str]]:
    """Return the name and the lessons of another campaign."""
    from labkit.campaign import Campaign
    from labkit.errors import CampaignError

    with Campaign.open(campaign_folder(args, run)) as other:
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
    with following(campaign.folder, number):
        run_generation(campaign.folder, number)
    if number not in campaign.ledger.ended():  # a notebook's own word is no evidence
        raise CampaignError(f"{campaign.folder}: generation {number} did not end; its notebook tells how far it came")
    for entry in campaign.recorded(number).entries:
        reason = shortened("; ".join(entry.verdict.reasons), 160)
        against = percent(campaign.against(entry.evaluation))
        line = f"generation {number}, candidate {entry.number}: {entry.outcome}, x265 {against}: {reason}"
        err.print(line, markup=False, soft_wrap=True)
    return True


def _show_end(campaign: Any, report: Path, as_json: bool, out: Any) -> None:
    from labkit.notebook import generation_notebook
    from labkit.terminal import campaign_table

    champion = campaign.champion
    if as_json:
        print_json({
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


def show(args: argparse.Namespace) -> int:
    """Show a campaign's table, or one of its candidates with its reasons and source."""
    from labkit.campaign import Campaign
    from labkit.jail.wire import printable
    from labkit.terminal import campaign_table, out, points_table

    with Campaign.open(run_folder(args)) as campaign:
        if args.json:
            records = _records(campaign)
            print_json(records if args.number is None else records[campaign.entry(args.number).number])
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


def stop(args: argparse.Namespace) -> int:
    """Stop a campaign that runs elsewhere, as Ctrl-C would; `labkit resume` goes on exactly where it was."""
    from labkit.campaign import Campaign
    from labkit.campaign.control import stop as interrupt

    with Campaign.open(run_folder(args)) as campaign:
        done = interrupt(campaign.folder)
    print_json(asdict(done)) if args.json else print(done)
    return 0


def resume(args: argparse.Namespace) -> int:
    """Go on with a campaign that was stopped, as a process of its own that needs no terminal."""
    from labkit.campaign import Campaign
    from labkit.view.resuming import resume_run

    with Campaign.open(run_folder(args)) as campaign:
        done = resume_run(campaign)
    print_json({"pid": done.pid, "log": str(done.log)}) if args.json else print(done)
    return 0


def brief(args: argparse.Namespace) -> int:
    """Print what a proposer would be told now: the prompt, and its size by section."""
    from labkit.campaign import Campaign
    from labkit.propose.prompt import prompt

    with Campaign.open(run_folder(args)) as campaign:
        told = prompt(campaign.brief(campaign.next_number))
    sections = [asdict(section) for section in told.sections]
    if args.json:
        print_json({"text": told.text, "sections": sections})
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

    with Campaign.open(run_folder(args)) as campaign:
        known = campaign.ledger.lessons()
    if args.json:
        print_json([{"experiments": row.experiments, "origin": row.origin, "lessons": row.lessons} for row in known])
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
    with Campaign.open(run_folder(args), proposer, candidates=1) as campaign:
        show_wall(campaign.wall)
        err.print(f"generation {campaign.next_number} of {campaign.folder}", markup=False, soft_wrap=True)
        turn = campaign.by_hand(yours.source)
        notebook = run_generation(campaign.folder, turn.number)
        (entry,) = turn.entries
        verdict = entry.verdict
        assert verdict is not None
        if args.json:
            print_json({"candidate": entry.number, "outcome": entry.outcome, "reasons": list(verdict.reasons),
                         "notebook": str(notebook)})  # fmt: skip
        else:
            for reason in verdict.reasons:
                out.print(f"{entry.outcome}: {reason}", markup=False, soft_wrap=True)
            out.print(f"notebook: {notebook}", markup=False, soft_wrap=True)
    return CANDIDATE_FAILED if entry.outcome == "failed" else 0


def report(args: argparse.Namespace) -> int:
    """Write the campaign's report: one offline HTML file, or Markdown; as a PDF besides."""
    from labkit.campaign import Campaign
    from labkit.view.markdown import write_markdown
    from labkit.view.pdf import find_chromium, write_pdf

    if args.output and args.output.suffix == ".pdf":
        raise ValueError(f"--output {args.output} names the report (.html, .md); --pdf writes the PDF beside it")
    if args.pdf:
        find_chromium()  # said before a report is made, not after
    with Campaign.open(run_folder(args)) as campaign:
        place = args.output or campaign.folder / f"report.{args.format}"
        html = None if args.format == "md" else _write_report(campaign, place)
        written = {"report": html or write_markdown(campaign, place)}
        if args.pdf:
            pdf = place.with_suffix(".pdf")
            written["pdf"] = write_pdf(html or _write_report(campaign, place.with_suffix(".html")), pdf)
    paths = {kind: str(path) for kind, path in written.items()}
    print(json.dumps(paths) if args.json else "\n".join(paths.values()))
    return 0


def audit(args: argparse.Namespace) -> int:
    """Compute everything again from what a campaign has kept: what is proven, what is only stated, what fails."""
    from labkit.audit import Kind
    from labkit.audit import audit as examine
    from labkit.terminal import out, progress_bar

    with progress_bar("audit") as move:
        report = examine(run_folder(args), anchors=args.anchors, decode=not args.no_decode, progress=move)
    if args.json:
        print_json(report.record())
    else:
        colours = {Kind.PROVEN: "green", Kind.STATED: "yellow", Kind.FAILED: "bold red"}
        for kind, line in report.lines():
            colour = colours[kind] if kind and not line.startswith(" ") else ""
            out.print(line, style=colour or ("red" if kind is Kind.FAILED else ""), markup=False, soft_wrap=True)
    return 0 if report.passed else 1


def _write_report(campaign: Any, output: Path | None) -> Path:
    from labkit.view.report import write_report

    return write_report(campaign, output or campaign.folder / "report.html")
