"""What the numbers are worth: held-out clips, the goal, other metrics, the code's size, the canaries."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from labkit.adopt import REFERENCE, by_metric, mean_bd_rate
from labkit.campaign import Campaign
from labkit.goal import GoalDistance, mean_ratio
from labkit.ledger import Entry
from labkit.policy import code_quality
from labkit.rd import METRICS, Comparison, RDCurve, RDPoint, compare
from labkit.view.fragment import Fragment, bullets, note, percent, table

MOST_ROWS = 12
"""Versions whose code is counted, the first and the newest: each source is parsed in a process of its own."""


def show_held_out(campaign: Campaign) -> Fragment:
    """Show each version's gain on the development clips beside that on clips that nobody tunes to."""
    columns = ("version", "vs the one before: development", "held out", f"vs {REFERENCE}: development", "held out ")
    rows = [
        (
            f"v{entry.version}",
            percent(entry.verdict.bd_rate_pct if entry.verdict else None),
            percent(campaign.held_out_gain(entry)),
            percent(campaign.against(entry.evaluation) if entry.evaluation else None),
            percent(campaign.held_out_against(entry)),
        )
        for entry in _adopted(campaign)
    ]
    if campaign.settings.held_out == ("none",):
        return Fragment(note("No clip was held out: these numbers are of clips that were tuned to."), "held-out clips")
    used = (
        f"The held-out clips were asked {_times(campaign.held_out_decisions)} for a decision; each verdict tells a bit."
    )
    html = table(columns, rows, numbers=columns[1:]) if rows else note("No version yet.")
    return Fragment(html + note(used), "held-out clips")


def show_goal(campaign: Campaign) -> Fragment:
    """Show each version's distance to the campaign's goal, clip by clip."""
    goal = campaign.settings.goal
    versions = [(entry, campaign.distances(entry)) for entry in _adopted(campaign)]
    clips = list(dict.fromkeys(distance.clip for _, distances in versions for distance in distances))
    columns = ("version", "generation", *clips, "mean")
    rows = [
        (
            f"v{entry.version}",
            entry.generation,
            *(_ratio(found, clip) for clip in clips),
            _times_goal(mean_ratio(found)),
        )
        for entry, found in versions
    ]
    if not clips:
        words = f"{goal}. No distance: {goal.anchor} was not measured on these clips."
        return Fragment(note(words), "goal")
    missing = [f"{found.clip}: {found.reason}" for found in versions[-1][1] if found.rate_ratio is None]
    legend = f"{goal}. Shown: the rate that a version needs for that quality, by the goal's rate; 1 or less reaches it."
    return Fragment(note(legend) + table(columns, rows, numbers=columns[1:]) + bullets(missing), "goal")


def _ratio(distances: Sequence[GoalDistance], clip: str) -> str:
    found = next((distance for distance in distances if distance.clip == clip), None)
    if found is None:
        return "-"
    return "reached" if found.reached and found.rate_ratio is None else _times_goal(found.rate_ratio)


def _times_goal(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f} x"


def show_metrics(campaign: Campaign) -> Fragment:
    """Show the versions' BD-rate against the reference encoder by each metric: a gain in one may lose another."""
    reference = campaign.ledger.anchors().get(REFERENCE, {})
    rows, found = [], {}
    for entry in _adopted(campaign):
        if entry.evaluation and reference:
            found = by_metric(entry.evaluation, reference, REFERENCE)
            means = [percent(mean_bd_rate(found[name])) for name in METRICS]
            rows.append((f"v{entry.version}", *means, percent(mean_bd_rate(_by_vmaf(campaign, entry)))))
    if not rows:
        return Fragment(note(f"No version stands beside {REFERENCE} yet."), "metrics")
    columns = ("version", *METRICS.values(), "VMAF")
    missing = [f"{METRICS[name]}, {c.clip}: {c.reason}" for name, by_clip in found.items() for c in by_clip if c.reason]
    legend = "BD-rate by metric, mean over clips, percent of bits; SSIM and MS-SSIM in decibels; negative is better."
    return Fragment(table(columns, rows, numbers=columns[1:]) + note(legend) + bullets(missing), "metrics")


def show_code_quality(campaign: Campaign) -> Fragment:
    """Show what each version costs besides bits: source, time, memory; and its gain with the source charged."""
    columns = ("version", "source (bytes)", "compressed", "functions", "most complex", "modules",
               "encode", "decode", "peak (MiB)", "charged")  # fmt: skip
    adopted = _adopted(campaign)
    shown = adopted if len(adopted) <= MOST_ROWS else [adopted[0], *adopted[1 - MOST_ROWS :]]
    rows = [_quality_row(campaign, entry) for entry in shown]
    if not rows:
        return Fragment(note("No version yet."), "code")
    legend = (
        "Most complex: McCabe's figure of one function. Encode, decode: CPU seconds per megapixel. Charged: BD-rate "
        "against the version before "
        f"with the compressed source beyond {campaign.settings.rule.free_source_bytes:,} bytes added to every file."
        + (f" {len(adopted) - len(shown)} versions between are left out." if len(shown) < len(adopted) else "")
    )
    return Fragment(table(columns, rows, numbers=columns[1:5] + columns[6:]) + note(legend), "code")


def _quality_row(campaign: Campaign, entry: Entry) -> tuple[object, ...]:
    quality = code_quality(entry.candidate.source)
    points = entry.evaluation.points if entry.evaluation else ()
    mpixels = sum(point.raw_bytes for point in points) / 1.5e6
    encode, decode = (sum(getattr(point, name) for point in points) for name in ("encode_cpu_s", "decode_cpu_s"))
    counted = (
        (f"{quality.source_bytes:,}", f"{quality.compressed_bytes:,}", quality.functions, quality.max_complexity,
         ", ".join(quality.dependencies))
        if quality else ("-",) * 5
    )  # fmt: skip
    return (
        f"v{entry.version}", *counted, f"{encode / mpixels:.2f}" if mpixels else "-",
        f"{decode / mpixels:.2f}" if mpixels else "-", f"{max((p.peak_mib for p in points), default=0):.0f}",
        percent(campaign.charged_gain(entry)),
    )  # fmt: skip


def show_canaries(campaign: Campaign) -> Fragment:
    """Show the programs of known result that were measured before the campaign began."""
    rows = campaign.ledger.canaries()
    if not rows:
        return Fragment(note("No canary is recorded: this campaign began before there were any."), "canaries")
    columns = ("program", "expected", "came", "")
    shown = [(row.name, row.expected, row.came, "as it must" if row.passed else "WRONG") for row in rows]
    return Fragment(table(columns, shown, prose=("expected", "came")), "canaries")


def _by_vmaf(campaign: Campaign, entry: Entry) -> list[Comparison]:
    """Return the BD-rate by VMAF on each clip; none where it was not measured."""
    known, reference = campaign.ledger.vmaf(), campaign.ledger.anchors().get(REFERENCE, {})
    ours = entry.evaluation.by_clip if entry.evaluation else {}
    return [
        compare(_vmaf_curve(REFERENCE, points, known.get(REFERENCE, {})),
                _vmaf_curve(f"v{entry.version}", ours.get(clip, ()), known.get(entry.number, {})), clip)
        for clip, points in reference.items()
    ]  # fmt: skip


def _vmaf_curve(label: str, points: Sequence[RDPoint], known: Mapping[tuple[str, int], float]) -> RDCurve:
    pairs = sorted((p.rate_kbps, known[p.clip, p.qp]) for p in points if (p.clip, p.qp) in known)
    return RDCurve(label, tuple(rate for rate, _ in pairs), tuple(value for _, value in pairs))


def _adopted(campaign: Campaign) -> Sequence[Entry]:
    return [entry for entry in campaign.ledger.entries() if entry.version is not None]


def _times(count: int) -> Markup:
    return Markup("once") if count == 1 else Markup("{} times").format(count)
