"""The lineage: every candidate hangs on the version it met and leads to its code, request, answer and reasons."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_curves import begun, drawn, widgets
from test_view import Page
from tiny_campaign import CRASHES, RED, SCRIPT, SPENT_USD, adopted, exchange, lengthen, reopened

from labkit import view
from labkit.campaign import Campaign
from labkit.candidate import Candidate
from labkit.propose.proposer import Proposal
from labkit.view import explore
from labkit.view.costs import spent_by_generation
from labkit.view.fragment import Fragment
from labkit.view.node import find_entry, met_by
from labkit.view.tree import OPEN_BRANCHES, OPEN_VERSIONS

__all__ = ["begun"]


@pytest.fixture
def own(lived: Path, tmp_path: Path) -> Iterator[Campaign]:
    """A copy that a test may add to."""
    with reopened(Path(shutil.copytree(lived, tmp_path / "copy"))) as campaign:
        yield campaign


def harmless(html: str) -> Page:
    page = Page(html)
    assert not {"script", "img", "i"} & set(page.elements)
    assert page.handlers == []
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html)
    return page


# --- the tree --------------------------------------------------------------------------------------------


def test_each_candidate_met_the_version_that_the_ledger_says(own: Campaign) -> None:
    lengthen(own, 12)
    entries, generations = own.ledger.entries(), own.ledger.generations()
    for number, before in met_by(entries).items():
        assert (before.version if before else None) == generations[entries[number].generation].champion_version


def test_the_tree_holds_every_candidate_with_every_reason(campaign: Campaign) -> None:
    html = view.show_lineage(campaign)._repr_html_()
    page = harmless(html)
    shown = " ".join(page.text.split())
    assert re.findall(r'data-number="(\d+)"', html) == ["0", "2", "1", "3", "4"], "2 hangs on version 0, 3 and 4 on v1"
    for entry in campaign.ledger.entries():
        assert entry.verdict is not None
        for reason in entry.verdict.reasons:
            assert " ".join(reason.partition("\n")[0].split()) in shown
    assert page.text.count(SCRIPT) > 8
    assert "the answer to plan" in shown
    assert "please \\x1b[31mred" in shown, "the prompt, made visible"
    assert "5 candidates: 2 adopted, 2 failed, 1 rejected; generation 3 is not complete or not begun" in shown


@pytest.mark.slow
def test_three_hundred_generations_stay_readable(own: Campaign) -> None:
    lengthen(own, 300)
    html = view.show_lineage(own)._repr_html_()
    assert len(html) < 4_000_000
    assert len(re.findall('data-number="', html)) == len(own.ledger.entries()) > 600
    versions = [entry.version for entry in adopted(own)]
    assert len(versions) == 102
    assert html.count('class="lab-old"') == 2, "all but six are folded, by the fifty"
    places = [html.index(f"<b>v{version}, ") for version in versions]
    folds = [found.start() for found in re.finditer('class="lab-old"', html)]
    assert [sum(fold < place for fold in folds) for place in (places[0], places[50])] == [1, 2]
    assert html.index("</details></div>", places[-OPEN_VERSIONS - 1]) < places[-OPEN_VERSIONS], "six lie open"
    harmless(html)
    for chart in (view.plot_lineage(own), view.plot_progress(own), view.plot_cost(own), view.plot_speed(own)):
        assert chart._repr_png_().startswith(b"\x89PNG")
    for shown in (view.show_failure_classes(own), view.explore_lineage(own), view.show_difference(own)):
        assert len(shown._repr_html_()) < 2_000_000
    assert len(drawn(view.plot_lineage(own)).split("\nv")) < 20, "not every version carries its name"


def test_many_candidates_on_one_version_are_folded(own: Campaign) -> None:
    ledger = own.ledger
    for generation in range(3, 23):
        ledger.begin_generation(generation, 1, "none")
        candidate = Candidate(f"x = {generation}\n", "test", "no use")
        ledger.record_proposal(generation, 0, Proposal(candidate), "test")
        ledger.end_generation(generation, 1.0)
    html = view.show_lineage(own).html
    assert f"{20 + 2 - OPEN_BRANCHES} earlier candidates that met it" in html, "two were there before"
    assert html.count("no verdict yet") == 20, "half-finished ones are told as such"


def test_without_an_adoption_the_tree_has_no_trunk(begun: Campaign) -> None:
    assert "no root" in view.show_lineage(begun).html
    begun.ledger.begin_generation(0, None, "none")
    begun.ledger.record_proposal(0, 0, Proposal(Candidate(CRASHES, "test", SCRIPT)), "test")
    page = harmless(view.show_lineage(begun)._repr_html_())
    assert "Nothing was adopted: the tree has no trunk yet" in page.text
    assert "1 candidate: 1 proposed" in page.text
    assert "No two versions to compare" in view.show_difference(begun).html
    for chart in (view.plot_lineage(begun), view.plot_progress(begun)):
        assert "yet" in drawn(chart)


def test_only_begun_says_so(begun: Campaign) -> None:
    assert "no candidate" in view.show_entry(begun, 0).html
    assert "Nothing is recorded yet" in view.show_failure_classes(begun).html
    assert isinstance(view.explore_lineage(begun), Fragment)
    assert "No money was spent: no model was paid (recombine)" in drawn(view.plot_cost(begun))


# --- one, and two ----------------------------------------------------------------------------------------


def test_one_candidate_is_shown_whole(campaign: Campaign) -> None:
    page = harmless(view.show_entry(campaign, 3)._repr_html_())
    assert "failed: raised (encode" in page.text
    assert "ValueError: <img src=x>" in page.text
    assert "it printed:" in page.text
    assert "against v1, which it met" in page.text
    assert f"by a list {SCRIPT}" in page.text
    assert "No prompt and no answer" in page.text
    adopted_one = harmless(view.show_entry(campaign, "v1")._repr_html_()).text
    assert "the answer to plan" in adopted_one
    assert "held out: -" in adopted_one
    assert "confirmation: " in adopted_one


def test_requests_of_another_slot_are_another_s(own: Campaign) -> None:
    own.ledger.record_exchange(exchange(1, 7, "repair"))
    shown = Page(view.show_entry(own, 1).html).text
    assert "the answer to plan" in shown
    assert "the answer to repair" not in shown


@pytest.mark.parametrize("name", [1, "1", "v1", "version 1", "champion v1", "candidate 1"])
def test_a_candidate_goes_by_any_of_its_names(campaign: Campaign, name: str | int) -> None:
    entry = find_entry(campaign.ledger.entries(), name)
    assert entry is not None
    assert entry.number == 1


@pytest.mark.parametrize("name", ["v9", "", "version", -1, 99, SCRIPT])
def test_no_such_candidate_is_one_line(campaign: Campaign, name: str | int) -> None:
    page = harmless(view.show_entry(campaign, name)._repr_html_())
    assert page.text.startswith(f"There is no {name!r}; there are candidates 0 to 4 and versions v0 to v1.")


def test_any_two_stand_side_by_side(campaign: Campaign) -> None:
    page = harmless(view.show_difference(campaign)._repr_html_())
    assert "v1 (candidate 1) against v0 (candidate 0): +" in page.text
    assert "np.trunc" in page.text
    other = harmless(view.show_difference(campaign, "v1", 3)._repr_html_())
    assert "candidate 3 against v1 (candidate 1)" in other.text
    assert RED not in other.text
    assert "There is no 'v7'" in Page(view.show_difference(campaign, "v7", "v0").html).text


def test_controls_show_any_one_and_any_two(campaign: Campaign) -> None:
    box = explore.lineage_controls(campaign, campaign.ledger.entries())
    found = {tag: one for one in widgets(box) for tag in one._dom_classes}
    shown, diff = found["lab-entry-shown"], found["lab-diff"]
    assert "v1 (candidate 1)" in shown.value
    assert "v1 (candidate 1) against v0 (candidate 0)" in diff.value
    found["lab-entry"].value = 3
    assert "failed: raised" in shown.value
    assert "code of candidate 3" not in shown.value
    found["lab-whole"].value = True
    assert "code of candidate 3" in shown.value
    found["lab-left"].value = 4
    assert "v1 (candidate 1) against candidate 4" in diff.value
    harmless(shown.value)
    harmless(diff.value)


# --- progress, failures, money ---------------------------------------------------------------------------


def test_progress_shows_held_out_clips_too(campaign: Campaign) -> None:
    (axes,) = view.plot_progress(campaign).axes
    steps = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    versions = adopted(campaign)
    assert steps["champion"][:2] == pytest.approx([campaign.against(v.evaluation) for v in versions])
    held_out = steps["champion, held-out clips"][:2]
    assert held_out == pytest.approx([campaign.held_out_against(version) for version in versions])


def test_the_lineage_chart_ties_each_to_the_version_it_met(campaign: Campaign) -> None:
    chart = view.plot_lineage(campaign)
    ties = [list(line.get_xdata()) for line in chart.axes[0].lines if len(line.get_xdata()) == 2][:2]
    assert ties == [[0, 1], [1, 2]]
    assert {"v0", "v1", "failed", "not adopted"} <= set(drawn(chart).split("\n"))


def test_failures_are_counted_by_stage_and_kind(campaign: Campaign) -> None:
    page = harmless(view.show_failure_classes(campaign)._repr_html_())
    cells = re.findall(r"<td[^>]*>(.*?)</td>", view.show_failure_classes(campaign).html)
    assert [cells[i : i + 3] for i in (0, 5)] == [["check", "refused", "1"], ["encode", "raised", "1"]]
    assert [cells[4], cells[9]] == ["2", "3"], "with the candidates' numbers"
    assert "5 candidates: 2 adopted, 2 failed, 1 rejected" in page.text


def test_money_by_generation_and_in_all_against_the_budget(own: Campaign) -> None:
    spent = spent_by_generation(own)
    assert sum(spent.values()) == pytest.approx(own.ledger.cost_usd())
    in_first = [entry for entry in own.ledger.entries() if entry.generation == 1]
    assert spent[1] == pytest.approx(SPENT_USD * len(in_first) + 1.0), "proposals, and two requests of half a dollar"
    chart = view.plot_cost(own)
    words = drawn(chart)
    assert "2.00 USD in all" in words
    assert "budget, 5.00 USD" in words
    assert chart.axes[0].get_ylabel() == "cost (USD)"
    steps = next(line for line in chart.axes[0].lines if line.get_label() == "in all")
    assert list(steps.get_ydata())[-1] == pytest.approx(2.0)
