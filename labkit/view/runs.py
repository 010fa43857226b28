"""Several campaigns side by side: what each reached, at what cost; and how fast, by generation."""

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from labkit.adopt import REFERENCE
from labkit.campaign import Campaign
from labkit.errors import LabkitError, NoCampaignError
from labkit.view.fragment import Fragment, bullets, note, percent, table
from labkit.view.plots import COLOURS, DPI, Chart, message
from labkit.view.standing import finish_ratios

MOST_LINES = 8
"""In one chart: more could not be told apart."""

_COLOURS = ("#000000", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#f0e442")
_STYLES = ("-", "--", ":", "-.")
_COLUMNS = ("campaign", "proposer", "generations", "tried", "adopted", "failed", f"vs {REFERENCE}", "held out",
            "asked", "USD", "time", "clips")  # fmt: skip
_NUMBERS = tuple(name for name in _COLUMNS if name not in ("campaign", "proposer", "clips"))


@dataclass(frozen=True)
class Run:
    """What one campaign has come to.

    Attributes:
        steps: generation and BD-rate against the reference in percent, for each version that has one.
        clips: a name for the clips that it was measured on: only runs of the same name can be compared.
    """

    name: str
    row: tuple[object, ...]
    steps: tuple[tuple[int, float], ...]
    last: int
    clips: str


def show_runs(runs: str | Path, campaigns: str = "") -> Fragment:
    """Return one line for each campaign, and what cannot be compared.

    Args:
        runs: the folder that holds campaigns.
        campaigns: names, separated by commas; empty for all of them.

    Raises:
        NoCampaignError: there is none, or none of a given name.
    """
    found, missing = read_runs(runs, campaigns)
    kinds = {run.clips for run in found}
    words = (
        f"BD-rate of the champion against {REFERENCE}, percent of bits, mean over clips; negative is better. Held out: "
        "the same on clips that nobody tuned to, and how often these were asked for a decision."
    )
    if len(kinds) > 1:
        words += " Compare only lines with the same letter under clips: the others were measured on other frames."
    html = table(_COLUMNS, [run.row for run in found], numbers=_NUMBERS)
    return Fragment(html + note(words) + bullets(missing), "campaigns")


def plot_runs(runs: str | Path, campaigns: str = "") -> Chart:
    """Draw each campaign's champion by generation: BD-rate against the reference encoder, lower is better."""
    drawn = [run for run in read_runs(runs, campaigns)[0] if run.steps]
    if not drawn:
        return message(f"No campaign has a version with a BD-rate against {REFERENCE} yet.")
    figure = Chart(figsize=(9.0, 4.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for index, run in enumerate(drawn[-MOST_LINES:]):
        numbers, values = zip(*run.steps, (max(run.last, run.steps[-1][0]), run.steps[-1][1]), strict=True)
        ratios = [1 + value / 100 for value in values]
        axes.step(
            numbers, ratios, where="post", marker="o", markersize=4, label=f"{run.name} ({run.clips})",
            color=_COLOURS[index % len(_COLOURS)], linestyle=_STYLES[index % len(_STYLES)],
        )  # fmt: skip
    axes.axhline(1, color=COLOURS[REFERENCE], linewidth=1.3, label=REFERENCE)
    finish_ratios(axes)
    more = len(drawn) - MOST_LINES
    figure.legend(loc="outside right upper", fontsize=9, frameon=False,
                  title=f"the newest {MOST_LINES}; {more} more" if more > 0 else None)  # fmt: skip
    return figure


def read_runs(runs: str | Path, campaigns: str = "") -> tuple[list[Run], list[str]]:
    """Return what the campaigns have come to, oldest first, and why some cannot be read, one sentence each."""
    folders = sorted((path.parent for path in Path(runs).glob("*/ledger.sqlite")), key=_written)
    wanted = [name.strip() for name in campaigns.split(",") if name.strip()]
    known = {folder.name for folder in folders}
    if unknown := [name for name in wanted if name not in known]:
        raise NoCampaignError(f"{runs} holds no campaign {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    if not folders:
        raise NoCampaignError(f"{runs} holds no campaign; `labkit evolve` makes one")
    found, missing, letters = [], [], dict[str, str]()
    for folder in folders:
        if wanted and folder.name not in wanted:
            continue
        try:
            with closing(Campaign.open(folder)) as campaign:
                found.append(_read(campaign, letters))
        except LabkitError as error:
            missing.append(f"{folder.name}: {error}")
    return found, missing


def _written(folder: Path) -> float:
    return (folder / "ledger.sqlite").stat().st_mtime


def _read(campaign: Campaign, letters: dict[str, str]) -> Run:
    entries, ledger = campaign.ledger.entries(), campaign.ledger
    versions = [entry for entry in entries if entry.version is not None]
    steps = [(entry.generation, campaign.against(entry.evaluation)) for entry in versions if entry.evaluation]
    tried = [entry for entry in entries if entry.generation > 0]
    champion = versions[-1] if versions else None
    clips = _letter(campaign, letters)
    row = (
        campaign.folder.name,
        campaign.settings.proposer,
        f"{max(campaign.next_number - 1, 0)} of {campaign.settings.generations}",
        len(tried),
        sum(entry.version is not None for entry in tried),
        sum(entry.outcome == "failed" for entry in tried),
        percent(campaign.against(champion.evaluation) if champion and champion.evaluation else None),
        percent(campaign.held_out_against(champion) if champion else None),
        campaign.held_out_decisions,
        f"{ledger.cost_usd():.2f}",
        _duration(sum(ledger.ended().values())),
        f"{clips}: {', '.join(ledger.clips())}",
    )
    known = tuple((generation, value) for generation, value in steps if value is not None)
    return Run(campaign.folder.name, row, known, campaign.next_number - 1, clips)


def _letter(campaign: Campaign, letters: dict[str, str]) -> str:
    """Return a letter for the frames that a campaign develops on: the same for the same."""
    hashes = sorted(row.hash for row in campaign.ledger.clips().values())
    key = hashlib.sha256("".join(hashes).encode()).hexdigest()
    return letters.setdefault(key, _name(len(letters)))


def _name(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"A{index}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
