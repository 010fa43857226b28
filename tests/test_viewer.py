"""The frame viewer's data on a real tiny campaign: rates, captions, frames, worst blocks, and what is missing."""

import json
import math
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from programs import DEAD_ZONE, WASTEFUL

from labkit import view
from labkit.anchors import ANCHORS, encode
from labkit.campaign import Campaign
from labkit.candidate import Candidate
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.metrics import worst_block
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.settings import make_settings
from labkit.view import decoded, frames
from labkit.view.decoded import Coder, Decoded, FrameShelf
from labkit.view.lane import Lane
from labkit.view.presence import attended
from labkit.view.viewer import FrameViewer

CLIP = "pan <i>$1$ & _more"
WIDTH, HEIGHT, FRAMES = 100, 70, 3


class Listed(Proposer):
    """Proposes the given sources one after the other."""

    name = "a list"

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        source = next(s for s in (DEAD_ZONE, WASTEFUL) if Candidate(s).hash not in brief.tried)
        return Proposal(Candidate(source, self.name, "fewer small levels", brief.champion_hash))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """Two versions and a rejected candidate whose bitstreams are kept; one anchor, one clip of odd blocks."""
    folder = tmp_path_factory.mktemp("viewer")
    clip = synthetic_clip("photo_pan", WIDTH, HEIGHT, frames=FRAMES)
    write_y4m(folder / f"{CLIP}.y4m", (clip.frame(i) for i in range(FRAMES)), WIDTH, HEIGHT, clip.fps)
    asked: dict[str, Any] = {"clips": [str(folder / f"{CLIP}.y4m")], "anchors": ["x265-medium"], "generations": 2}
    asked |= {
        "rule": {"kind": "bd_rate", "min_gain_pct": 1.0},
        "early_stop": False,
        "held_out": ["none"],
        "candidates": 1,
    }
    with Campaign.start(folder / "runs" / "tiny", make_settings(asked, "test"), Listed()) as campaign:
        for number in range(3):
            campaign.generation(number)
    return folder / "runs" / "tiny"


@pytest.fixture
def campaign(recorded: Path) -> Iterator[Campaign]:
    with Campaign.open(recorded) as campaign:
        yield campaign


@pytest.fixture
def copied(recorded: Path, tmp_path: Path) -> Iterator[Campaign]:
    """A copy whose files a test may take away."""
    shutil.copytree(recorded, tmp_path / "copy")
    with Campaign.open(tmp_path / "copy") as campaign:
        yield campaign


@pytest.fixture
def shelf(campaign: Campaign) -> Iterator[FrameShelf]:
    shelf = FrameShelf(campaign)
    yield shelf
    for coder in decoded.coders(campaign):
        shelf.rest(coder)


def version(campaign: Campaign, number: int) -> Coder:
    return next(c for c in decoded.coders(campaign) if c.entry and c.entry.version == number)


def chosen(viewer: FrameViewer, **asked: object) -> dict[str, Any]:
    start = viewer.menu()["start"]
    return viewer.answer({"ask": "choice", "clip": CLIP, **start, **asked})[0]


def panel(told: dict[str, Any], role: str) -> dict[str, Any]:
    return next(panel for panel in told["panels"] if panel["role"] == role)


# --- who is shown, and at which rate ------------------------------------------------------------------------


def test_versions_and_kept_candidates_can_be_picked_the_newest_first(campaign: Campaign) -> None:
    menu = FrameViewer(campaign).menu()
    assert [one["label"] for one in menu["coders"]] == ["candidate 2", "champion v1", "v0"]
    assert [one["key"] for one in menu["anchors"]] == ["x265-medium"]
    assert menu["start"] == {"coder": "1", "against": "2", "anchor": "x265-medium", "qp": 32}
    assert menu["clips"] == [{"key": CLIP, "label": CLIP}]


def test_a_viewer_begins_with_the_candidate_it_is_given(campaign: Campaign) -> None:
    start = view.explore_frames(campaign, campaign.entry(0)).menu()["start"]
    assert (start["coder"], start["against"]) == ("0", "1"), "the champion is its rival"


def test_the_nearest_rate_is_nearest_by_ratio(campaign: Campaign) -> None:
    point = version(campaign, 0).points[0]
    points = [replace(point, rate_kbps=rate) for rate in (100.0, 390.0)]
    found = decoded.at_rate(points, 200.0)
    assert found is not None
    assert found.rate_kbps == 390.0, "95 % more is nearer than half, though 190 kbps are more than 100"
    assert decoded.at_rate([], 200.0) is None


def test_every_other_coder_is_shown_at_the_nearest_recorded_rate(campaign: Campaign) -> None:
    told = chosen(FrameViewer(campaign), coder="1", against="0", qp=37)
    rate = next(p.rate_kbps for p in version(campaign, 1).points if p.qp == 37)
    anchors = next(c for c in decoded.real_encoders(campaign) if c.key == "x265-medium")
    for role, coder in (("against", version(campaign, 0)), ("anchor", anchors)):
        distances = {p.qp: abs(math.log(p.rate_kbps / rate)) for p in coder.points}
        nearest = min(distances, key=lambda qp: distances[qp])
        assert panel(told, role)["key"] == f"{coder.key} {nearest} {CLIP}"
    assert told["qp"] == 37
    assert sorted(told["qps"]) == [22, 27, 32, 37]


def test_captions_tell_both_rates_bytes_and_psnr(campaign: Campaign) -> None:
    told = chosen(FrameViewer(campaign), coder="1", against="0", qp=32)
    ours = next(p for p in version(campaign, 1).points if p.qp == 32)
    assert panel(told, "coder")["caption"] == (
        f"QP 32 · {ours.rate_kbps:,.1f} kbps · {ours.bytes:,} bytes · PSNR-Y {ours.psnr_y_db:.2f} dB"
    )
    shown = panel(told, "anchor")["caption"]
    assert shown.startswith("CRF ")
    assert f"against champion v1's {ours.rate_kbps:,.1f}" in shown


def test_a_rate_that_is_not_near_is_not_called_equal(campaign: Campaign) -> None:
    told = chosen(FrameViewer(campaign), coder="0", against="1", qp=22)
    near = next(p for p in version(campaign, 0).points if p.qp == 22)
    best = decoded.at_rate(next(iter(decoded.real_encoders(campaign))).points, near.rate_kbps)
    assert best is not None
    assert abs(best.rate_kbps / near.rate_kbps - 1) > 0.1, "x265 needs far less than the starting program at its best"
    assert "no nearer one was recorded" in panel(told, "anchor")["caption"]


def test_the_strip_holds_the_recorded_bits_and_psnr_of_every_frame(campaign: Campaign) -> None:
    told = chosen(FrameViewer(campaign), coder="1", qp=27)
    point = next(p for p in version(campaign, 1).points if p.qp == 27)
    shown = panel(told, "coder")
    assert shown["bits"] == [8 * size for size in point.frame_bytes]
    assert shown["psnr"] == [round(value, 3) for value in point.frame_psnr_y_db]
    worst = [one["frame"] for one in told["worst"]]
    assert worst == sorted(range(FRAMES), key=lambda index: point.frame_psnr_y_db[index])
    json.dumps(told, allow_nan=False)


def test_a_lossless_frame_is_told_in_json(campaign: Campaign) -> None:
    viewer = FrameViewer(campaign)
    coder = version(campaign, 1)
    point = replace(coder.points[0], psnr_y_db=math.inf, frame_psnr_y_db=(math.inf, 40.0, 41.0), frame_bytes=(9,))
    shown = viewer._panel("coder", coder, point, None)
    assert shown["psnr"] == [None, 40.0, 41.0]
    assert "luma lossless" in shown["caption"]
    assert shown["bits"] == [72], "one number for a codec of whole clips: the strip says so"
    json.dumps(shown, allow_nan=False)


# --- frames ---------------------------------------------------------------------------------------------------


def test_a_versions_frames_are_those_that_were_measured(campaign: Campaign, shelf: FrameShelf) -> None:
    coder, (clip,) = version(campaign, 1), campaign.clips
    point = next(p for p in coder.points if p.qp == 32)
    assert shelf.ready(coder, point) is None
    found = shelf.decode(coder, point)
    assert isinstance(found, Decoded)
    assert found.remark == ""
    errors = [np.mean(np.square(f[0].astype(float) - clip.frame(i)[0])) for i, f in enumerate(found.frames)]
    assert [10 * np.log10(255**2 / error) for error in errors] == pytest.approx(point.frame_psnr_y_db)
    assert shelf.ready(coder, point) is found, "decoded once"
    kept = shelf.picture(coder, point, FRAMES // 2)
    assert kept is not None
    assert all(np.array_equal(*planes) for planes in zip(kept, found.frames[FRAMES // 2], strict=True))
    assert shelf.picture(coder, point, 0) is None


def test_an_anchor_is_encoded_again_to_the_recorded_bytes(campaign: Campaign, shelf: FrameShelf) -> None:
    (coder,) = decoded.real_encoders(campaign)
    point = coder.on(CLIP)[0]
    found = shelf.decode(coder, point)
    assert isinstance(found, Decoded)
    assert found.remark == ""
    assert len(found.frames) == FRAMES
    (clip,) = campaign.clips
    stream = encode(ANCHORS["x265-medium"], clip, point.qp)
    other = replace(point, bitstream_sha256="0" * 64, bytes=stream.size + 1, qp=point.qp)
    told = FrameShelf(campaign).decode(coder, other)
    assert isinstance(told, Decoded)
    expected = f"encoded again by another build: {stream.size:,} bytes, recorded were {stream.size + 1:,}"
    assert told.remark == expected


def test_other_samples_than_the_measured_ones_are_told(campaign: Campaign, shelf: FrameShelf) -> None:
    coder = version(campaign, 1)
    point = replace(coder.points[0], frame_hashes=("0" * 16,) * FRAMES)
    found = shelf.decode(coder, point)
    assert isinstance(found, Decoded)
    assert "other samples" in found.remark


def test_a_picture_is_a_png_in_colour_and_the_exact_luma(campaign: Campaign) -> None:
    (clip,) = campaign.clips
    told, (png, luma) = FrameViewer(campaign).answer({"ask": "picture", "key": f"original {CLIP}", "index": 1})
    assert (told["tell"], told["index"], told["width"], told["height"]) == ("picture", 1, WIDTH, HEIGHT)
    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.array_equal(shown, frames.to_rgb(clip.frame(1), clip.matrix))
    assert np.array_equal(np.frombuffer(luma, np.uint8).reshape(HEIGHT, WIDTH), clip.frame(1)[0])


def test_what_is_not_decoded_yet_is_told_when_it_is(campaign: Campaign) -> None:
    viewer, heard, done = FrameViewer(campaign), [], threading.Event()

    def hear(told: tuple[dict[str, Any], list[bytes]]) -> None:
        heard.append(told[0])
        done.set()

    viewer.tell = hear
    key = panel(chosen(viewer), "coder")["key"]
    assert viewer.picture(key, 1)[0]["tell"] == "picture", "the frame that the evaluation left stands at once"
    assert viewer.picture(key, 0)[0] == {"tell": "waiting", "key": key, "index": 0}
    assert done.wait(60)
    assert (heard[0]["tell"], heard[0]["key"]) == ("decoded", key)
    assert viewer.picture(key, 0)[0]["tell"] == "picture"
    viewer.close()


# --- where it is worst ----------------------------------------------------------------------------------------


def test_the_worst_blocks_are_found_at_their_place() -> None:
    clip = synthetic_clip("shapes", WIDTH, HEIGHT, frames=FRAMES)
    copies = [tuple(plane.copy() for plane in clip.frame(i)) for i in range(FRAMES)]
    copies[2][0][48:64, 32:48] ^= 64
    copies[1][0][-1, -1] ^= 8  # in the last block, which ends at the edge
    found = decoded.worst_blocks(clip, copies, 8)  # type: ignore[arg-type]
    assert (found[0].frame, found[0].x, found[0].y) == (2, 32, 48)
    edge = [(block.frame, block.x, block.y) for block in found if block.frame == 1]
    assert edge == [(1, WIDTH - 16, HEIGHT - 16)]
    assert found[0].psnr_y_db == pytest.approx(10 * np.log10(255**2 / 64**2))


def test_the_worst_block_is_the_one_that_the_metric_found(campaign: Campaign, shelf: FrameShelf) -> None:
    coder, (clip,) = version(campaign, 1), campaign.clips
    for point in coder.points[:2]:
        found = shelf.decode(coder, point)
        assert isinstance(found, Decoded)
        first = decoded.worst_blocks(clip, found.frames, 1)[0]
        assert first.psnr_y_db == pytest.approx(point.worst_block_db)
        assert first.psnr_y_db == pytest.approx(worst_block(clip.frame(first.frame)[0], found.frames[first.frame][0]))


def test_a_lossless_clip_has_no_worst_block() -> None:
    clip = synthetic_clip("shapes", 32, 32, frames=2)
    assert decoded.worst_blocks(clip, [clip.frame(0), clip.frame(1)], 4) == []


# --- what is missing is said in one line ------------------------------------------------------------------------


def one_line(told: dict[str, Any]) -> str:
    assert told["tell"] == "missing"
    assert "\n" not in told["line"]
    assert "Traceback" not in told["line"]
    return str(told["line"])


def test_a_container_that_is_gone_or_changed(copied: Campaign) -> None:
    viewer = FrameViewer(copied)
    told = chosen(viewer, coder="1", qp=22)
    path = copied.keep(1).path(CLIP, 22, ".lkv")
    key = panel(told, "coder")["key"]
    path.unlink()
    assert "is not kept: the figures stand, the pictures are gone" in one_line(viewer.decode(key)[0])
    other = panel(chosen(viewer, coder="1", qp=37), "coder")["key"]
    damaged = copied.keep(1).path(CLIP, 37, ".lkv")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert "is not what was measured: it has" in one_line(viewer.decode(other)[0])
    assert panel(chosen(viewer, coder="1", qp=22), "coder")["missing"], "known from now on"
    assert viewer.answer({"ask": "picture", "key": f"original {CLIP}", "index": 0})[0]["tell"] == "picture"


def test_a_program_that_no_longer_runs(campaign: Campaign, shelf: FrameShelf) -> None:
    coder = version(campaign, 1)
    assert coder.entry is not None
    for source, told in (("import no_such_module\n", "ModuleNotFoundError"), ("def (", "SyntaxError")):
        broken = replace(coder, entry=replace(coder.entry, candidate=Candidate(source)))
        found = FrameShelf(campaign).decode(broken, broken.points[0])
        assert isinstance(found, str)
        assert found.startswith("it was decoded before and fails now: ")
        assert told in found
        assert "\n" not in found


def test_a_clip_that_was_moved_leaves_the_versions_pictures(copied: Campaign, recorded: Path) -> None:
    source = recorded.parents[1] / f"{CLIP}.y4m"
    away = source.rename(source.with_suffix(".away"))
    try:
        viewer = FrameViewer(copied)
        told = chosen(viewer)
        assert "the original cannot be read" in panel(told, "original")["missing"]
        assert "\n" not in panel(told, "original")["missing"]
        one_line(viewer.answer({"ask": "picture", "key": f"original {CLIP}", "index": 0})[0])
        ours = panel(told, "coder")["key"]
        assert viewer.decode(ours)[0] == {"tell": "decoded", "key": ours, "remark": "", "blocks": []}
        assert viewer.answer({"ask": "picture", "key": ours, "index": 2})[0]["tell"] == "picture"
        assert "cannot be encoded again" in one_line(viewer.decode(panel(told, "anchor")["key"])[0])
        viewer.shelf.rest(version(copied, 1))
    finally:
        away.rename(source)


def test_a_campaign_without_a_measured_candidate_shows_its_originals(recorded: Path, tmp_path: Path) -> None:
    settings = make_settings({"clips": [str(recorded.parents[1] / f"{CLIP}.y4m")], "held_out": ["none"]}, "new")
    with Campaign.start(tmp_path / "new", settings, Listed()) as campaign:
        assert FrameViewer(campaign).menu()["clips"] == [], "it has not begun: the browser says so"
        assert [clip.name for clip in campaign.clips] == [CLIP]
        menu = FrameViewer(campaign).menu()
        assert menu["line"] == "No candidate is measured yet: the originals are all there is."
        told = chosen(FrameViewer(campaign))
        assert [one["role"] for one in told["panels"]] == ["original"]
        assert told["qp"] is None


def test_texts_from_anywhere_are_one_printable_line() -> None:
    assert decoded.one_line("a\nb\x1b[31m\u202e <b>") == "a b\\x1b[31m\\u202e <b>"
    assert len(decoded.one_line("x" * 9000)) < 500


def test_what_the_viewer_does_not_know_is_a_mistake_of_ours(campaign: Campaign) -> None:
    with pytest.raises(ValueError, match="it knows menu, choice and picture"):
        FrameViewer(campaign).answer({"ask": "money"})


# --- the widget -----------------------------------------------------------------------------------------------


def test_without_a_person_there_is_a_line_and_no_hole(campaign: Campaign) -> None:
    assert not attended()
    bundle = view.explore_frames(campaign)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "view.show_frames" in bundle["text/html"]


def test_the_widget_carries_its_script_and_answers(campaign: Campaign) -> None:
    viewer = view.explore_frames(campaign)
    widget = viewer.widget
    assert "lab-frames" in widget._dom_classes
    assert "export default" in widget._esm
    assert "innerHTML" not in widget._esm, "texts of candidates enter the page as texts"
    assert "http" not in widget._esm.replace("http://www.w3.org/2000/svg", ""), "no request"
    assert widget.view()["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    widget.close()


def test_a_lane_does_a_waiting_piece_once_forgets_and_rests() -> None:
    done: list[str] = []
    gate, rested = threading.Event(), threading.Event()

    def work(word: str) -> None:
        gate.wait(10)
        done.append(word)

    lane = Lane(work, rested.set)
    lane.put("first")
    while lane._waiting:
        time.sleep(0.01)
    lane.put("forgotten")
    lane.clear()
    lane.put("second")
    lane.put("second")
    lane.leave()
    assert not rested.is_set()
    gate.set()
    assert rested.wait(10)
    assert done == ["first", "second"]
    lane.put("third")
    lane.leave()
    deadline = time.monotonic() + 10
    while len(done) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert done == ["first", "second", "third"]
