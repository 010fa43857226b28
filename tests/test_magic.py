"""A person's codec in a campaign: `%%candidate` in a notebook as Jupyter runs it, and what may stand in its way."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from programs import DEAD_ZONE, PACKED, RAISES, WASTEFUL
from test_claude import SMALL, run

from labkit.campaign import Campaign
from labkit.candidate import Candidate
from labkit.errors import CampaignError, ProposerError
from labkit.magic import enter
from labkit.notebook import run_notebook
from labkit.propose.exchange import Exchange, Usage
from labkit.propose.proposer import Proposal

OFFLINE: dict[str, Any] = SMALL | {"proposer": "recombine"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun") / "run"
    run(folder, OFFLINE | {"generations": 0}).close()
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "my run", symlinks=True))


def executed(tmp_path: Path, *cells: str) -> list[Any]:
    """Run cells in a notebook of their own; return what each one shows."""
    sources = ["%load_ext labkit.magic", *cells]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    output = run_notebook(tmp_path / "mine.ipynb", tmp_path / "out.ipynb", {})
    shown = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    assert shown[0].outputs == []
    return [cell.outputs for cell in shown[1:]]


@pytest.mark.slow
def test_a_cell_is_checked_run_judged_and_stands_in_the_ledger(folder: Path, tmp_path: Path) -> None:
    name = f'"{folder}"'
    good, failing, refused, same, unknown, nameless = executed(
        tmp_path,
        f'%%candidate {name} the encoder\'s dead zone, "wider" <b>\n{DEAD_ZONE}',
        f"%%candidate {name}\n{RAISES}",
        f"%%candidate {name} opens files\nimport os\n{PACKED}",
        f"%%candidate {name}\n{DEAD_ZONE}",
        f"%%candidate no-such-run\n{DEAD_ZONE}",
        f"%%candidate\n{DEAD_ZONE}",
    )
    assert "adopted" in html_of(good)
    assert "the encoder&#39;s dead zone, &#34;wider&#34; &lt;b&gt;" in html_of(good)
    assert "failed" in html_of(failing)
    assert "the decoder gave up" in html_of(failing)
    assert "refused (check, line 1)" in html_of(refused)
    assert line_of(same) == "labkit: this very program has been tried in this campaign already; change it first"
    assert line_of(unknown).startswith("labkit: ")
    assert line_of(unknown).endswith("no-such-run holds no campaign; `labkit evolve --name no-such-run` makes one")
    assert line_of(nameless).startswith("name a campaign: %%candidate RUN [HYPOTHESIS]")
    with Campaign.open(folder) as campaign:
        entries = campaign.ledger.entries()[1:]
        assert [(e.generation, e.outcome) for e in entries] == [(1, "adopted"), (2, "failed"), (3, "failed")]
        assert {e.candidate.proposer for e in entries} == {"a person"}
        assert entries[0].candidate.source == DEAD_ZONE
        assert entries[0].candidate.hypothesis == 'the encoder\'s dead zone, "wider" <b>'


def html_of(outputs: Any) -> str:
    (output,) = [output for output in outputs if output.output_type == "execute_result"]
    return str(output.data["text/html"])


def line_of(outputs: Any) -> str:
    """Return the one line that a cell prints."""
    (output,) = outputs
    assert (output.output_type, output.name) == ("stream", "stdout")
    (line,) = output.text.splitlines()
    return str(line)


# --- what may be under way ---------------------------------------------------------------------------------


def begin(folder: Path, program: Candidate) -> None:
    """Leave what a process leaves that is killed after it has recorded a proposal of generation 1."""
    with Campaign.open(folder) as campaign:
        campaign.ledger.begin_generation(1, 0, str(campaign.wall))
        campaign.ledger.record_proposal(1, 0, Proposal(program), program.proposer)


def outcomes(folder: Path) -> list[tuple[int, str, str]]:
    with Campaign.open(folder) as campaign:
        return [(e.generation, e.candidate.source, e.outcome) for e in campaign.ledger.entries()][1:]


def test_a_persons_program_that_broke_off_goes_on(folder: Path) -> None:
    begin(folder, Candidate(DEAD_ZONE, "a person"))
    enter(folder, DEAD_ZONE)
    assert outcomes(folder) == [(1, DEAD_ZONE, "adopted")]


@pytest.mark.slow
def test_another_one_that_broke_off_gets_its_verdict_first(folder: Path) -> None:
    """It was reported as the new program's verdict."""
    begin(folder, Candidate(DEAD_ZONE, "a person"))
    assert enter(folder, WASTEFUL).title == "generation 2"
    assert outcomes(folder) == [(1, DEAD_ZONE, "adopted"), (2, WASTEFUL, "rejected")]


def test_nobody_elses_generation_is_taken_over(folder: Path) -> None:
    begin(folder, Candidate(PACKED, "somebody else"))
    with pytest.raises(CampaignError, match=r"generation 1 is under way; let `labkit evolve` end it first"):
        enter(folder, DEAD_ZONE)
    assert outcomes(folder) == [(1, PACKED, "proposed")]


def test_answers_that_are_paid_for_are_not_passed_over(folder: Path) -> None:
    asked = Exchange("plan", "m", {}, "a plan", None, "end_turn", Usage(), 0.5, "", "", id="a", generation=1)
    with Campaign.open(folder) as campaign:
        campaign.ledger.record_exchange(asked)
    with pytest.raises(CampaignError, match="generation 1 is under way"):
        enter(folder, DEAD_ZONE)


def test_a_campaign_without_version_0_takes_none(tmp_path: Path) -> None:
    from labkit.settings import make_settings

    Campaign.start(tmp_path / "new", make_settings(OFFLINE, "test")).close()
    with pytest.raises(CampaignError, match=r"new has no version 0 yet; run `labkit evolve --name new` first"):
        enter(tmp_path / "new", DEAD_ZONE)
    assert outcomes(tmp_path / "new") == []


@pytest.mark.slow
def test_the_same_program_is_refused_and_another_may_follow(folder: Path) -> None:
    enter(folder, DEAD_ZONE)
    with pytest.raises(ProposerError, match="this very program has been tried"):
        enter(folder, DEAD_ZONE)
    enter(folder, WASTEFUL)
    assert [row[2] for row in outcomes(folder)] == ["adopted", "rejected"]
