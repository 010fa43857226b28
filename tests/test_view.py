"""What people see: a real tiny campaign with hostile texts in it, drawn, tabled and reported."""

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import DEAD_ZONE, INTRA, changed

from labkit import view
from labkit.anchors import ANCHORS
from labkit.campaign import Campaign
from labkit.candidate import Candidate
from labkit.cli import main
from labkit.errors import LabkitError
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.ledger import Entry
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.rd import RDPoint
from labkit.settings import Settings, make_settings
from labkit.view import code, frames, plots
from labkit.view.fragment import CHIPS
from labkit.view.overview import overview
from labkit.view.plots import COLOURS, generation_curves
from labkit.view.report import render_report, write_report
from labkit.view.reproduce import command, settings_file

SCRIPT = "<script>alert(1)</script>"
RED = "\x1b[31mred\u202e"
CLIP = "pan <i>$1$ & _more"

REFUSED = f'"""{SCRIPT} refused"""\nimport os\n# {SCRIPT} {RED}\n'
CRASHES = changed(
    "    packer = ",
    f"    print({SCRIPT!r}, {RED!r})\n    raise ValueError('<img src=x onerror=alert(1)>')\n    packer = ",
)


class Listed(Proposer):
    """Proposes the given sources one after the other."""

    name = f"a list {SCRIPT}"

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        sources = (DEAD_ZONE, REFUSED, CRASHES, INTRA + "# no change\n")
        source = next(s for s in sources if Candidate(s).hash not in brief.tried)
        words = f"try {SCRIPT} {RED}\nand more"
        return Proposal(Candidate(source, self.name, words, brief.champion_hash), cost_usd=0.25)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """A campaign of two generations: adopted, refused, crashed, rejected; one anchor, one clip of 96x64."""
    folder = tmp_path_factory.mktemp("view")
    clip = synthetic_clip("photo_pan", 96, 64, frames=3)
    write_y4m(folder / f"{CLIP}.y4m", (clip.frame(i) for i in range(len(clip))), 96, 64, clip.fps)
    asked: dict[str, Any] = {"clips": [str(folder / f"{CLIP}.y4m")], "anchors": ["x265-medium"], "generations": 2}
    asked["rule"] = {"kind": "bd_rate", "min_gain_pct": 1.0}
    with Campaign.start(folder / "runs" / "tiny", make_settings(asked, "test"), Listed()) as campaign:
        for number in range(3):
            campaign.generation(number)
        campaign.ledger.record_alert(2, "test", f"look here {SCRIPT}")
    return folder / "runs" / "tiny"


@pytest.fixture
def campaign(recorded: Path) -> Iterator[Campaign]:
    with Campaign.open(recorded) as campaign:
        yield campaign


@pytest.fixture(scope="session")
def report(recorded: Path) -> str:
    with Campaign.open(recorded) as campaign:
        return render_report(campaign)


class Page(HTMLParser):
    """Gathers what a browser would act on: elements, addresses, styles, and the text between."""

    VOID = frozenset(("meta", "link", "img", "br", "hr", "input", "col", "image", "use", "base", "embed"))
    ADDRESSES = frozenset(
        ("src", "href", "xlink:href", "srcset", "action", "formaction", "poster", "data", "background", "cite")
    )

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.styles: list[str] = []
        self.handlers: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in self.ADDRESSES]
        self.styles += [value or "" for name, value in attrs if name == "style"]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.text += data


ACTIVE = {"script", "link", "iframe", "object", "embed", "base", "form", "video", "audio", "source", "foreignobject"}


# --- the report ------------------------------------------------------------------------------------------


def test_the_report_makes_no_request(report: str) -> None:
    page = Page(report)
    assert not ACTIVE & set(page.elements)
    outside = [address for address in page.addresses if not address.startswith(("data:image/png;base64,", "#"))]
    assert outside == []
    assert len(page.addresses) > 10, "there are pictures to look at"
    assert not [style for style in page.styles if "url(" in style or "@import" in style or "image-set" in style]
    assert "default-src 'none'" in report, "a browser refuses what a mistake might let in"


def test_links_within_the_report_lead_somewhere(report: str) -> None:
    page = Page(report)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= page.ids


def test_the_report_escapes_what_candidates_and_models_wrote(report: str) -> None:
    page = Page(report)
    assert page.handlers == []
    assert "i" not in page.elements, "the clip's name is no markup"
    assert page.text.count(SCRIPT) > 8, "hypothesis, proposer, source, finding, output, alert"
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", report)
    assert "\\x1b[31mred\\u202e" in page.text, "shown, not sent"
    assert CLIP in page.text


def test_the_report_starts_with_the_answer(campaign: Campaign, report: str) -> None:
    champion = campaign.champion
    assert champion is not None
    assert champion.evaluation is not None
    first = Page(report).text.split("BD-rate against real encoders")[0]
    assert f"The champion, v1, needs {campaign.against(champion.evaluation):,.1f} % more bits than x265-medium" in first
    assert "version 0 needed" in first
    assert "1 of 4 candidates were adopted" in first
    assert re.search("isolation: (sealed|filtered) .*5 of 5 probes held", first)
    assert "1.00 USD" in first
    assert f"look here {SCRIPT}" in first
    assert "complete: 2 generations" in first


def test_the_report_tells_every_reason_finding_and_output(campaign: Campaign, report: str) -> None:
    shown = " ".join(Page(report).text.split())
    for entry in campaign.ledger.entries():
        assert entry.evaluation is not None
        assert entry.verdict is not None
        told = entry.verdict.reasons if entry.evaluation.failure is None else (entry.evaluation.failure.detail,)
        for reason in told:
            assert " ".join(reason.split()) in shown
    assert "it printed:" in shown
    assert "import os" in shown
    assert str(campaign.ledger.versions()["av"]) in shown


def test_a_shared_picture_is_stored_once(report: str) -> None:
    pictures = re.findall(r'<image href="(data:[^"]+)"', report)
    assert len(pictures) == len(set(pictures))
    originals = re.findall(r'aria-label="[^"]*: original".*?<use href="#([^"]+)"', report)
    assert len(originals) > 1
    assert len(set(originals)) == 1


@pytest.mark.slow
def test_a_report_is_written_whole_or_not_at_all(campaign: Campaign, tmp_path: Path) -> None:
    path = write_report(campaign, tmp_path / "new" / "report.html")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(LabkitError, match="cannot write the report"):
        write_report(campaign, tmp_path / "file" / "report.html")


def copied(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "copy"))


def test_missing_and_damaged_pictures_are_said_in_a_line(recorded: Path, tmp_path: Path) -> None:
    folder = copied(recorded, tmp_path)
    shutil.rmtree(folder / "bitstreams" / "0000")
    (kept,) = (folder / "bitstreams" / "0001").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    with Campaign.open(folder) as campaign:
        shown = Page(render_report(campaign)).text
    assert "no pictures are kept of it any more" in shown
    assert f"{CLIP}: no picture, {kept.name} cannot be read" in shown


def test_clips_that_are_gone_are_said_in_a_line(recorded: Path, tmp_path: Path) -> None:
    clip = recorded.parents[1] / f"{CLIP}.y4m"
    hidden = clip.rename(tmp_path / "hidden.y4m")
    try:
        with Campaign.open(recorded) as campaign:
            shown = Page(render_report(campaign)).text
    finally:
        hidden.rename(clip)
    assert "No pictures, since the clips cannot be read" in shown
    assert "The champion, v1, needs" in shown


def test_a_campaign_that_has_only_begun(tmp_path: Path) -> None:
    settings = make_settings({"clips": ["builtin:shapes"], "start": ""}, "test")
    with Campaign.start(tmp_path / "new", settings) as campaign:
        assert "There is no champion yet" in Page(render_report(campaign)).text
        campaign.ledger.begin_generation(0, None, "none")
        campaign.ledger.record_proposal(0, 0, Proposal(Candidate(INTRA)), "test")
        shown = Page(render_report(campaign)).text
        for drawn in (view.show_frames(campaign, None), view.show_champion(campaign), view.show_campaign(campaign)):
            Page(drawn._repr_html_())
        for figure in (view.plot_rd(campaign), view.plot_rd(campaign, 0), view.plot_progress(campaign)):
            assert figure._repr_png_().startswith(b"\x89PNG")
    assert f"not complete: 0 of {settings.generations} generations" in shown
    assert "no champion before it, not complete" in shown
    assert "proposed" in shown


@pytest.mark.slow
def test_twenty_generations_stay_below_10_mb(tmp_path: Path, lab_home: Path) -> None:
    settings = make_settings({"clips": ["builtin"], "frames": 2, "generations": 20}, "test")
    with Campaign.start(tmp_path / "long", settings) as campaign:
        clips = campaign.clips
        random = np.random.default_rng(0)
        source = "\n".join(f"value_{i} = compute(value_{i - 1}, {i})  # step {i} of the codec" for i in range(1200))
        for number in range(21):
            campaign.ledger.begin_generation(number, number - 1 if number else None, "none")
            text = source.replace("compute", f"compute_{number}", 400)
            candidate = Candidate(text, "test", f"version {number}")
            entry = campaign.ledger.record_proposal(number, 0, Proposal(candidate), "test")
            _record(campaign, entry, number, candidate, clips, random)
            campaign.ledger.end_generation(number, 1.0)
        html = render_report(campaign)
    assert len(html.encode()) < 10_000_000
    assert "left out to keep the report small" in html
    assert html.count('role="img"') > 50


def _record(campaign, entry, number, candidate, clips, random) -> None:
    from labkit.adopt import Decision, Verdict
    from labkit.candidate import Evaluation

    keep = campaign.keep(entry)
    keep.folder.mkdir(parents=True)
    points = []
    for clip in clips:
        for index, qp in enumerate(campaign.settings.qps):
            points.append(
                point(clip.name, qp, 3000 / (index + 1) / (number + 1), 44 - 3 * index, clip.hash, candidate.hash)
            )
        y, u, v = clip.frame(1)
        noisy = np.clip(y + random.normal(0, 4, y.shape), 0, 255).astype(np.uint8)
        np.savez_compressed(keep.path(clip.name, keep.picture_qp, ".npz"), y=noisy, u=u, v=v, index=1)
    campaign.ledger.record_evaluation(entry, Evaluation(candidate.hash, "none", tuple(points)))
    verdict = Verdict(Decision.ADOPTED, ("made for a test",), -10.0)
    campaign.ledger.record_verdicts({entry: verdict}, {entry: number}, campaign.settings.rule)


def point(clip: str, qp: int, rate_kbps: float, psnr_db: float, clip_hash: str = "c", candidate: str = "x") -> RDPoint:
    return RDPoint(
        clip, clip_hash, qp, int(rate_kbps * 10), rate_kbps, psnr_db, psnr_db, psnr_db, 0.9, 20.0, 0.1, 0.1,
        candidate, "bitstream", frame_psnr_y_db=(psnr_db, psnr_db),
    )  # fmt: skip


# --- the command that runs it again ----------------------------------------------------------------------


def test_the_command_names_what_differs_from_the_defaults() -> None:
    values = {"clips": ("a b.mp4", "builtin"), "frames": 0, "qps": (20, 25, 30, 35), "anchors": (), "seed": 7}
    words = shlex.split(command(make_settings(values, "test"), Path("/elsewhere/runs/mine")))
    assert words == shlex.split(
        "./lab evolve --name mine --runs /elsewhere/runs --clips 'a b.mp4' builtin --frames 0 --qps 20,25,30,35 "
        "--anchors none --seed 7"
    )


def test_the_command_uses_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evolve", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    flags = {
        f"--{'no-' if field.default is True else ''}{key.replace('_', '-')}"
        for key, field in Settings.model_fields.items()
    }
    assert flags - {"--rule", "--limits", "--claude", "--goal", "--robustness", "--stagnation"} <= options
    assert {"--name", "--runs", "--settings"} <= options


def test_rule_and_limits_come_as_a_campaign_file() -> None:
    import tomllib

    values = {"rule": {"kind": "bd_rate", "min_gain_pct": 3.0}, "limits": {"memory_mib": 512}}
    settings = make_settings(values, "test")
    assert "--settings campaign.toml" in command(settings, Path("runs/mine"))
    assert make_settings(tomllib.loads(settings_file(settings)), "test") == settings
    assert settings_file(make_settings({}, "test")) == ""
    strict = make_settings({"goal": {"mbps": 2.5}, "robustness": "warn", "stagnation": 3, "early_stop": False}, "test")
    assert make_settings(tomllib.loads(settings_file(strict)) | {"early_stop": False}, "test") == strict
    assert "--no-early-stop" in command(strict, Path("runs/mine"))
    claude = {"model": "llama", "effort": "", "structured_output": False, "headers": {"x-team": 'video "a"'},
              "prices": {"llama 3.1": {"input": 0, "output": 0.5, "cache_read": 0}}}  # fmt: skip
    local = make_settings({"claude": claude, "budget_usd": 2.5}, "test")
    assert make_settings(tomllib.loads(settings_file(local)) | {"budget_usd": 2.5}, "test") == local
    assert "--budget-usd 2.5" in command(local, Path("runs/mine"))


# --- charts ----------------------------------------------------------------------------------------------


def test_rd_charts_have_units_a_log_rate_axis_and_all_coders(campaign: Campaign) -> None:
    figure = view.plot_rd(campaign, 1)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert "kbps" in axes.get_xlabel()
    assert "dB" in axes.get_ylabel()
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["candidate 1 (now v1)", "champion v0", "x265-medium"], "a failed candidate has no curve"
    first = axes.lines[0]
    entry = campaign.entry(1)
    assert entry.evaluation is not None
    assert list(first.get_xdata()) == [point.rate_kbps for point in entry.evaluation.on(CLIP)]
    assert list(first.get_ydata()) == [point.psnr_db for point in entry.evaluation.on(CLIP)]


def test_progress_shows_the_recorded_bd_rates(campaign: Campaign) -> None:
    figure = view.plot_progress(campaign)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "generation"
    assert "%" in axes.get_ylabel()
    (steps,) = (line for line in axes.lines if line.get_label() == "champion")
    values = [campaign.against(entry.evaluation) for entry in campaign.ledger.entries()[:2] if entry.evaluation]
    assert list(steps.get_ydata()) == [*values, values[-1]]
    assert list(steps.get_xdata()) == [0, 1, 2]


def test_a_coder_keeps_its_colour_among_many_in_a_kept_picture() -> None:
    import cv2

    curves = {name: {"a": [point("a", qp, 4e4 / qp * (k + 1), 60 - qp) for qp in (22, 27, 32, 37)]}
              for k, name in enumerate(("champion v2", "version 0", *ANCHORS))}  # fmt: skip
    read = cv2.imdecode(np.frombuffer(plots.png(view.draw_rd(curves)), np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    assert (read[0] == 255).all()
    for name in ANCHORS:
        rgb = [int(COLOURS[name][i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(read[..., ::-1].astype(int) - rgb).max(axis=2).min() <= 12, name


@pytest.mark.parametrize("clips", [1, 2, 5])
def test_no_text_of_a_chart_is_cut_off(clips: int) -> None:
    names = [f"a clip with a rather long name, number {i}" for i in range(clips)]
    curves = {
        label: {name: [point(name, qp, 4000 / qp * (k + 1), 60 - qp) for qp in (22, 27, 32, 37)] for name in names}
        for k, label in enumerate(("candidate 1", "candidate 2 (now v3)", "champion v2", *ANCHORS))
    }
    figure = view.draw_rd(curves)
    plots.png(figure)
    inches = figure.get_tightbbox()
    assert inches.x0 >= 0
    assert inches.y0 >= 0
    assert inches.x1 <= figure.get_figwidth()
    assert inches.y1 <= figure.get_figheight()
    assert {axes.get_title() for axes in figure.axes if axes.axison} == set(names)


def test_every_anchor_has_a_colour_of_its_own() -> None:
    assert set(ANCHORS) <= set(COLOURS)
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_lossless_points_and_nothing_at_all_can_be_drawn() -> None:
    lossless = [replace(point("c", qp, 900.0, 40.0), psnr_db=float("inf")) for qp in (22, 27)]
    assert view.draw_rd({"candidate 1": {"c": lossless}})._repr_png_()
    assert view.draw_rd({})._repr_png_()


def test_a_failed_candidate_has_no_curve(campaign: Campaign) -> None:
    turn = campaign.recorded(1)
    assert [entry.outcome for entry in turn.entries] == ["adopted", "failed"]
    assert "candidate 2" not in generation_curves(turn)


# --- tables and code -------------------------------------------------------------------------------------


def test_fragments_keep_to_inline_styles_and_escape(campaign: Campaign) -> None:
    for number in range(3):
        turn = campaign.recorded(number)
        shown = [
            view.show_generation(campaign, number), view.show_changes(turn), view.show_failures(turn),
            view.show_rates(turn), view.show_frames(campaign, turn), view.show_campaign(campaign),
            view.show_champion(campaign),
        ]  # fmt: skip
        for fragment in shown:
            page = Page(fragment._repr_html_())
            assert not (ACTIVE | {"style", "svg"}) & set(page.elements), "an untrusted notebook drops them"
            assert "class=" not in fragment._repr_html_()
            assert page.handlers == []
            assert "\x1b" not in fragment._repr_html_()
            assert len(repr(fragment)) < 80, "the plain text beside it in a notebook stays short"


def test_tables_show_what_the_ledger_holds(campaign: Campaign) -> None:
    shown = Page(view.show_campaign(campaign)._repr_html_()).text
    for entry in campaign.ledger.entries():
        assert entry.verdict is not None
        assert entry.verdict.reasons[0].split("\n")[0] in shown
    adopted = campaign.entry(1)
    assert adopted.verdict is not None
    assert adopted.evaluation is not None
    assert f"{adopted.verdict.bd_rate_pct:+.1f} %" in shown
    points = Page(view.show_points(adopted.evaluation)._repr_html_()).text
    assert all(f"{p.bytes:,}" in points and p.bitstream_sha256[:8] in points for p in adopted.evaluation.points)
    rates = Page(view.show_bd_rates(campaign, adopted.evaluation)._repr_html_()).text
    assert f"{campaign.against(adopted.evaluation):+.1f} %" in rates


def test_a_missing_bd_rate_gives_its_reason(campaign: Campaign) -> None:
    entry = campaign.entry(1)
    assert entry.evaluation is not None
    short = replace(entry.evaluation, points=entry.evaluation.points[:2])
    shown = Page(view.show_bd_rates(campaign, short)._repr_html_()).text
    assert "BD-rate needs at least 4" in shown


def test_a_diff_shows_both_sides_and_folds_what_is_the_same() -> None:
    old = "\n".join(f"a{i} = {i}" for i in range(40))
    new = old.replace("a20 = 20", "b = 'x < y'\nc = 3")
    page = Page(view.show_diff(old, new, "v1", "candidate 2")._repr_html_())
    assert page.elements.count("details") == 2
    assert "17 unchanged lines" in page.text, "lines 0 to 16; three more are context"
    assert "16 unchanged lines" in page.text, "lines 24 to 39"
    assert "a20 = 20" in page.text
    assert "b = 'x < y'" in page.text
    assert str(code.count_changes(old, new)) == "+2 −1 lines"
    small = Page(view.show_diff(old, new, "v1", "candidate 2", whole=False)._repr_html_())
    assert "a5 = 5" in page.text
    assert "a5 = 5" not in small.text
    assert "line by line" in Page(view.show_diff(old, old, "v1", "v2")._repr_html_()).text


def test_highlighting_loses_no_character() -> None:
    page = Page(view.show_code(INTRA)._repr_html_())
    numbered = "".join(f"{i}{line}" for i, line in enumerate(INTRA.rstrip("\n").split("\n"), start=1))
    assert page.text.split("lines)", 1)[1] == numbered


@pytest.mark.parametrize(
    "source", ["", "\n\n", "\x00\r\x0c'''", "x = '" + "a" * 300_000, "(\n" * 9000, "\ud800 \u2028 <b>"]
)
def test_any_source_can_be_shown(source: str) -> None:
    for fragment in (
        view.show_code(source),
        view.show_diff(INTRA, source, "a", "b"),
        view.show_diff(source, INTRA, "a", "b"),
    ):
        html = fragment._repr_html_()
        Page(html)
        html.encode("utf-8")
        assert len(html) < 5_000_000


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_code_can_be_read_on_white_and_on_black(page: str) -> None:
    assert min(contrast(colour, page) for colour in code.TOKEN_COLOURS.values()) > 3.9


def test_labels_can_be_read() -> None:
    assert min(contrast("#ffffff", colour) for colour in CHIPS.values()) > 4.5


# --- frames ----------------------------------------------------------------------------------------------


def flat(y: int, u: int, v: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((4, 6), y, np.uint8), np.full((2, 3), u, np.uint8), np.full((2, 3), v, np.uint8)


@pytest.mark.parametrize(
    ("matrix", "yuv", "rgb"),
    [
        ("bt601", (16, 128, 128), (0, 0, 0)),
        ("bt601", (235, 128, 128), (255, 255, 255)),
        ("bt709", (126, 128, 128), (128, 128, 128)),
        ("bt601", (81, 90, 240), (255, 0, 0)),  # 100 % red as ITU-R BT.601 codes it
        ("bt709", (63, 102, 240), (255, 0, 0)),
        ("bt709", (32, 240, 118), (0, 0, 255)),
    ],
)
def test_colours_follow_the_clips_matrix(matrix: str, yuv: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    shown = frames.to_rgb(flat(*yuv), matrix)
    assert shown.shape == (4, 6, 3)
    assert np.abs(shown.astype(int) - rgb).max() <= 2


def test_the_difference_is_grey_where_nothing_was_lost() -> None:
    original = np.array([[100, 100, 100, 0, 255]], np.uint8)
    decoded = np.array([[100, 101, 97, 255, 0]], np.uint8)
    assert frames.difference(original, decoded, gain=8).tolist() == [[128, 136, 104, 255, 0]]


def test_frames_are_those_of_the_clip_and_of_the_decoder(campaign: Campaign) -> None:
    (kept,), missing = frames.kept_frames(campaign, campaign.entry(1))
    assert missing == []
    (clip,) = campaign.clips
    assert kept.index == len(clip) // 2
    assert np.array_equal(kept.original, frames.to_rgb(clip.frame(kept.index), clip.matrix))
    assert kept.decoded.shape == kept.original.shape
    keep = campaign.keep(1)
    with np.load(keep.path(CLIP, kept.qp, ".npz")) as file:
        error = file["y"].astype(np.float64) - clip.frame(kept.index)[0]
    assert kept.psnr_y_db == pytest.approx(10 * np.log10(255**2 / np.mean(error**2)))


def test_pictures_survive_as_png() -> None:
    import cv2

    picture = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    data, width = frames.to_png(picture, 30)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert width == 30
    assert np.array_equal(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), picture)
    assert frames.to_png(picture, 15)[1] == 15


def test_nothing_on_the_first_screen_is_left_out(campaign: Campaign) -> None:
    entries: list[Entry] = campaign.ledger.entries()
    shown = overview(campaign, entries)
    assert {"answer", "isolation", "cost", "alerts", "command", "clips", "versions", "adopted"} <= set(shown)


@pytest.mark.slow
def test_campaigns_stand_side_by_side_with_what_cannot_be_compared(recorded: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(recorded, runs / "tiny")
    asked = {"clips": ["builtin:photo_pan"], "frames": 3, "anchors": [], "generations": 0, "held_out": ["none"]}
    with Campaign.start(runs / "other", make_settings(asked, "test")) as campaign:
        campaign.generation(0)
    (runs / "broken").mkdir()
    (runs / "broken" / "ledger.sqlite").write_bytes(b"not a ledger")
    html = view.show_runs(runs)._repr_html_()
    assert "Compare only lines with the same letter" in html
    assert "broken: " in html
    assert SCRIPT not in html
    assert "Compare only" not in view.show_runs(runs, "tiny")._repr_html_()
    assert plots.png(view.plot_runs(runs)).startswith(b"\x89PNG")
    with pytest.raises(LabkitError, match="holds no campaign 'tny'; there are: broken, other, tiny"):
        view.plot_runs(runs, "tny")
