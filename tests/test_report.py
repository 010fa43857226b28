"""The rendered report: the answer first, a diary from the ledger, Markdown, PDF, a notebook; in a browser, offline."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from programs import DEAD_ZONE, INTRA, changed

from labkit import view
from labkit.adopt import Decision, Verdict
from labkit.campaign import Campaign
from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.cli import main
from labkit.errors import LabkitError
from labkit.ledger import HELD_OUT_ROLE
from labkit.notebook import NOTEBOOKS, run_notebook
from labkit.propose.proposer import Proposal
from labkit.rd import RDPoint
from labkit.settings import make_settings
from labkit.view.diary import diary
from labkit.view.from_html import escaped, to_markdown
from labkit.view.markdown import write_markdown
from labkit.view.pdf import NAMES, VARIABLE, find_chromium, write_pdf
from labkit.view.reading import read_once
from labkit.view.report import render_report, write_report

HOSTILE = "<script>alert(1)</script> $x$ ![a](http://127.0.0.1:9/x.png) `| # \x1b[31m\u202e\nnext"
CHROMIUM = shutil.which(os.environ.get(VARIABLE, "")) or next(filter(None, map(shutil.which, NAMES)), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")


def points(clip: Any, qps: tuple[int, ...], rate: float, candidate: str) -> tuple[RDPoint, ...]:
    return tuple(
        RDPoint(
            clip.name,
            clip.hash,
            qp,
            int(1000 * rate / k),
            rate * 100 / k,
            46.0 - 3 * k,
            46.0 - 3 * k,
            46.0 - 3 * k,
            0.9,
            20.0,
            0.1,
            0.1,
            candidate,
            "bitstream",
            frame_psnr_y_db=(46.0 - 3 * k,) * 2,
        )
        for k, qp in enumerate(qps, start=1)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """Recorded, not run: v0; v1, half the bits; a worse one; a failed one with hostile words; then it broke off."""
    folder = tmp_path_factory.mktemp("report") / "runs" / "told"
    settings = make_settings({"clips": ["builtin:shapes"], "frames": 2, "generations": 4}, "test")
    with Campaign.start(folder, settings) as campaign:
        ledger = campaign.ledger
        clip, unseen = campaign.clips[0], campaign.held_out[0]
        for role, one in (("development", clip), (HELD_OUT_ROLE, unseen)):
            for name, rate in (("x265-medium", 2.0), ("vp9", 3.0)):
                ledger.record_anchor(name, points(one, settings.qps, rate, name), role)
        sources = (INTRA, DEAD_ZONE, INTRA + "# worse\n", changed("    packer = ", "    packer = "))
        for number, (source, rate) in enumerate(zip(sources, (8.0, 4.0, 4.5, 0.0), strict=True)):
            ledger.begin_generation(number, min(number - 1, 1) if number else None, "sealed (test)")
            candidate = Candidate(source + f"# {number}\n", "test", HOSTILE if number == 3 else f"idea {number}")
            entry = ledger.record_proposal(number, 0, Proposal(candidate, cost_usd=0.125), "test")
            if number == 3:
                failure = Failure(Stage.DECODE, FailureKind.TIMED_OUT, HOSTILE, clip=clip.name, qp=32)
                ledger.record_evaluation(entry, Evaluation(candidate.hash, "sealed", failure=failure))
                break
            measured = points(clip, settings.qps, rate, candidate.hash)
            ledger.record_evaluation(entry, Evaluation(candidate.hash, "sealed", measured))
            if number < 2:
                tried = Evaluation(candidate.hash, "sealed", points(unseen, settings.qps, rate * 1.5, candidate.hash))
                ledger.record_held_out(entry, tried, "decision: adoption" if number else "version 0")
            decision = Decision.REJECTED if number == 2 else Decision.ADOPTED
            verdict = Verdict(decision, (f"reason {number}",), -50.0 if number == 1 else 12.5 if number else None)
            ledger.record_verdicts({entry: verdict}, {} if number == 2 else {entry: number}, settings.rule)
            if number == 1:
                ledger.record_lessons(2, ["flat blocks are cheap"], "experiments 0 to 1")
            ledger.end_generation(number, 7.0)
        for number in (0, 1, 2):
            ledger.record_alert(number, "stagnation", f"look here {HOSTILE}")
    return folder


@pytest.fixture
def campaign(run: Path) -> Iterator[Campaign]:
    with Campaign.open(run) as campaign:
        yield campaign


@pytest.fixture(scope="module")
def html(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with Campaign.open(run) as campaign:
        return write_report(campaign, tmp_path_factory.mktemp("html") / "report.html")


def shown(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


# --- the answer ------------------------------------------------------------------------------------------


def test_the_answer_stands_first_with_goal_gains_audit_and_command(html: Path) -> None:
    header = html.read_text().split("</header>")[0]
    words = shown(header.split("<body>")[1])
    assert "The champion, v1, needs 100.0 % more bits than x265-medium" in words  # 4 by 2
    assert "version 0 needed 300.0 % more" in words  # 8 by 2
    assert "On clips that nobody tuned to it needs 200.0 % more" in words  # 4 times 1.5 by 2
    assert "Goal: 1 Mbps at 1920x1080" in words
    assert "v1 1 -50.0 % -50.0 % +100.0 % +200.0 %" in words, "gains on development and on held-out clips"
    assert "isolation: sealed" in words
    assert "0.50 USD" in words
    assert "asked 1 time for a decision" in words
    assert "1 earlier alerts" in words
    assert "./lab evolve --name told" in words
    assert "not complete: 2 of 4 generations" in words
    assert header.count("<use ") == 1, "the chart"


def test_the_audit_claims_no_more_than_was_looked_at(campaign: Campaign, html: Path) -> None:
    report = view.show_checked(campaign)
    words = shown(html.read_text())
    told = re.search(
        r"audit of what is kept, no bitstream decoded: (\d+) things derived again alike, (\d+) only", words
    )
    assert told
    assert report.title == f"audit: proven: {told[1]}, stated: {told[2]}, failed: {report.title.split()[-1]}"
    assert int(report.title.split()[-1]) > 0, "these rows were written by hand, and nothing was run"
    assert " FAILED; the rest: ./lab audit " in words
    assert "Not checked here: that the kept containers decode" in words


def test_the_chart_holds_versions_and_real_encoders_at_their_bits(campaign: Campaign) -> None:
    (axes,) = view.plot_standing(campaign).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["champion"].get_ydata()) == pytest.approx([4.0, 2.0, 2.0])
    assert list(lines["held-out clips"].get_ydata()) == pytest.approx([6.0, 3.0, 3.0])
    assert list(lines["x265-medium"].get_ydata()) == pytest.approx([1.0, 1.0])
    assert list(lines["vp9"].get_ydata()) == pytest.approx([1.5, 1.5])
    assert axes.get_xlabel() == "generation"
    assert "x265-medium = 1" in axes.get_ylabel()


# --- the diary -------------------------------------------------------------------------------------------


def test_the_diary_tells_by_generation_what_was_tried_and_learnt(campaign: Campaign) -> None:
    pages = diary(campaign)
    assert [page.heading for page in pages] == [
        "Generation 0 (7 s, 0.1250 USD)",
        "Generation 1 (against v0, 7 s, 0.1250 USD)",
        "Generation 2 (against v1, 7 s, 0.1250 USD)",
        "Generation 3 (against v1, broke off or is running, 0.1250 USD)",
    ]
    tried = [shown(page.tried[0]) for page in pages]
    assert tried[1] == ("adopted candidate 1, now v1 . Tried: idea 1 It holds: reason 1; on held-out clips -50.0 %.")
    assert tried[2] == "rejected candidate 2 . Tried: idea 2 It did not hold: reason 2"
    assert "It failed: timed out (decode, shapes, QP 32)" in tried[3].replace("_", " ")
    assert pages[2].learnt[0] == "Lesson from experiments 0 to 1: flat blocks are cheap"
    assert pages[1].learnt[0].startswith("Alert, stagnation: look here")


def test_the_diary_is_the_same_each_time_and_sums_up(campaign: Campaign) -> None:
    first = view.show_diary(campaign)
    assert first == view.show_diary(campaign)
    words = shown(first.html)
    assert words.startswith("3 candidates in 3 generations: 1 adopted, 1 rejected, 1 failed.")
    assert "The greatest gain was v1 in generation 1, -50.0 % bits." in words
    assert "lessons in force (1, from experiments 0 to 1)" in words
    assert "<script" not in first.html


def test_nothing_adopted_and_nothing_tried_are_said(tmp_path: Path) -> None:
    settings = make_settings({"clips": ["builtin:shapes"], "start": ""}, "test")
    with Campaign.start(tmp_path / "new", settings) as campaign:
        for fragment, words in (
            (view.show_diary(campaign), "Nothing has been tried yet."),
            (view.show_answer(campaign), "There is no champion yet"),
            (view.show_standing(campaign), "No version yet."),
        ):
            assert words in shown(fragment.html)
        assert view.plot_standing(campaign)._repr_png_()
        assert "No version, so no distance" in write_markdown(campaign, tmp_path / "report.md").read_text()


def test_one_page_reads_each_table_once_and_still_records_clips(campaign: Campaign) -> None:
    page = read_once(campaign)
    assert page.ledger.entries() is page.ledger.entries()
    assert page.ledger.entries() == campaign.ledger.entries()
    assert read_once(page) is page
    assert [clip.name for clip in page.clips] == ["shapes"]


# --- Markdown --------------------------------------------------------------------------------------------


def test_markdown_tells_the_same_with_its_charts_beside_it(campaign: Campaign, tmp_path: Path) -> None:
    path = write_markdown(campaign, tmp_path / "my report.md")
    told = path.read_text()
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", told)
    assert pictures == ["my%20report_files/standing.png", "my%20report_files/rate_distortion.png"]
    for picture in pictures:
        assert (tmp_path / picture.replace("%20", " ")).read_bytes().startswith(b"\x89PNG")
    assert told.startswith("# told\n\n**The champion, v1, needs 100.0 % more bits than x265-medium")
    assert "| v1 | 1 | -50.0 % | -50.0 % | +100.0 % | +200.0 % |" in told
    assert "**Generation 2 (against v1, 7 s, 0.1250 USD)**\n\n- rejected **candidate 2**. Tried: idea 2" in told
    assert "```text\n./lab evolve --name told" in told


def test_hostile_words_do_nothing_in_markdown(campaign: Campaign, tmp_path: Path) -> None:
    told = write_markdown(campaign, tmp_path / "report.md").read_text()
    assert set(re.findall(r"<(/?\w+)", told)) <= {"details", "/details", "summary", "/summary", "br"}
    assert "&#60;script&#62;alert(1)" in told
    assert "&#36;x&#36; &#33;&#91;a&#93;" in told
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", told)
    for line in told.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


@pytest.mark.parametrize(
    "words", ["# a", "- a", "1. a", "a | b", "<b>", "[x](y)", "`", "*a* _b_", "$a$", "&amp;", "@me"]
)
def test_a_paragraph_stays_the_words_it_is(words: str) -> None:
    """The oracle is nbconvert's own Markdown reader."""
    from html import unescape

    from markupsafe import escape
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    rendered = markdown2html_mistune(to_markdown(f"<p>{escape(words)}</p>"))
    assert unescape(re.sub(r"^<p>|</p>$", "", rendered.strip())) == words
    assert "\n" not in escaped(f"{words}\n{words}")


# --- PDF and command -------------------------------------------------------------------------------------


def test_no_chromium_is_said_before_anything_is_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SystemExit) as left:
        main(["report", str(run), "--pdf", "--output", str(tmp_path / "x.html")])
    told = capsys.readouterr().err
    assert left.value.code == 1
    assert "apt-get install chromium" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(VARIABLE, "/nothing/here")
    with pytest.raises(LabkitError, match="LABKIT_CHROMIUM names '/nothing/here'"):
        find_chromium()


def test_a_pdf_is_no_place_for_the_page_it_is_printed_from(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["report", str(run), "--pdf", "--output", "x.pdf"])
    assert left.value.code == 2
    assert "--pdf writes the PDF beside it" in capsys.readouterr().err


def test_a_browser_that_fails_or_hangs_is_ended_and_said(
    html: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in (("fails", "echo no display >&2; exit 3"), ("hangs", "sleep 600 & sleep 600")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "fails"))
    with pytest.raises(LabkitError, match="printed no PDF: no display"):
        write_pdf(html, tmp_path / "x.pdf")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "hangs"))
    with pytest.raises(LabkitError, match="did not print the report within 1 s"):
        write_pdf(html, tmp_path / "x.pdf", timeout_s=1.0)
    assert not (tmp_path / "x.pdf").exists()


@browser
@pytest.mark.slow
def test_the_command_writes_markdown_and_pdf(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["report", str(run), "--format", "md", "--pdf", "--output", str(tmp_path / "r.md")])
    assert left.value.code == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "r.md"), str(tmp_path / "r.pdf")]
    data = (tmp_path / "r.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", data)) >= 4
    assert len(re.findall(rb"/Subtype /Image", data)) >= 2, "the charts"


# --- in a browser, from a file, offline ------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=str(CHROMIUM), headless=True, args=flags, offline=True,
            viewport={"width": 1280, "height": 800},
        )  # fmt: skip
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(html.as_uri())
        yield page
        context.close()


@browser
@pytest.mark.slow
def test_offline_it_asks_for_nothing_and_the_answer_is_on_the_first_screen(page: Any, html: Path) -> None:
    assert [url for url in page.asked if not url.startswith("data:")] == [html.as_uri()]
    assert page.complaints == []
    for name in ("#answer .answer", "#answer .goal", "#standing table", "#chart svg", "#command"):
        box = page.locator(name).bounding_box()
        assert box["y"] + box["height"] <= 800, f"{name} ends below the first screen"
        assert box["width"] > 100
    assert page.evaluate("document.documentElement.scrollWidth") == 1280, "nothing to scroll sideways"


@browser
@pytest.mark.slow
def test_on_a_narrow_screen_and_in_print_nothing_is_cut_off(page: Any) -> None:
    wide = "[...document.querySelectorAll('table, svg[role=img], pre')].filter(e => e.getBoundingClientRect().right"
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 between its margins, in CSS pixels
    page.emulate_media(media="print")
    assert page.evaluate(f"{wide} > innerWidth + 1 && e.getBoundingClientRect().width).map(e => e.outerHTML)") == []
    closed = "[...document.querySelectorAll('details:not(.code, .code *)')].filter(e => e.offsetHeight < 25).length"
    assert page.evaluate(closed) == 0, "what is folded on the screen is printed"
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.set_viewport_size({"width": 1280, "height": 800})


# --- the notebook ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_notebook_shows_the_report_of_a_campaign(run: Path, tmp_path: Path) -> None:
    made = run_notebook(NOTEBOOKS / "report.ipynb", tmp_path / "r.ipynb", {"runs": str(run.parent), "campaign": "told"})
    outputs = [o for cell in nbformat.read(made, as_version=4).cells for o in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    words = shown(" ".join(str(output.get("data", {}).get("text/html", "")) for output in outputs))
    assert "The champion, v1, needs 100.0 % more bits than x265-medium" in words
    assert "It did not hold: reason 2" in words
    assert not [output for output in outputs if output.output_type == "error"]


@pytest.mark.slow
def test_a_report_renders_where_the_clips_moved(run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(run, tmp_path / "moved"))
    with Campaign.open(moved) as campaign:
        campaign.settings = campaign.settings.model_copy(update={"clips": (str(tmp_path / "gone.y4m"),)})
        words = shown(render_report(campaign))
    assert "The champion, v1, needs 100.0 % more bits" in words
    assert "no pictures are kept of it any more" in words
