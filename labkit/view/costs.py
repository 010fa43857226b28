"""What went wrong by class, and what was paid: counts with the candidates' numbers, dollars by generation."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from labkit.campaign import Campaign
from labkit.ledger import Entry
from labkit.view.fragment import Fragment, note, table
from labkit.view.node import counted
from labkit.view.plots import DPI, Chart, message

_MOST_NUMBERS = 20
_BAR_PX = 160


def show_failure_classes(campaign: Campaign) -> Fragment:
    """Return how many candidates failed, by stage and kind, with their numbers; and by which check."""
    entries, title = campaign.ledger.entries(), "failure classes"
    classes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        if entry.evaluation and (failure := entry.evaluation.failure):
            classes[str(failure.stage), str(failure.kind)].append(entry.number)
    for number, checks in campaign.ledger.checks().items():
        for check in checks:
            if not check.passed:
                kind = str(check.failure.kind) if check.failure else "figures"
                classes[f"check before an adoption: {check.kind}", kind].append(number)
    told = note(_outcomes(entries))
    if not classes:
        return Fragment(told + note("No candidate failed."), title)
    most = max(map(len, classes.values()))
    ordered = sorted(classes.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [(*of, len(numbers), _bar(len(numbers) / most), _some(numbers)) for of, numbers in ordered]
    columns = ("stage", "kind", "count", "", "candidates")
    return Fragment(told + table(columns, rows, numbers=("count",)), title)


def _outcomes(entries: Sequence[Entry]) -> str:
    if not entries:
        return "Nothing is recorded yet."
    stopped = sum(bool(entry.evaluation and entry.evaluation.stopped) for entry in entries)
    early = f"; {stopped} stopped early with the proof that they could not win" if stopped else ""
    return f"{counted(entries)}{early}."


def _bar(share: float) -> Markup:
    style = "height:12px;border-radius:2px;background-color:#d55e00;width:"
    return Markup('<div style="{}{}px"></div>').format(style, round(_BAR_PX * share))


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    return f"{shown} and {len(numbers) - _MOST_NUMBERS} more" if len(numbers) > _MOST_NUMBERS else shown


def spent_by_generation(campaign: Campaign) -> dict[int, float]:
    """Return what was paid in each generation so far, in US dollars."""
    spent: dict[int, float] = defaultdict(float)
    for row in campaign.ledger.rows("costs"):
        spent[row.generation or 0] += row.usd
    return dict(sorted(spent.items()))


def plot_cost(campaign: Campaign) -> Chart:
    """Draw dollars by generation as bars and their sum as steps, against the budget where there is one."""
    spent, budget = spent_by_generation(campaign), campaign.settings.budget_usd
    unknown = sum(exchange.usd is None for exchange in campaign.ledger.exchanges())
    if not any(spent.values()):
        free = f"{unknown} answers came at a price that nobody knows" if unknown else "no model was paid"
        limit = f" The budget is {budget:.2f} USD." if budget is not None else ""
        return message(f"No money was spent: {free} ({campaign.settings.proposer}).{limit}")
    return _draw(spent, budget, unknown)


def _draw(spent: Mapping[int, float], budget: float | None, unknown: int) -> Chart:
    generations = list(range(min(spent), max(spent) + 1))
    each = [spent.get(generation, 0.0) for generation in generations]
    summed = list(accumulate(each))
    figure = Chart(figsize=(9.0, 3.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.bar(generations, each, color="#56b4e9", edgecolor="#0072b2", label="this generation")
    axes.step(generations, summed, where="mid", color="#000000", marker="o" if len(generations) < 40 else "",
              markersize=4, label="in all")  # fmt: skip
    if budget is not None:
        axes.axhline(budget, color="#d55e00", linestyle="--", label=f"budget, {budget:.2f} USD")
    axes.set_xlabel("generation")
    axes.set_ylabel("cost (USD)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.7)
    more = f"; {unknown} answers of unknown price are not in it" if unknown else ""
    axes.set_title(f"{summed[-1]:.2f} USD in all{more}", fontsize=11)
    figure.legend(fontsize=9, frameon=False, loc="outside right upper")
    return figure
