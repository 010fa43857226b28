"""The cache of rate points: nothing is coded twice, and nothing is believed that does not agree with itself."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from programs import RAW

from labkit.candidate import Candidate, Check, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import LabkitError
from labkit.evaluate import Keep, PointShelf, evaluate
from labkit.evaluate.measure import Measured
from labkit.evaluate.shelf import LASTING
from labkit.jail import Level, Limits, choose
from labkit.rd import RDPoint

CODEC = Candidate(RAW)
QPS = (22, 37)
DECODER = "def decompress_video_frame(data, frame_index, config):\n"


def noise(name: str = "noise", seed: int = 7, frames: int = 4) -> Clip:
    samples = np.random.default_rng(seed).integers(0, 256, (frames, 32 * 16 * 3 // 2), dtype=np.uint8)
    return Clip(name, samples, 32, 16, Fraction(25))


class Told(list[str]):
    """Called as progress; keeps the texts."""

    def __call__(self, done: int, total: int, what: str) -> None:
        self.append(what)


def run(shelf: PointShelf | None, candidate: Candidate = CODEC, qps: Sequence[int] = QPS, **more: object) -> Evaluation:
    clip = more.pop("clip", noise())
    return evaluate(candidate, [clip], qps, shelf=shelf, **more)


@pytest.fixture
def shelf(tmp_path: Path) -> PointShelf:
    return PointShelf(tmp_path / "points")


def files(shelf: PointShelf) -> list[Path]:
    return sorted(path for path in shelf.folder.rglob("*") if path.is_file())


# --- what hits and what misses -----------------------------------------------------------------------------


def test_a_second_run_costs_no_cpu_second_of_the_candidate_and_gives_the_same_points(shelf: PointShelf) -> None:
    first, told = run(shelf), Told()
    second = run(shelf, progress=told)
    assert (first.cached, second.cached) == (0, 2)
    assert first.cpu_s > 0
    assert second.cpu_s == 0
    assert second.points == first.points  # bit by bit, times and infinite PSNR included
    assert second.points[0].psnr_db == float("inf")
    assert not [what for what in told if "loading" in what or "smoke" in what]
    assert second.isolation == first.isolation


def test_a_further_qp_costs_only_itself(shelf: PointShelf) -> None:
    first = run(shelf)
    more = run(shelf, qps=(22, 32, 37))
    assert (more.cached, len(more.points)) == (2, 3)
    assert [p for p in more.points if p.qp != 32] == list(first.points)
    assert more.cpu_s > 0


@pytest.mark.parametrize(
    "change",
    [
        {"qps": (30, 31)},
        {"clip": noise(seed=8)},
        {"clip": replace(noise(), fps=Fraction(30))},
        {"limits": Limits(memory_mib=512)},
        {"candidate": Candidate(RAW + "# touched\n")},
    ],
    ids=["QP", "clip", "fps", "limits", "source"],
)
def test_whatever_decides_a_point_is_part_of_its_key(shelf: PointShelf, change: dict[str, object]) -> None:
    run(shelf)
    assert run(shelf, **change).cached == 0


def test_another_wall_is_another_key(shelf: PointShelf) -> None:
    run(shelf)
    assert shelf.drawer(CODEC, Limits(), choose()).holds(noise(), 22)
    assert not shelf.drawer(CODEC, Limits(), Level.NONE).holds(noise(), 22)


def test_the_key_names_versions_and_machine_and_the_text_that_measures(shelf: PointShelf) -> None:
    run(shelf)
    key = json.loads(files(shelf)[0].read_bytes().partition(b"\n")[0])["key"]
    assert key["libraries"]["numpy"] == np.__version__
    assert set(key["libraries"]) == {"numpy", "opencv-python-headless", "scipy", "numba", "constriction", "torch"}
    assert len(key["labkit"]) == 64
    assert os.uname().machine in key["machine"]


def test_the_same_video_under_another_name_is_the_same_video(shelf: PointShelf) -> None:
    first, second = run(shelf), run(shelf, clip=noise("renamed"))
    assert second.cached == 2
    assert [replace(point, clip="noise") for point in second.points] == list(first.points)


def test_a_proof_ends_it_after_the_same_point_with_and_without_the_shelf(shelf: PointShelf) -> None:
    def hopeless(points: Sequence[RDPoint]) -> str:
        return "enough" if len(points) == 2 else ""

    run(shelf, qps=(22, 27, 32, 37))
    found = run(shelf, qps=(22, 27, 32, 37), hopeless=hopeless)
    assert (found.cached, found.stopped, [p.qp for p in found.points]) == (2, "enough", [22, 37])


# --- failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "raise ValueError('never')\n" + RAW,
        RAW.replace(DECODER, DECODER + "    raise ValueError('never')\n"),
        RAW.replace(DECODER, DECODER + "    if config['frame_count'] > 3: raise ValueError('never')\n"),
    ],
    ids=["loading", "smoke run", "a clip"],
)
def test_a_failure_that_would_come_again_is_kept(shelf: PointShelf, source: str, tmp_path: Path) -> None:
    first = run(shelf, Candidate(source), keep=Keep(tmp_path / "first"))
    second = run(shelf, Candidate(source), keep=Keep(tmp_path / "second"))
    assert first.failure is not None
    assert first.failure.kind is FailureKind.RAISED
    assert second.failure == first.failure
    assert (second.cpu_s, second.cached, second.points) == (0, 0, ())
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failure_that_the_machine_may_have_caused_is_not_kept(shelf: PointShelf, kind: FailureKind) -> None:
    drawer, clip = shelf.drawer(CODEC, Limits(), choose()), noise()
    failure = Failure(Stage.ENCODE, kind, "so it was\nline 3", clip.name, 22, 1, "printed", 3)
    drawer.put(clip, 22, Measured(failure))
    found = drawer.find(clip, 22)
    assert (found is not None) == (kind in LASTING)
    assert found is None or found.measured.outcome == failure
    for never in (FailureKind.TIMED_OUT, FailureKind.OUT_OF_MEMORY, FailureKind.CRASHED):
        assert never not in LASTING


# --- what is not believed ----------------------------------------------------------------------------------


def edited(data: bytes, change: Callable[[dict[str, object]], object], seal: bool = False) -> bytes:
    """Change the line of JSON; sealed again as someone would who has read the source."""
    line, _, body = data.partition(b"\n")
    head = json.loads(line)
    change(head)
    if seal:
        del head["sha256"]
        head["sha256"] = hashlib.sha256(json.dumps(head, sort_keys=True).encode() + body).hexdigest()
    return json.dumps(head, sort_keys=True).encode() + b"\n" + body


TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "garbage": lambda data: bytes(range(256)),
    "cut": lambda data: data[:-20],
    "longer": lambda data: data + b"x",
    "container": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "nested": lambda data: b"[" * 100_000,
    "no object": lambda data: b"[]\n" + data.partition(b"\n")[2],
    "PSNR": lambda data: edited(data, lambda head: head["outcome"].update(psnr_db=99.0)),
    "bytes": lambda data: edited(data, lambda head: head["outcome"].update(bytes=5), seal=True),
    "rate": lambda data: edited(data, lambda head: head["outcome"].update(rate_kbps=1.0), seal=True),
    "hash": lambda data: edited(data, lambda head: head["outcome"].update(bitstream_sha256="0"), seal=True),
    "candidate": lambda data: edited(data, lambda head: head["outcome"].update(candidate="0"), seal=True),
    "field": lambda data: edited(data, lambda head: head["outcome"].pop("ssim"), seal=True),
    "kind": lambda data: edited(data, lambda head: head.update(kind="failure"), seal=True),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_file_that_was_changed_is_measured_again(
    name: str, shelf: PointShelf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (point,) = run(shelf, qps=(22,)).points
    drawer, (path,) = shelf.drawer(CODEC, Limits(), choose()), files(shelf)
    found = drawer.find(noise(), 22)
    assert found is not None
    assert found.measured.outcome == point
    assert caplog.text == ""
    path.write_bytes(TAMPERED[name](path.read_bytes()))
    assert drawer.find(noise(), 22) is None
    assert f"{path} is no use" in caplog.text


def test_the_file_of_another_point_answers_no_question_but_its_own(
    shelf: PointShelf, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(shelf)
    one, other = (path for path in files(shelf) if path.suffix == ".point")
    data = one.read_bytes(), other.read_bytes()
    one.write_bytes(data[1])
    other.write_bytes(data[0])
    second = run(shelf)
    assert second.cached == 0
    assert caplog.text.count("made for something else") == 2
    assert [p.bitstream_sha256 for p in second.points] == [p.bitstream_sha256 for p in first.points]
    assert run(shelf).cached == 2


# --- files -------------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_kept_folder_is_the_same_as_after_a_real_run(shelf: PointShelf, tmp_path: Path) -> None:
    run(None, keep=Keep(tmp_path / "real", picture_qp=37))
    run(shelf, keep=Keep(tmp_path / "first", picture_qp=37))
    found = run(shelf, keep=Keep(tmp_path / "second", picture_qp=37))
    assert found.cached == 2
    assert set(contents(tmp_path / "real")) == {"noise-qp22.lkv", "noise-qp37.lkv", "noise-qp37.npz"}
    assert contents(tmp_path / "real") == contents(tmp_path / "first") == contents(tmp_path / "second")


def test_a_picture_that_was_not_made_is_made(shelf: PointShelf, tmp_path: Path) -> None:
    run(shelf)
    found = run(shelf, keep=Keep(tmp_path / "kept", picture_qp=22))
    assert found.cached == 1
    assert "noise-qp22.npz" in contents(tmp_path / "kept")
    assert run(shelf, keep=Keep(tmp_path / "kept", picture_qp=22)).cached == 2


def test_decoded_video_is_decoded_again(shelf: PointShelf, tmp_path: Path) -> None:
    run(shelf)
    assert run(shelf, keep=Keep(tmp_path / "kept", y4m=True)).cached == 0
    assert sorted(contents(tmp_path / "kept")) == [f"noise-qp{qp}{end}" for qp in QPS for end in (".lkv", ".y4m")]


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    roomy = PointShelf(tmp_path)
    run(roomy, qps=(20, 21, 22))
    size = sum(path.stat().st_size for path in files(roomy))
    for age, qp in enumerate((20, 21, 22)):
        os.utime(path_of(roomy, qp), ns=(age, age))
    assert run(roomy, qps=(20,)).cached == 1  # used now
    PointShelf(tmp_path, limit_bytes=size - 1).tidy()
    drawer = roomy.drawer(CODEC, Limits(), choose())
    assert [qp for qp in (20, 21, 22) if drawer.holds(noise(), qp)] == [20, 22]


def path_of(shelf: PointShelf, qp: int) -> Path:
    heads = {path: json.loads(path.read_bytes().partition(b"\n")[0]) for path in files(shelf)}
    (path,) = (path for path, head in heads.items() if head["key"]["qp"] == qp)
    return path


def test_an_evaluation_leaves_the_shelf_within_its_limit_and_no_part_of_a_file(tmp_path: Path) -> None:
    small = PointShelf(tmp_path, limit_bytes=10_000)
    run(small, qps=(20, 21, 22, 23))
    assert 0 < sum(path.stat().st_size for path in files(small)) <= 10_000
    assert {path.suffix for path in files(small)} == {".point"}


def test_a_shelf_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LabkitError, match="choose a folder you may write to"):
        run(PointShelf(tmp_path / "file"))


def test_a_passed_check_is_kept_with_what_made_it(tmp_path: Path) -> None:
    drawer = PointShelf(tmp_path).drawer(CODEC, Limits(), choose())
    drawer.put_check(Check("robustness", True, "stood it"), ())
    assert drawer.find_check("robustness", ()) == Check("robustness", True, "stood it")
    (path,) = tmp_path.rglob("*.check")
    assert len(json.loads(path.read_bytes())["key"]["made_by"]) == 64  # the text of the checks: a stricter one is made
