"""Any coders on any clip: who can be compared, their curves, and BD-rates by clip and metric."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from markupsafe import Markup

from labkit.adopt import REFERENCE, by_metric, mean_bd_rate
from labkit.campaign import Campaign
from labkit.candidate import Evaluation
from labkit.ledger import HELD_OUT_ROLE, Entry
from labkit.rd import METRICS, Comparison, RDPoint
from labkit.view.fragment import Fragment, bullets, note, percent, table
from labkit.view.plots import Chart, Curves, draw_rd, message

MOST_COLUMNS = 12
"""Coders in one legend that can still be told apart."""


def coders_of(campaign: Campaign) -> Curves:
    """Return the rate points of all that was measured on development and held-out clips.

    The champion stands first, then the versions from the newest to version 0, the real encoders, and the
    candidates that were not adopted, newest first. What failed has no points and is left out.
    """
    entries, held_out = campaign.ledger.entries(), campaign.ledger.held_out()
    last = max((entry.version for entry in entries if entry.version is not None), default=None)
    ours = {
        coder_label(entry, last): _both(entry.evaluation, held_out.get(entry.number))
        for entry in sorted(entries, key=lambda entry: (entry.version is not None, entry.number), reverse=True)
        if entry.evaluation and entry.evaluation.points
    }
    versions = {label: points for label, points in ours.items() if not label.startswith("candidate")}
    return {**versions, **anchors_of(campaign), **ours}


def coder_label(entry: Entry, last: int | None) -> str:
    """Return what a candidate is called beside other coders: "champion v4", "version 2", "candidate 7".

    Args:
        last: the champion's version.
    """
    if entry.version is None:
        return f"candidate {entry.number}"
    return f"champion v{entry.version}" if entry.version == last else f"version {entry.version}"


def anchors_of(campaign: Campaign) -> Curves:
    """Return the real encoders' rate points on development and held-out clips."""
    seen, unseen = campaign.ledger.anchors(), campaign.ledger.anchors(HELD_OUT_ROLE)
    return {name: {**seen.get(name, {}), **unseen.get(name, {})} for name in dict.fromkeys((*seen, *unseen))}


def _both(evaluation: Evaluation, held_out: Evaluation | None) -> Mapping[str, Sequence[RDPoint]]:
    return {**evaluation.by_clip, **(held_out.by_clip if held_out else {})}


def usual_coders(curves: Curves) -> tuple[str, ...]:
    """Return who is worth seeing first: the champion, where it began, and the real encoders."""
    roles = ("champion", "version 0")
    chosen = [label for label in curves if label.startswith(roles) or not label.startswith(("version", "candidate"))]
    return tuple(chosen[:MOST_COLUMNS])


def clips_of(curves: Curves) -> tuple[str, ...]:
    """Return the clips that any of the coders was measured on."""
    return tuple(dict.fromkeys(clip for by_clip in curves.values() for clip, points in by_clip.items() if points))


def missing_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return a line about a name that is not there: the nearest that is, or all."""
    near = get_close_matches(name, known := list(known), n=1)
    return f"There is no {kind} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are: {_some(known)}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_COLUMNS]) or "none"
    return f"{shown} and {len(names) - MOST_COLUMNS} more" if len(names) > MOST_COLUMNS else shown


def plot_curves(campaign: Campaign, clip: str = "", metric: str = "psnr_db", coders: Sequence[str] = ()) -> Chart:
    """Draw rate against quality of any coders.

    Args:
        clip: its name; all clips if empty.
        metric: one of `labkit.rd.METRICS`; SSIM and MS-SSIM are drawn in decibels.
        coders: as `coders_of` calls them; the champion, version 0 and the real encoders if none are named.
    """
    curves = coders_of(campaign)
    trouble = _wrong(curves, clip, metric, coders)
    if trouble:
        return message(trouble)
    shown = {label: curves[label] for label in coders or usual_coders(curves)}
    return draw_rd(
        {label: {clip: by[clip]} if clip in by else {} for label, by in shown.items()} if clip else shown, metric
    )


def _wrong(curves: Curves, clip: str, metric: str, coders: Sequence[str]) -> str:
    """Return in a line what was asked for and is not there; "" if all is."""
    asked = (
        ("metric", (metric,), METRICS),
        ("clip", (clip,) * bool(clip), clips_of(curves)),
        ("coder", coders, curves),
    )
    missing = [missing_name(kind, name, known) for kind, names, known in asked for name in names if name not in known]
    return missing[0] if missing else ""


def show_comparison(campaign: Campaign, test: str = "", reference: str = REFERENCE) -> Fragment:
    """Return the BD-rate of one coder against another by clip and metric; where there is no number, the reason.

    Args:
        test: as `coders_of` calls it; the champion if empty.
        reference: the same; bits are counted against it.
    """
    curves = coders_of(campaign)
    test = test or next(iter(curves), "")
    title = f"BD-rate of {test} against {reference}"
    if trouble := _wrong(curves, "", "psnr_db", [name for name in (test, reference) if name]):
        return Fragment(note(trouble if curves else "Nothing is measured yet: there is nothing to compare."), title)
    return Fragment(comparison(curves, test, reference, set(campaign.ledger.clips(HELD_OUT_ROLE))), title)


def comparison(curves: Curves, test: str, reference: str, held_out: set[str]) -> Markup:
    """Return the table behind `show_comparison`.

    Args:
        held_out: names of the clips that nobody tunes to; they have a mean of their own.
    """
    points = tuple(point for of_clip in curves[test].values() for point in of_clip)
    if not points or not curves[reference]:
        return note(f"{test if not points else reference} has no rate point.")
    found = by_metric(Evaluation(test, "none", points), curves[reference], reference, test)
    clips = [compared.clip for compared in found["psnr_db"]]
    rows = [(f"{clip} (held out)" if clip in held_out else clip, *_cells(found, clip)) for clip in clips]
    groups = {
        "mean, development clips": [c for c in clips if c not in held_out],
        "mean, held-out clips": [c for c in clips if c in held_out],
    }
    rows += [(name, *_means(found, members)) for name, members in groups.items() if members]
    columns = ("clip", *METRICS.values())
    told = f"{test} against {reference}: percent of bits at equal quality, negative is better. PSNR decides."
    return note(told) + table(columns, rows, numbers=columns[1:]) + bullets(_reasons(found))


def _cells(found: Mapping[str, Sequence[Comparison]], clip: str) -> list[str]:
    return [percent(next(c.bd_rate_pct for c in compared if c.clip == clip)) for compared in found.values()]


def _means(found: Mapping[str, Sequence[Comparison]], clips: Sequence[str]) -> list[str]:
    return [percent(mean_bd_rate([c for c in compared if c.clip in clips])) for compared in found.values()]


def _reasons(found: Mapping[str, Sequence[Comparison]]) -> list[str]:
    """Return why there is no number, each reason once for all metrics that share it."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for metric, compared in found.items():
        for c in compared:
            if c.bd_rate_pct is None:
                metrics.setdefault((c.clip, c.reason), []).append(METRICS[metric])
    return [
        f"{clip}: {reason}" if len(names) == len(METRICS) else f"{clip}, {', '.join(names)}: {reason}"
        for (clip, reason), names in metrics.items()
    ]
