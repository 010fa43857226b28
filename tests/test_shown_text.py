"""The hostile files of class text, proposed in one campaign: what people see of them, and that it does nothing.

The same words go to the notebook (also as the page that nbconvert makes of it), to the report, to the terminal.
What they do where nobody escapes them, tests/test_hostile.py shows: its control of each of these files.
"""

import json
import shutil
from collections.abc import Collection
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from hostile_files import Attack, attacks
from hostile_world import HIDDEN
from nbconvert import HTMLExporter
from test_feedback import Page, assert_harmless, browsed, hidden, on_a_terminal, outputs

from labkit.campaign import Campaign
from labkit.candidate import Candidate, Stage, first_sentence
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.notebook import run_generation
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.settings import make_settings
from labkit.view.report import write_report

pytestmark = pytest.mark.slow

TEXTS = [attack for attack in attacks() if attack.group == "text"]
MUST_BE_READ = {
    "markup_printed": ("</pre></td></table></div><script>", "<img src=x onerror="),
    "terminal_escapes": (
        "\\x1b[2J\\x1b[H\\x1b[3J",
        "\\x1b]0;all is well\\x07",
        "\\x1b]52;c;",
        "\\x1b]8;;http",
        "\\x9b31m",
    ),
    "overprinting": ("loses 40 %\\radopted: gains 99 %", "rejected\\x08\\x08", "adopted\\x00 and the rest"),
    "false_lines": ("\\x1b[2K\\r\\x1b[1;32madopted as v9, x265 -99.0 %\\x1b[0m",),
    "exception_text": ("ValueError: </pre></details></td><script>", "\\u202e"),
    "exception_type": ("</pre><script>owned()</script><img src=x onerror=owned()>\\x1b[2J: ",),
    "docstring": ("</b></td></table><script>document",),
}
"""Words of what they printed or raised, as a reader is shown them; the other files are refused by the check."""


class Speaker(Proposer):
    """Proposes every hostile file of class text; as its hypothesis, what the file says of itself."""

    name = "a speaker"

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        sources = (attack.source({}) for attack in TEXTS)
        source = next(source for source in sources if Candidate(source).hash not in brief.tried)
        return Proposal(Candidate(source, self.name, first_sentence(source), brief.champion_hash))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """A recorded campaign: the start, then one candidate for each text."""
    folder = tmp_path_factory.mktemp("spoken")
    clip = synthetic_clip("shapes", 64, 64, frames=2)
    write_y4m(folder / "small.y4m", [clip.frame(0), clip.frame(1)], 64, 64, clip.fps)
    asked = {"clips": [str(folder / "small.y4m")], "held_out": ("none",), "anchors": (), "generations": 1,
             "candidates": len(TEXTS)}  # fmt: skip
    settings = make_settings({**asked, "qps": [27, 35, 43, 51]}, "test")
    with Campaign.start(folder / "runs" / "spoken", settings, Speaker()) as campaign:
        for number in range(2):
            campaign.generation(number)
    return folder / "runs" / "spoken"


def name_of(attack: Attack) -> str:
    return attack.name.partition("/")[2]


def test_each_text_was_said(spoken: Path) -> None:
    """Otherwise the tests below would look at nothing."""
    with Campaign.open(spoken) as campaign:
        entries = {entry.candidate.source: entry.evaluation for entry in campaign.ledger.entries()}
    for attack in TEXTS:
        evaluation = entries[attack.source({})]
        assert evaluation is not None
        refused = evaluation.failure is not None and evaluation.failure.stage is Stage.CHECK
        assert refused == attack.refused == (name_of(attack) not in MUST_BE_READ)
        told = f"{evaluation.failure}\n{evaluation.failure.output if evaluation.failure else ''}\n{evaluation.output}"
        for words in MUST_BE_READ.get(name_of(attack), ()):
            assert words in told, attack.name


def assert_read(text: str, names: Collection[str] = tuple(MUST_BE_READ)) -> None:
    """Assert that nothing was left out: every word can be read, as text."""
    assert [words for name in names for words in MUST_BE_READ[name] if words not in text] == []


def test_in_the_report(spoken: Path, tmp_path: Path) -> None:
    with Campaign.open(spoken) as campaign:
        report = write_report(campaign, tmp_path / "report.html").read_text(encoding="utf-8")
    assert_read(assert_harmless(report).text)
    assert not HIDDEN.search(report)


def test_on_the_terminal(spoken: Path, tmp_path: Path) -> None:
    """It tells reasons and sources, and where a single candidate is evaluated its output too."""
    raised, turned = ("exception_text", "exception_type", "false_lines"), "hidden_in_source"
    order = [name_of(attack) for attack in TEXTS]
    numbers = [1 + order.index(name) for name in (*raised, turned)]  # 0 is the start
    shown = "".join(on_a_terminal("show", spoken, number, "--source") for number in numbers)
    (source := tmp_path / "false_lines.py").write_text(TEXTS[order.index("false_lines")].source({}))
    clip = spoken.parents[1] / "small.y4m"
    told = on_a_terminal("evaluate", source, "--clips", clip, "--anchors", "none", "--qps", "51")
    table = on_a_terminal("show", spoken)
    assert hidden(table + shown + told) == []
    assert_read(unwrapped(shown), raised)
    assert "print(LEVEL)  # \\u202e \\u2066 return the frame \\u2069" in shown
    assert_read(unwrapped(told), ["false_lines"])
    # of what an exception says, the first line stands behind the lab's words, each other one below them, set in
    assert not [line for line in (table + shown).split("\n") if line.startswith(("generation 7", "0 alerts"))]


def unwrapped(shown: str) -> str:
    return shown.replace("\n", "")


def test_in_the_notebook_and_in_the_page_that_nbconvert_makes_of_it(spoken: Path, tmp_path: Path) -> None:
    notebook = run_generation(spoken, 1)
    found = outputs(notebook)
    pages = [assert_harmless(text) for text in found.pop("text/html")]
    assert_read("".join(page.text for page in pages))
    assert set(found) <= {"text/plain", "stream"}
    assert [value for values in found.values() for value in values if hidden(value)] == []

    page = exported(notebook)
    assert_read(Page(page).text)
    ours = Scripts(page)
    assert ours.texts == Scripts(exported(emptied(notebook, tmp_path / "empty.ipynb"))).texts, "nbconvert's own"
    assert ours.handlers == []
    raw = exported(unescaped(notebook, tmp_path / "raw.ipynb"))
    assert set(Scripts(raw).texts) - set(ours.texts), "unescaped, a script would be in it"
    assert Scripts(raw).handlers == ["onerror"]

    if shutil.which("chromium") is None:
        pytest.skip("the rest needs chromium")
    for text, owned in ((page, False), (raw, True)):
        path = tmp_path / f"owned-{owned}.html"
        path.write_text(text, encoding="utf-8")
        assert ("data-owned" in browsed(path, tmp_path / f"profile-{owned}").split("<head")[0]) == owned


class Scripts(HTMLParser):
    """What of a page would run: the text of each script, and attributes that hold one."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.handlers: list[str] = []
        self.inside = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts.append(data)


def exported(notebook: Path) -> str:
    """The page that nbconvert makes of a notebook, without the libraries that it would fetch."""
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    return str(exporter.from_filename(str(notebook))[0])


def emptied(notebook: Path, path: Path) -> Path:
    """The same notebook without outputs."""
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    path.write_text(json.dumps(content))
    return path


def unescaped(notebook: Path, path: Path) -> Path:
    """The same notebook with one more cell that shows, as HTML, what one of the texts prints."""
    content = nbformat.read(notebook, as_version=4)
    (printer,) = [attack for attack in TEXTS if name_of(attack) == "markup_printed"]
    said: list[str] = []
    names: dict[str, object] = {"print": said.append, "honest_encoder": lambda *_: b""}
    exec(printer.text, names)
    names["in_encoder"](None, 0, {})  # type: ignore[operator]
    data = {"text/html": "\n".join(said)}
    content.cells.append(nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data)]))
    nbformat.write(content, path)
    return path
