"""The sections of a prompt: fixed pages, tables, and others' words inside tags."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from statistics import fmean

from labkit.policy import Refusal, Rules
from labkit.propose.brief import MEASURED, Brief, Experiment
from labkit.propose.tags import fitted, on_one_line, printable, size, tagged
from labkit.rd import Comparison, RDPoint

DEFAULT_LIMIT_KIB = 384
"""Room for the longest source that the static check lets pass, and for everything else."""

SHOWN = 20
"""Experiments that are told in a line each; of older ones only the idea and its result."""

WORST = 3
"""Frames told for each clip."""

LEAST_SHARE = 0.0005
"""Of a file that is worth a word: it rounds to 0.1 %."""

_MOST_KIB = {
    "rate points": 12, "gaps": 8, "bits": 6, "worst frames": 6,
    "experiments": 16, "lessons": 6, "failures": 20, "tried ideas": 10, "alerts": 4,
}  # fmt: skip
"""What a section may take of the default limit; less of a smaller one."""

_AROUND = 160
"""No section's heading and tags take more bytes."""

_PAGES = Path(__file__).parent


@dataclass(frozen=True)
class Draft:
    """One finished section."""

    name: str
    text: str


@cache
def page(name: str) -> str:
    """Return the text of a page beside this file."""
    text = (_PAGES / name).read_text(encoding="utf-8").strip()
    return text.removeprefix("# mypy: ignore-errors\n") if name.endswith(".py") else text


# --- frozen ------------------------------------------------------------------------------------------------


def frozen(brief: Brief, most: int) -> list[Draft]:
    """Return what stays the same in every generation; if it has more than `most` bytes the know-how is cut."""
    limits = "\n".join(f"    {name} = {value:g}" for name, value in sorted(brief.limits.items()))
    drafts = [
        Draft("role", page("role.md")),
        Draft("contract", f"{page('contract.md')}\n\n{limits}"),
        Draft("imports", _imports(brief.rules, brief.modules)),
        Draft("scoring", f"{page('scoring.md')}\n\n{_clips(brief)}\n\n{tagged('rule', printable(brief.rule))}"),
        Draft("cheating", page("cheating.md")),
        Draft("tiny codec", f"{page('example.md')}\n\n```python\n{page('tiny_codec.py')}\n```"),
    ]
    needed = sum(size(draft.text) + 2 for draft in drafts)
    know_how = page("know_how.md").split("\n\n")
    heading = size(know_how[0])
    if needed + heading + 100 > most:
        least = -(-2 * (needed + heading + 100) // 1024)
        raise ValueError(
            f"a prompt of {most * 2 // 1024} KiB is too small: contract and rules alone take "
            f"{needed / 1024:.0f} KiB, and half is kept for the campaign; allow {least} KiB or more"
        )
    paragraphs = [f"{paragraph}\n" for paragraph in know_how]
    return [*drafts, Draft("know-how", fitted(paragraphs, most - needed - 2, "paragraphs").rstrip())]


def _clips(brief: Brief) -> str:
    rows = [f"{on_one_line(clip, 100)}: {on_one_line(brief.clips.get(clip, ''), 100)}" for clip in
            brief.development_clips]  # fmt: skip
    qps = ", ".join(map(str, brief.qps))
    return f"QPs: {qps}. Clips:\n{tagged('clips', fitted(rows, 4096, 'clips'))}"


def _imports(rules: Rules, modules: Sequence[str]) -> str:
    refused = rules.refused
    parts = [
        "# Imports and names",
        f"You may import: {', '.join(modules)}.",
        f"A source has at most {rules.source_kib} KiB, one literal {rules.constant_kib} KiB. Code is ASCII.",
        "The static check refuses, wherever an alias leads there:",
        *_refusals("Builtins", refused.get("builtins", ())),
        *_refusals("Modules", (*refused.get("reached", ()), *refused.get("modules", ()))),
        *_refusals("Names in allowed modules (* is any part of one name)", refused.get("names", ())),
        *_refusals("Keywords", refused.get("keywords", ())),
        *_refusals("Attributes of any object", refused.get("attributes", ())),
    ]
    if not rules.cv2_image_codecs:
        parts.append("- cv2.imencode, cv2.imdecode: a wrapped JPEG is not a new codec.")
    return "\n".join(parts)


def _refusals(what: str, refusals: Iterable[Refusal]) -> Iterator[str]:
    yield f"{what}:"
    for refusal in refusals:
        yield f"- {', '.join(refusal.names)}: {refusal.why}. Instead: {refusal.instead}."


# --- champion ----------------------------------------------------------------------------------------------


def champion(brief: Brief, limit_kib: int, most: int) -> list[Draft]:
    """Return what there is to know of the program to beat, in at most `most` bytes; its source takes what is left."""
    if brief.champion is None:
        return [Draft("champion", "# The champion\n\nThere is none yet: the first program that runs becomes it.")]
    tables = [
        _section("rate points", limit_kib, _rate_points(brief.points), "rows", _RATE_POINTS),
        _section("gaps", limit_kib, _gaps(brief), "rows", _GAPS),
        _section("bits", limit_kib, _bits(brief), "rows", _BITS),
        _section("worst frames", limit_kib, _worst_frames(brief.points), "rows", _WORST),
    ]
    kept = [table for table in tables if table]
    heading = f"# The champion: version {brief.champion_version}\n\n"
    room = most - sum(size(draft.text) + 2 for draft in kept) - size(heading + tagged("champion_source", "")) - 2
    source = fitted(printable(brief.shown_source).split("\n"), room, "lines; write a whole program all the same")
    return [Draft("champion source", heading + tagged("champion_source", source)), *kept]


_RATE_POINTS = "Its rate points (PSNR over all samples decides; seconds are CPU seconds of one whole clip):"
_GAPS = "Its BD-rate against real encoders (below 0: fewer bits at the same PSNR):"
_BITS = (
    "Where its bits go, as its own encoder reported it (percent of the file, mean over the QPs; nobody has checked it):"
)
_WORST = "Frames furthest below their clip's mean at one QP, and the worst 16x16 block of that clip and QP:"


def _rate_points(points: Sequence[RDPoint]) -> list[str]:
    rows = []
    for clip, ours in _by_clip(points):
        rows.append(f"{on_one_line(clip, 100)}:")
        rows += [
            f"  QP {p.qp}: {p.bytes} bytes, {p.rate_kbps:.1f} kbps, PSNR {p.psnr_db:.2f} dB, PSNR-Y {p.psnr_y_db:.2f}, "
            f"SSIM {p.ssim:.4f}, worst block {p.worst_block_db:.1f} dB, "
            f"encode {p.encode_cpu_s:.2f} s, decode {p.decode_cpu_s:.2f} s, {p.peak_mib:.0f} MiB"
            for p in ours
        ]
    return rows


def _by_clip(points: Sequence[RDPoint]) -> Iterator[tuple[str, list[RDPoint]]]:
    for clip in dict.fromkeys(point.clip for point in points):
        yield clip, sorted((p for p in points if p.clip == clip), key=lambda p: p.qp)


def _gaps(brief: Brief) -> list[str]:
    rows = []
    for anchor, by_clip in brief.gaps.items():
        numbers = [c.bd_rate_pct for c in by_clip if c.bd_rate_pct is not None]
        mean = f"mean {fmean(numbers):+.1f} %: " if numbers and len(numbers) == len(by_clip) else ""
        rows.append(f"{on_one_line(anchor, 60)}: {mean}{', '.join(map(_gap, by_clip))}")
    return rows


def _gap(comparison: Comparison) -> str:
    clip = on_one_line(comparison.clip, 100)
    if comparison.bd_rate_pct is None:
        return f"{clip} no number ({on_one_line(comparison.reason, 200)})"
    return f"{clip} {comparison.bd_rate_pct:+.1f} %"


def _bits(brief: Brief) -> list[str]:
    rows = []
    for clip, shares in brief.bits.items():
        known = {component: share for component, share in shares.items() if isfinite(share) and share >= LEAST_SHARE}
        largest = sorted(known.items(), key=lambda item: (-item[1], item[0]))[:12]
        told = ", ".join(f"{on_one_line(component, 40)} {100 * share:.1f} %" for component, share in largest)
        rows.append(f"{on_one_line(clip, 100)}: {told}")
    return rows


def _worst_frames(points: Sequence[RDPoint]) -> list[str]:
    rows = []
    for clip, ours in _by_clip(points):
        found = sorted(_below_mean(ours), key=lambda frame: (-frame[0], frame[1].qp, frame[2]))[:WORST]
        rows += [f"{on_one_line(clip, 100)}, {_frame(*frame)}" for frame in found]
    return rows


def _below_mean(points: Iterable[RDPoint]) -> Iterator[tuple[float, RDPoint, int]]:
    """Yield each frame that is below its clip's mean: by how many dB, its rate point, its index."""
    for point in points:
        finite = [psnr for psnr in point.frame_psnr_y_db if isfinite(psnr)]  # a lossless frame has no finite PSNR
        for index, psnr in enumerate(point.frame_psnr_y_db):
            if isfinite(psnr) and (below := fmean(finite) - psnr) > 0:
                yield below, point, index


def _frame(below: float, point: RDPoint, index: int) -> str:
    alone = len(point.frame_bytes) == len(point.frame_psnr_y_db)  # a whole-clip codec has one payload
    coded = f", {point.frame_bytes[index]} bytes" if alone else ""
    return (
        f"QP {point.qp}, frame {index}: PSNR-Y {point.frame_psnr_y_db[index]:.2f} dB, {below:.2f} below the mean"
        f"{coded}; worst block {point.worst_block_db:.1f} dB"
    )


# --- news --------------------------------------------------------------------------------------------------


def news(brief: Brief, limit_kib: int) -> list[Draft]:
    """Return what has happened."""
    older = brief.experiments[:-SHOWN]
    lines = experiment_lines(brief.experiments)[-SHOWN:]
    failures = [_failure(number, str(failure), failure.output) for number, failure in brief.failures.items()]
    told = [
        _section("experiments", limit_kib, lines, "experiments", _EXPERIMENTS, last=True),
        _section("tried ideas", limit_kib, list(map(_idea, older)), "ideas", _IDEAS, last=True),
        _section("failures", limit_kib, failures, "failures", _FAILURES, last=True),
        _section("lessons", limit_kib, [f"- {on_one_line(text, 400)}" for text in brief.lessons], "lessons", _LESSONS),
        _section("alerts", limit_kib, [f"- {on_one_line(text, 400)}" for text in (*brief.alerts, *noticed(brief))],
                 "alerts", _ALERTS, last=True),
    ]  # fmt: skip
    return [draft for draft in told if draft]


def news_room(limit_kib: int) -> int:
    """Return the most bytes that the news may take: what the champion gets does not depend on how much happened."""
    names = ("experiments", "tried ideas", "failures", "lessons", "alerts")
    return sum(_share(name, limit_kib) + _AROUND for name in names)


_EXPERIMENTS = "The last experiments, oldest first; BD-rates are against the champion of their time:"
_IDEAS = "Ideas tried before those; do not repeat any:"
_FAILURES = "How the last candidates failed, word for word:"
_LESSONS = "Lessons so far:"
_ALERTS = "Look at this:"


def experiment_lines(experiments: Sequence[Experiment]) -> list[str]:
    """Return each experiment in a line; of equal bitstreams the later ones say whose they are."""
    first = {e.bitstreams: e.number for e in reversed(experiments) if e.bitstreams}
    return [_line(experiment, first) for experiment in experiments]


def _line(experiment: Experiment, first: dict[str, int]) -> str:
    clips = ", ".join(map(_gap, experiment.by_clip))
    known = first.get(experiment.bitstreams, experiment.number)
    same = f", the same bitstreams as #{known}" if known != experiment.number else ""
    result = f"{experiment.decision}, {_bd_rate(experiment)}{f' ({clips})' if clips else ''}{same}"
    idea, reason = on_one_line(experiment.hypothesis, 300), on_one_line(experiment.reason, 300)
    return (
        f"#{experiment.number} generation {experiment.generation}: {result}. Idea: {idea} Outcome: {reason or 'open'}"
    )


def _idea(experiment: Experiment) -> str:
    idea = on_one_line(experiment.hypothesis, 160)
    return f"#{experiment.number} {experiment.decision}, {_bd_rate(experiment)}: {idea}"


def _bd_rate(experiment: Experiment) -> str:
    return "no number" if experiment.bd_rate_pct is None else f"{experiment.bd_rate_pct:+.2f} %"


def _failure(number: int, failure: str, output: str) -> str:
    printed = f"\n  it printed:\n{_indented(output)}" if output else ""
    return f"#{number} {printable(failure)}{printed}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in printable(text[:2000]).split("\n"))


def noticed(brief: Brief) -> list[str]:
    """Return what the experiments show of the search itself: stagnation, repeats, harm, failures."""
    judged = [e for e in brief.experiments if e.decision in (*MEASURED, "failed")]
    since = judged[max((i + 1 for i, e in enumerate(judged) if e.decision == "adopted"), default=0) :]
    notices = []
    if len(since) >= 4:
        best = min((e.bd_rate_pct for e in since if e.bd_rate_pct is not None), default=None)
        reached = "none of them got a number" if best is None else f"the best reached {best:+.2f} %"
        notices.append(f"no adoption in the last {len(since)} candidates, {reached}: look for another kind of change")
    for count, what in (
        (_count(since[-5:], lambda e: (e.bd_rate_pct or 0) > 0), "were worse than the champion"),
        (_count(since[-5:], lambda e: e.decision == "failed"), "failed: smaller steps, and the contract word for word"),
        (_count(since[-5:], lambda e: e.bd_rate_pct is not None and abs(e.bd_rate_pct) < 0.005),
         "changed nothing at all: the new code did not take effect"),
    ):  # fmt: skip
        if count >= 2:
            notices.append(f"{count} of the last {len(since[-5:])} candidates {what}")
    return notices


def _count(experiments: Sequence[Experiment], holds: Callable[[Experiment], bool]) -> int:
    return sum(map(holds, experiments))


def _section(
    name: str, limit_kib: int, items: Sequence[str], noun: str, heading: str, last: bool = False
) -> Draft | None:
    """Return a section of what others wrote, in its tag and cut to its share of the limit; None if there is nothing."""
    if not items:
        return None
    told = fitted(items, _share(name, limit_kib), noun, last)
    return Draft(name, f"{heading}\n{tagged(name.replace(' ', '_'), told)}")


def _share(name: str, limit_kib: int) -> int:
    return _MOST_KIB[name] * 1024 * min(limit_kib, DEFAULT_LIMIT_KIB) // DEFAULT_LIMIT_KIB
