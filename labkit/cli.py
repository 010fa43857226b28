"""The command line: `./lab COMMAND` or `labkit COMMAND`.

Exit codes: 0 done; 1 the lab or the world failed; 2 a wrong call; 3 the candidate failed; 4 paused on an alert;
130 interrupted.
"""

import argparse
import errno
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from labkit import __version__, commands
from labkit.container import MAX_QP
from labkit.errors import CandidateError, ClipError, LabkitError, NoCampaignError, SettingsError

_MACHINE = {
    errno.ENOSPC: "free space, or name another folder",
    errno.EDQUOT: "free space, or name another folder",
    errno.EROFS: "name a folder that can be written",
    errno.EAGAIN: "too many processes run here, or the user may have no more",
    errno.ENOMEM: "the machine's memory is used up",
    errno.EMFILE: "too many files are open; raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine",
    None: "",  # a library's own words
}
"""What a person can do where the machine has nothing more to give; any other OSError is a mistake of ours."""

WRONG_CALL = (CandidateError, ClipError, NoCampaignError, SettingsError, ValueError)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    args = _parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
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
    except OSError as error:
        if error.errno not in _MACHINE:
            raise
        _refused(str(error), _MACHINE[error.errno])
    except RuntimeError as error:
        if str(error) != "can't start new thread":  # a thread is a process to the kernel's count
            raise
        _refused(str(error), _MACHINE[errno.EAGAIN])


def _refused(error: str, advice: str) -> NoReturn:
    """Say in a line what the machine does not give, and leave."""
    _say("; ".join(filter(None, (f"the machine refuses: {' '.join(error.split())[:300]}", advice))))
    sys.exit(1)


def _interrupt(number: int, frame: object) -> NoReturn:
    """End what we started at once: a kernel that is asked politely first finishes its candidate."""
    import psutil

    logging.getLogger("asyncio").disabled = True  # it would report each task whose kernel is gone now
    for child in psutil.Process().children():
        child.kill()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _say(text: str) -> None:
    print(f"labkit: {text}", file=sys.stderr)


def _qps(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) <= MAX_QP for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of QPs from 0 to {MAX_QP} like 22,27,32,37")
    return tuple(map(int, parts))


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("labkit", description="A lab in which video codecs evolve.")
    parser.add_argument("--version", action="version", version=f"labkit {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Callable[[argparse.Namespace], int], *, runs: bool = False) -> argparse.ArgumentParser:
        text = (function.__doc__ or "").strip()
        sub = subparsers.add_parser(function.__name__, help=text, description=text)
        sub.set_defaults(command=function)
        sub.add_argument("--json", action="store_true", help="print one JSON value")
        if runs:
            sub.add_argument("--runs", metavar="DIR", help="where campaigns are kept (runs/)")
        return sub

    _evolve_options(command(commands.evolve, runs=True))
    for function, programs in ((commands.evaluate, ("candidate",)), (commands.compare, ("champion", "challenger"))):
        sub = command(function)
        for name in programs:
            sub.add_argument(name, type=Path, help="a codec: one Python file")
        sub.add_argument("--clips", nargs="+", default=["builtin"], help="paths, folders, URLs, builtin[:NAME], names")
        sub.add_argument("--qps", type=_qps, default="22,27,32,37", help="22,27,32,37")
        sub.add_argument("--frames", type=_positive, help="the first so many of each clip (all)")
        _wall_options(sub)
        if function is commands.evaluate:
            sub.add_argument(
                "--keep", type=Path, metavar="DIR", help="keep containers (.lkv) and decoded frames (.y4m)"
            )
            sub.add_argument(
                "--anchors", type=_names, default="all", help="real encoders to compare with: names, all, none"
            )
    sub = command(commands.show, runs=True)
    sub.add_argument("run")
    sub.add_argument("number", type=_count, nargs="?", help="a candidate's number")
    sub.add_argument("--source", action="store_true", help="its source too, escaped; its bytes: versions/, rejected/")
    for function in (commands.stop, commands.resume, commands.brief, commands.lessons):
        sub = command(function, runs=True)
        sub.add_argument("run")
    sub = command(commands.propose, runs=True)
    sub.add_argument("run")
    sub.add_argument("--manual", type=Path, required=True, metavar="FILE.py", help="your codec: one Python file")
    sub.add_argument("--hypothesis", default="", help="what it should do better (the first line of its docstring)")
    sub = command(commands.report, runs=True)
    sub.add_argument("run")
    sub.add_argument("--output", type=Path, metavar="FILE", help="where to (report.html or report.md in the campaign)")
    sub.add_argument("--format", choices=("html", "md"), default="html", help="md: Markdown, charts as files beside it")
    sub.add_argument("--pdf", action="store_true", help="print the HTML report as a PDF beside it, too (Chromium)")
    sub = command(commands.diff, runs=True)
    sub.add_argument("run")
    sub.add_argument("old", help="a generation; with --code a version (v2) or a candidate's number")
    sub.add_argument("new", help="the same")
    sub.add_argument("--code", action="store_true", help="the difference of two programs, in the terminal")
    sub.add_argument("--no-browser", action="store_true", help="only print the page's address")
    sub.add_argument("--port", type=_count, help="of the page (any that is free)")
    sub = command(commands.audit, runs=True)
    sub.add_argument("run")
    sub.add_argument("--anchors", action="store_true", help="let real encoders code one clip again, too")
    sub.add_argument("--no-decode", action="store_true", help="run no candidate: containers are not decoded")
    _clips_options(command(commands.clips))
    sub = command(commands.notebook)
    sub.add_argument("notebook", type=Path)
    sub.add_argument("output", type=Path)
    sub.add_argument("-p", nargs=2, action="append", metavar=("NAME", "VALUE"), help="a parameter of the notebook")
    sub = command(commands.dashboard, runs=True)
    sub.add_argument("run", nargs="?", help="a campaign (the newest)")
    sub.add_argument("--port", type=_positive, default=8866, help="8866")
    command(commands.doctor, runs=True)
    sub = command(commands.bench)
    sub.add_argument("benchmark", nargs="?", help="which one; none lists them")
    return parser


def _evolve_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--name", help="the campaign's name under runs/ (from the clips)")
    sub.add_argument("--settings", type=Path, metavar="FILE.toml", help="a campaign file; flags win over it")
    sub.add_argument("--clips", nargs="+", help="paths, folders, URLs, builtin[:NAME], names (builtin)")
    sub.add_argument(
        "--held-out", nargs="+", help="clips that decide about adoptions, shown to no proposer; none; (auto)"
    )
    sub.add_argument("--frames", type=_count, help="the first so many of each clip; 0 for all (9)")
    sub.add_argument("--qps", type=_qps, help="22,27,32,37")
    sub.add_argument("--anchors", type=_names, help="real encoders to compare with: names, all, none (all)")
    sub.add_argument("--generations", type=_count, help="in all, resumed ones included (5)")
    sub.add_argument("--candidates", type=_positive, help="proposals in each generation (2)")
    sub.add_argument("--proposer", help="recombine (offline), claude, replay:FOLDER or manual:FILE.py (recombine)")
    sub.add_argument("--budget-usd", type=float, metavar="USD", help="hard cap on what a model may cost (none)")
    sub.add_argument("--batch", action="store_const", const=True, help="ask by message batches: half price, overnight")
    sub.add_argument("--record", metavar="DIR", help="keep every answer of the model, for --proposer replay:DIR")
    sub.add_argument("--lessons-from", type=Path, metavar="RUN", help="begin with the lessons of another campaign")
    sub.add_argument("--rule", choices=("bd_rate", "threshold", "pareto"), help="how adoption is judged (bd_rate)")
    sub.add_argument("--start", help="the program that is version 0 (codecs/intra_dct.py)")
    sub.add_argument("--seed", type=_count)
    sub.add_argument("--workers", type=_count, help="candidates measured at once (one a core)")
    sub.add_argument(
        "--no-early-stop",
        dest="early_stop",
        action="store_const",
        const=False,
        help="measure every rate point, also of candidates that cannot win any more",
    )
    sub.add_argument(
        "--no-cache", dest="cache", action="store_const", const=False, help="measure again what was measured before"
    )
    sub.add_argument(
        "--vmaf", action="store_const", const=True, help="VMAF of versions in the report (needs ffmpeg with it)"
    )
    sub.add_argument("--pause-on", nargs="+", metavar="ALERT", help='pause after an alert, as "stagnation" (none)')
    sub.add_argument("--remote", help="a git remote to push adopted versions to")
    _wall_options(sub)


def _wall_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--min-isolation", choices=("sealed", "filtered"), help="refuse a weaker wall (filtered)")
    help_text = "DANGER: no wall at all; figures are not comparable"
    sub.add_argument("--run-candidates-without-isolation", action="store_const", const=True, help=help_text)


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
