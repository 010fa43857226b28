"""Curves, BD-rates, bits and speed of any coders: what the charts and controls hold is what the ledger holds."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import inf, isfinite, log10
from pathlib import Path

import matplotlib.colors
import pytest
from test_notebooks import SHOWN, code_cells, read
from test_view import Page, point
from tiny_campaign import CLIP, HELD_OUT, SCRIPT

from labkit import view
from labkit.campaign import Campaign
from labkit.notebook import NOTEBOOKS, run_notebook
from labkit.rd import METRICS, RDCurve, bd_rate
from labkit.settings import make_settings
from labkit.view import explore, plots
from labkit.view.bits import draw_bits
from labkit.view.curves import clips_of, coders_of, comparison, missing_name, usual_coders
from labkit.view.fragment import Fragment
from labkit.view.hover import hover_data
from labkit.view.speed import speeds


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Campaign]:
    settings = make_settings({"clips": ["builtin:shapes"], "start": ""}, "test")
    with Campaign.start(tmp_path / "new", settings) as campaign:
        yield campaign


def drawn(chart: plots.Chart) -> str:
    """Return all the words of a chart."""
    assert chart._repr_png_().startswith(b"\x89PNG")
    return "\n".join(text.get_text() for text in chart.findobj(lambda one: hasattr(one, "get_text")))


# --- who and where ---------------------------------------------------------------------------------------


def test_coders_are_versions_then_encoders_then_the_rest(campaign: Campaign) -> None:
    curves = coders_of(campaign)
    assert list(curves) == ["champion v1", "version 0", "x265-medium", "candidate 4"], "what failed has no curve"
    assert clips_of(curves) == (CLIP, HELD_OUT)
    assert set(curves["champion v1"]) == set(curves["x265-medium"]) == {CLIP, HELD_OUT}
    assert usual_coders(curves) == ("champion v1", "version 0", "x265-medium")


def test_a_missing_name_is_told_with_the_nearest() -> None:
    assert missing_name("clip", "photo_pam", ["photo_pan"]) == "There is no clip 'photo_pam'; did you mean 'photo_pan'?"
    assert missing_name("coder", "q", map(str, range(20))).endswith("9, 10, 11 and 8 more")
    assert missing_name("coder", "q", []).endswith("there are: none")


def test_bad_input_is_one_line_on_the_chart(campaign: Campaign) -> None:
    assert "There is no clip 'nowhere'" in drawn(view.plot_curves(campaign, "nowhere"))
    assert "did you mean 'psnr_db'" in drawn(view.plot_curves(campaign, metric="psnr")).replace("\n", " ")
    assert "did you mean 'version 0'" in drawn(view.plot_curves(campaign, coders=["version 9"]))
    assert "did you mean 'champion v1'" in drawn(view.plot_bits(campaign, coder="champion"))
    assert "There is no clip" in drawn(view.plot_bits(campaign, "nowhere"))
    assert "did you mean" in view.show_comparison(campaign, "champion v9").html


# --- curves ----------------------------------------------------------------------------------------------


def test_every_measured_point_is_drawn(campaign: Campaign) -> None:
    points = coders_of(campaign)["champion v1"][CLIP]
    (axes,) = view.plot_curves(campaign, CLIP, "psnr_y_db", ["champion v1", "candidate 4"]).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rate (kbps, log scale)", "PSNR-Y (dB)")
    line = next(line for line in axes.lines if line.get_label() == "champion v1")
    assert list(zip(*line.get_data(), strict=True)) == sorted((p.rate_kbps, p.psnr_y_db) for p in points)
    (axes,) = view.plot_curves(campaign, CLIP, "ssim").axes
    line = next(line for line in axes.lines if line.get_label() == "champion v1")
    assert axes.get_ylabel() == "SSIM (dB: -10 log10(1 - SSIM))"
    assert max(line.get_ydata()) == pytest.approx(-10 * log10(1 - max(p.ssim for p in points)))


def test_a_metric_that_small_clips_lack_is_said_to_be_missing(campaign: Campaign) -> None:
    assert "no MS-SSIM here" in drawn(view.plot_curves(campaign, CLIP, "ms_ssim"))


def test_a_coder_has_one_colour_in_every_chart(campaign: Campaign) -> None:
    curves = coders_of(campaign)
    styles = plots.styles_of(curves)
    series = hover_data(curves, CLIP, "psnr_db")["series"]
    assert {one["label"]: one["colour"] for one in series} == {label: style.colour for label, style in styles.items()}
    assert styles["x265-medium"].colour == plots.COLOURS["x265-medium"]
    lines = view.plot_curves(campaign, CLIP).axes[0].lines
    assert {line.get_label(): matplotlib.colors.to_hex(line.get_color()) for line in lines} == {
        label: styles[label].colour for label in usual_coders(curves)
    }


def test_two_versions_between_can_be_told_apart() -> None:
    styles = plots.styles_of(["champion v12", "version 11", "version 10", "version 0"])
    assert len({(style.colour, style.marker, style.line) for style in styles.values()}) == 4
    assert styles["version 10"].colour != styles["version 0"].colour


def test_pointing_at_a_point_tells_what_was_measured(campaign: Campaign) -> None:
    curves = coders_of(campaign)
    data = hover_data(curves, CLIP, "psnr_db")
    assert data["notes"] == []
    champion = next(one for one in data["series"] if one["label"] == "champion v1")
    for measured, shown in zip(curves["champion v1"][CLIP], champion["points"], strict=True):
        words = "\n".join(shown["lines"])
        assert (shown["x"], shown["y"], shown["qp"]) == (measured.rate_kbps, measured.psnr_db, measured.qp)
        assert f"champion v1, QP {measured.qp}" in words
        assert f"{measured.bytes:,} bytes" in words
        assert f"PSNR {measured.psnr_db:.2f} dB" in words
        assert f"encoded in {measured.encode_s:.3f} s, decoded in {measured.decode_s:.3f} s" in words
    encoder = next(one for one in data["series"] if one["label"] == "x265-medium")
    assert "CRF 17" in " ".join(line for one in encoder["points"] for line in one["lines"])


def test_what_lies_on_no_scale_is_told_in_words() -> None:
    points = [replace(point("c", qp, 100.0 * (40 - qp), 40 - qp / 2), ms_ssim=None) for qp in (22, 27)]
    points.append(replace(points[0], qp=1, psnr_db=inf, rate_kbps=9000.0))
    curves = {"champion v1": {"c": points}, "x265-medium": {}}
    data = hover_data(curves, "c", "psnr_db")
    json.dumps(data, allow_nan=False)
    assert [len(one["points"]) for one in data["series"]] == [2, 0]
    assert data["notes"] == [
        "champion v1 is lossless at 9,000.0 kbps: beyond any scale.", "x265-medium was not measured on c.",
    ]  # fmt: skip
    unknown = hover_data(curves, "c", "ms_ssim")
    assert unknown["series"][0]["points"] == []
    assert unknown["notes"][0].startswith("champion v1 has 3 points without MS-SSIM")
    assert hover_data({}, "c", "psnr_db")["notes"] == ["Pick at least one coder."]


# --- BD-rates --------------------------------------------------------------------------------------------


def test_bd_rates_by_clip_and_metric_are_those_of_the_curves(campaign: Campaign) -> None:
    curves = coders_of(campaign)
    html = view.show_comparison(campaign, "candidate 4", "champion v1")._repr_html_()
    for metric in METRICS.keys() - {"ms_ssim"}:
        pair = (RDCurve.of(label, curves[label][CLIP], metric) for label in ("champion v1", "candidate 4"))
        assert f"{bd_rate(*pair):+.1f} %" in html
    page = Page(html)
    assert "i" not in page.elements, "the clip's name is no markup"
    assert f"{HELD_OUT} (held out)" in page.text
    assert f"{CLIP}, MS-SSIM: champion v1 has a point without MS-SSIM" in page.text
    assert f"{HELD_OUT}: the two were not measured on the same frames" in page.text, "a rejected one never met it"


def test_an_encoder_can_be_the_test_and_a_version_the_reference(campaign: Campaign) -> None:
    curves = coders_of(campaign)
    ours, theirs = (RDCurve.of(name, curves[name][HELD_OUT]) for name in ("version 0", "x265-medium"))
    expected = f"{bd_rate(ours, theirs):+.1f} %"
    assert expected in comparison(curves, "x265-medium", "version 0", {HELD_OUT})


def test_a_reason_that_all_metrics_share_stands_once() -> None:
    few = {"c": [point("c", 22, 100, 40), point("c", 27, 50, 37)]}
    html = comparison({"champion v1": few, "x265-medium": few}, "champion v1", "x265-medium", set())
    page = Page(html)
    assert page.text.count("x265-medium has 2 rate points, BD-rate needs at least 4") == 1
    assert page.text.count("c, MS-SSIM") == 0
    assert "has a point without MS-SSIM" not in page.text
    assert "+0.0 %" not in page.text


# --- bits ------------------------------------------------------------------------------------------------


def test_the_bits_chart_shows_the_report_and_says_that_nobody_believes_it(campaign: Campaign) -> None:
    chart = view.plot_bits(campaign, CLIP)
    words = drawn(chart)
    assert "believed by nobody" in words
    assert "luma" in words
    assert "$x$" not in words.replace(r"\$", ""), "no formula is made of a candidate's word"
    points = sorted(coders_of(campaign)["champion v1"][CLIP], key=lambda p: p.qp)
    bars = {bars.get_label(): [bar.get_height() for bar in bars] for bars in chart.axes[0].containers}
    assert bars["chroma"] == pytest.approx([100 * 100 / p.bytes for p in points])
    assert bars["container (measured)"] == pytest.approx([100 * (1 - sum(p.frame_bytes) / p.bytes) for p in points])
    assert bars["not told"] == pytest.approx([100 * (sum(p.frame_bytes) - 400) / p.bytes for p in points])
    assert [label.get_text().split("\n")[0] for label in chart.axes[0].get_xticklabels()] == [str(p.qp) for p in points]


def test_a_report_of_more_than_the_file_holds_is_seen_to_be_one() -> None:
    boast = replace(point("c", 22, 100, 40), bytes=1000, reported=(("a", 900.0), ("b", 600.0), ("c", -5.0)))
    (axes,) = draw_bits({"x": {"c": [boast]}}, "x", ("c",)).axes
    assert axes.get_ylim()[1] > 150
    many = replace(boast, reported=tuple((f"part {i}", 10.0) for i in range(50)))
    (axes,) = draw_bits({"x": {"c": [many]}}, "x", ("c",)).axes
    assert len(axes.containers) == 8, "six by name, the others, and what was not told"


def test_of_the_first_program_every_byte_is_told(campaign: Campaign) -> None:
    (axes,) = view.plot_bits(campaign, CLIP, "version 0").axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
    assert list(heights) == ["luma levels", "chroma levels", "container (measured)"]
    assert [sum(parts) for parts in zip(*heights.values(), strict=True)] == pytest.approx([100] * 4)


def test_a_component_has_one_shade_whoever_tells_of_it() -> None:
    whole = replace(point("c", 22, 100, 40), bytes=1000)
    first = replace(whole, reported=(("motion", 100.0), ("mine", 900.0)))
    second = replace(whole, reported=(("luma levels", 900.0), ("motion", 50.0), ("others", 20.0), ("not told", 30.0)))
    shades = []
    for told in (first, second):
        (axes,) = draw_bits({"x": {"c": [told]}}, "x", ("c",)).axes
        shades.append({bars.get_label(): bars[0].get_facecolor() for bars in axes.containers})
    assert shades[0]["motion"] == shades[1]["motion"]
    assert list(shades[0]) == ["motion", "mine"]
    assert list(shades[1]) == ["luma levels", "motion", "others", "not told"], "the lab's own words keep their meaning"
    assert all(len(set(one.values())) == len(one) for one in shades)


def test_who_reports_nothing_is_said(campaign: Campaign) -> None:
    assert "is not kept" in drawn(view.plot_bits(campaign, HELD_OUT)).replace("\n", " ")
    assert "x265-medium reports nothing" in drawn(view.plot_bits(campaign, coder="x265-medium"))


# --- speed -----------------------------------------------------------------------------------------------


def test_speed_is_pixels_by_the_lab_s_own_clock(campaign: Campaign) -> None:
    points = coders_of(campaign)["champion v1"][CLIP]
    found = {speed.coder: speed for speed in speeds(campaign)}
    pixels = 96 * 64 * 3 * len(points) / 1e6
    assert found["champion v1"].encode_mpixel_s == pytest.approx(pixels / sum(p.encode_s for p in points))
    assert found["champion v1"].decode_mpixel_s == pytest.approx(pixels / sum(p.decode_s for p in points))
    champion = campaign.champion
    assert champion is not None
    assert champion.evaluation is not None
    assert found["champion v1"].bd_rate_pct == pytest.approx(campaign.against(champion.evaluation))
    assert found["x265-medium"].bd_rate_pct == 0
    assert found["x265-medium"].encode_mpixel_s is not None, "the ledger knows how long real encoders took"
    chart = view.plot_speed(campaign)
    assert [axes.get_xlabel() for axes in chart.axes] == [
        "encoding speed (megapixels/s, log scale)", "decoding speed (megapixels/s, log scale)",
    ]  # fmt: skip
    assert "champion v1" in drawn(chart)
    assert "96x64" in view.show_speed(campaign).html


# --- controls --------------------------------------------------------------------------------------------


def test_controls_change_chart_table_and_bits(campaign: Campaign) -> None:
    box = explore.rd_controls(coders_of(campaign), {HELD_OUT})
    found = {tag: one for one in widgets(box) for tag in one._dom_classes}
    chart, table, bits = found["lab-rd-chart"], found["lab-bd-table"], found["lab-bits"]
    assert chart.chart["series"][0]["points"]
    found["lab-coders"].value = ("x265-medium",)
    assert [one["label"] for one in chart.chart["series"]] == ["x265-medium"]
    found["lab-metric"].value = "ssim"
    assert chart.chart["y_label"].startswith("SSIM (dB")
    found["lab-clip"].value = HELD_OUT
    assert HELD_OUT in chart.chart["title"]
    before, pictured = table.value, bits.value
    found["lab-test"].value = "version 0"
    assert table.value != before
    assert bits.value != pictured
    assert "version 0 against x265-medium" in table.value
    found["lab-coders"].value = ()
    assert chart.chart["notes"] == ["Pick at least one coder."]


def widgets(box: object) -> Iterator[object]:
    yield box
    for child in getattr(box, "children", ()):
        yield from widgets(child)


def test_nobody_sits_before_a_test_so_a_line_stands_in_for_the_controls(campaign: Campaign) -> None:
    shown = view.explore_rd(campaign)
    assert isinstance(shown, Fragment)
    assert "JupyterLab" in shown.html


@pytest.mark.slow
def test_a_kernel_that_draws_does_not_load_widgets() -> None:
    code = "import sys; from labkit import view; print([m for m in ('ipywidgets', 'anywidget') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- not yet ---------------------------------------------------------------------------------------------


def test_a_campaign_that_has_only_begun_says_so_everywhere(begun: Campaign) -> None:
    for chart in (view.plot_curves(begun), view.plot_bits(begun), view.plot_speed(begun)):
        assert re.search("yet", drawn(chart))
    for shown in (view.show_comparison(begun), view.show_speed(begun), view.explore_rd(begun)):
        assert isinstance(shown, Fragment)
        assert "Nothing is measured yet" in shown.html


def test_pages_are_harmless(campaign: Campaign) -> None:
    for shown in (view.show_comparison(campaign, "candidate 4", "version 0"), view.show_speed(campaign)):
        page = Page(shown._repr_html_())
        assert "script" not in page.elements
        assert page.handlers == []
    assert SCRIPT not in json.dumps(hover_data(coders_of(campaign), CLIP, "psnr_db"))
    assert all(isfinite(one["x"]) for line in hover_data(coders_of(campaign), CLIP, "ssim")["series"]
               for one in line["points"])  # fmt: skip


# --- the notebooks ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02_rate_distortion", "03_lineage"])
def test_a_notebook_that_nobody_sits_before_shows_pictures_and_no_widget(
    lived: Path, tmp_path: Path, name: str
) -> None:
    made = run_notebook(NOTEBOOKS / f"{name}.ipynb", tmp_path / "made.ipynb", {"runs": str(lived.parent)})
    outputs = [output for cell in code_cells(read(made)) for output in cell.outputs]
    kinds = [set(output.get("data", {})) for output in outputs]
    assert all(kind <= SHOWN for kind in kinds)
    assert sum("image/png" in kind for kind in kinds) >= 3
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
    for output in outputs:
        assert "script" not in Page(output.data.get("text/html", "")).elements
