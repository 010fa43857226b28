"""Tables: who was tried, what was measured, what became of it and why."""

from collections.abc import Sequence

from markupsafe import Markup

from labkit.adopt import REFERENCE, versus
from labkit.campaign import Campaign, Generation
from labkit.candidate import Evaluation
from labkit.ledger import Entry
from labkit.rd import RDPoint
from labkit.view.fragment import Fragment, block, bullets, chip, note, percent, table, text

_POINT_COLUMNS = ("clip", "QP", "kbps", "bytes", "PSNR (dB)", "PSNR-Y (dB)", "SSIM", "worst block (dB)",
                  "encode (s)", "decode (s)", "bitstream")  # fmt: skip


def show_campaign(campaign: Campaign) -> Fragment:
    """Return one line for each candidate of the campaign."""
    entries = campaign.ledger.entries()
    html = entries_table(campaign, entries) if entries else note("Nothing is recorded yet.")
    return Fragment(html, f"campaign {campaign.folder.name}")


def show_generation(campaign: Campaign, generation: int | Generation) -> Fragment:
    """Return one line for each candidate of a generation, with every reason of its verdict."""
    turn = campaign.recorded(generation) if isinstance(generation, int) else generation
    if not turn.entries:
        return Fragment(note(f"Generation {turn.number} has no candidate."), f"generation {turn.number}")
    return Fragment(entries_table(campaign, turn.entries), f"generation {turn.number}")


def entries_table(campaign: Campaign, entries: Sequence[Entry]) -> Markup:
    """Return the table of some candidates; BD-rates are means over clips, negative is better."""
    columns = ("gen", "no", "hypothesis", "vs champion", f"vs {REFERENCE}", "verdict", "reasons")
    rows = [_entry_row(campaign, entry) for entry in entries]
    legend = "BD-rate: percent of bits at equal PSNR, mean over clips; negative is better."
    return table(columns, rows, columns[:2] + columns[3:5], prose=("hypothesis", "reasons")) + note(legend)


def _entry_row(campaign: Campaign, entry: Entry) -> tuple[object, ...]:
    verdict = entry.verdict
    return (
        entry.generation,
        entry.number,
        entry.candidate.hypothesis or "(none given)",
        percent(verdict.bd_rate_pct if verdict else None),
        percent(campaign.against(entry.evaluation) if entry.evaluation else None),
        chip(entry.outcome) + (f" v{entry.version}" if entry.version is not None else ""),
        reasons(entry, whole=False),
    )


def reasons(entry: Entry, whole: bool = True) -> Markup:
    """Return every reason of an entry's verdict (of long ones the first line), or that there is none yet."""
    if entry.verdict is None:
        return text("no verdict yet")
    given = entry.verdict.reasons
    return bullets(given if whole else [reason.partition("\n")[0] for reason in given])


def show_points(evaluation: Evaluation) -> Fragment:
    """Return every rate point of a candidate; the failure where there is none."""
    if evaluation.failure is not None:
        return Fragment(block(str(evaluation.failure)), "failure")
    rows = [_point_row(point) for point in evaluation.points]
    return Fragment(table(_POINT_COLUMNS, rows, numbers=_POINT_COLUMNS[1:]), "rate points")


def show_rates(generation: Generation) -> Fragment:
    """Return every rate point of every candidate of a generation, folded by candidate."""
    pattern = Markup("<details><summary>candidate {}: {} rate points</summary>{}</details>")
    parts = [
        pattern.format(entry.number, len(entry.evaluation.points), show_points(entry.evaluation).html)
        for entry in generation.entries
        if entry.evaluation and entry.evaluation.points
    ]
    return Fragment(Markup("").join(parts) or note("No candidate has a rate point."), "rate points")


def _point_row(p: RDPoint) -> tuple[object, ...]:
    return (
        p.clip, p.qp, f"{p.rate_kbps:,.1f}", f"{p.bytes:,}", f"{p.psnr_db:.2f}", f"{p.psnr_y_db:.2f}",
        f"{p.ssim:.4f}", f"{p.worst_block_db:.1f}", f"{p.encode_s:.2f}", f"{p.decode_s:.2f}",
        p.bitstream_sha256[:8],
    )  # fmt: skip


def show_bd_rates(campaign: Campaign, evaluation: Evaluation) -> Fragment:
    """Return the BD-rate against every real encoder, clip by clip, each without a number with its reason."""
    anchors = campaign.ledger.anchors()
    compared = {name: versus(evaluation, points, name) for name, points in anchors.items()}
    columns = ("clip", *(f"vs {name}" for name in compared))
    by_clip = {name: {c.clip: c.bd_rate_pct for c in clips} for name, clips in compared.items()}
    rows = [(clip, *(percent(by_clip[name].get(clip)) for name in compared)) for clip in evaluation.clips]
    means = [percent(campaign.against(evaluation, name)) for name in compared]
    missing = [f"{c.clip}: {c.reason}" for clips in compared.values() for c in clips if c.bd_rate_pct is None]
    if not compared:
        return Fragment(note("No real encoder was measured beside it."), "BD-rates")
    html = table(columns, [*rows, ("mean over clips", *means)], numbers=columns[1:]) + bullets(missing)
    return Fragment(html, "BD-rates")
