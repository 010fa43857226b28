"""Canaries: known programs come out with their known numbers, cheats lose; and a lab at fault is noticed."""

import math
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from labkit.canaries import QP, Canary, canary_clip, must_all_pass, sing
from labkit.canaries.choir import PROGRAMS
from labkit.candidate import Failure
from labkit.clip import Clip
from labkit.container import Container, Form
from labkit.errors import CampaignError, JailError
from labkit.evaluate import Keep, measure
from labkit.jail import Level, Nursery, Wall, available_levels, choose
from labkit.policy import check
from labkit.rd import RDPoint

KNOWN = ("raw copy", "intra dct", "grey")
CHEATS = ("stash", "clip from disk", "forged reply", "changed input", "lying report", "lying length")
WALL = Wall(choose())


def by_name(canaries: list[Canary]) -> dict[str, Canary]:
    return {canary.name: canary for canary in canaries}


def failed(canaries: list[Canary]) -> set[str]:
    return {canary.name for canary in canaries if not canary.passed}


# --- where the lab is sound -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [Level.SEALED, pytest.param(Level.FILTERED, marks=pytest.mark.slow)])
def test_every_canary_passes_behind_the_wall(level: Level) -> None:
    if level not in available_levels():
        pytest.skip(f"isolation {level} does not stand on this machine: `labkit doctor` says why")
    canaries = sing(Wall(level))
    assert [canary.name for canary in canaries] == [*KNOWN, *CHEATS, "all differ"]
    assert failed(canaries) == set(), canaries
    must_all_pass(canaries)
    assert {path.stem.replace("_", " ") for path in PROGRAMS.glob("*.py")} == {*KNOWN, *CHEATS}


@pytest.fixture(scope="module")
def sung() -> dict[str, Canary]:
    return by_name(sing(WALL))


def test_the_raw_copy_has_the_bytes_that_the_container_has_by_its_parts(sung: dict[str, Canary]) -> None:
    clip = canary_clip()
    container = Container.for_clip(clip, QP, Form.FRAME, tuple(row.tobytes() for row in clip.data))
    assert len(container.data) == 22 + 3 * (2 + 64 * 48 * 3 // 2) == 13852
    assert sung["raw copy"].came == sung["raw copy"].expected == "13,852 bytes, lossless"
    assert sung["lying report"].came == "13,852 bytes, lossless"


def flat_db(value: int) -> float:
    """The PSNR of a flat picture, sample by sample in Python's own numbers."""
    samples = canary_clip().data.ravel().tolist()
    return 10 * math.log10(255 * 255 * len(samples) / sum((sample - value) ** 2 for sample in samples))


def test_grey_and_black_have_the_psnr_of_the_closed_form(sung: dict[str, Canary]) -> None:
    assert sung["grey"].came == f"25 bytes, {flat_db(128):.3f} dB"
    assert sung["stash"].came == sung["clip from disk"].came == f"28 bytes, {flat_db(128):.3f} dB"
    assert sung["changed input"].came == f"25 bytes, {flat_db(0):.3f} dB"
    assert flat_db(128) - flat_db(0) > 5


def test_the_intra_codec_is_its_program_run_here(sung: dict[str, Canary]) -> None:
    point = naive_point((PROGRAMS / "intra_dct.py").read_text(), canary_clip(), QP)
    assert sung["intra dct"].came == f"{point.bytes:,} bytes, {point.psnr_db:.3f} dB"
    assert sung["intra dct"].expected == "3,712 bytes, 31.443 dB (give or take 12 bytes, 0.02 dB)"


def test_the_clip_is_the_same_on_every_machine() -> None:
    clip = canary_clip()
    assert clip.hash == "fb411580d5ce928b4ce35cf57a890f5e480f3f41605a76f5e511b2de89c5cc90"
    assert len({row.tobytes() for row in clip.data}) == len(clip)
    clip.data[:] = 0
    assert canary_clip().data.any()  # each canary gets its own


def test_the_programs_are_text_and_the_static_check_does_not_stand_in_for_the_wall(sung: dict[str, Canary]) -> None:
    assert not [name for name in sys.modules if name.startswith("labkit.canaries.programs")]
    refused = {path.stem for path in PROGRAMS.glob("*.py") if check(path.read_text())}
    assert refused == {"stash", "clip_from_disk", "forged_reply"}
    assert "BrokenError" not in str(sung)
    assert "refused" not in str(sung)


def test_it_gives_up_when_the_lab_stops() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(JailError):
        sing(WALL, stop=stop)


# --- where it is not ------------------------------------------------------------------------------------------


def test_where_there_is_no_wall_the_cheats_that_only_it_holds_win() -> None:
    canaries = sing(Wall(Level.NONE))
    assert failed(canaries) == {"stash", "clip from disk"}
    assert by_name(canaries)["stash"].came == "28 bytes, lossless"
    assert by_name(canaries)["clip from disk"].came == "28 bytes, lossless"
    with pytest.raises(CampaignError) as told:
        must_all_pass(canaries)
    assert "canary 'stash': 28 bytes, lossless; expected 28 bytes, 16.6" in str(told.value)
    assert "canary 'clip from disk'" in str(told.value)
    assert "\n" not in str(told.value)
    must_all_pass(canaries, fenced=False)  # asked for without a wall: said, recorded, and let through


def test_without_a_wall_all_else_must_still_pass() -> None:
    wrong = Canary("raw copy", "13,852 bytes", "13,851 bytes", passed=False)
    with pytest.raises(CampaignError, match="raw copy"):
        must_all_pass([wrong], fenced=False)


SLOW = pytest.mark.slow
LOSSY = {"grey", "stash", "clip from disk", "changed input"}
"""Canaries whose picture is flat; their figures are exact."""
SIZED = {"raw copy", "lying report", *LOSSY}
Wrong = Callable[[RDPoint], RDPoint]


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        pytest.param(lambda p: replace(p, bytes=p.bytes - 1), SIZED, id="a byte short"),
        pytest.param(lambda p: replace(p, bytes=round(dict(p.reported).get("bytes", p.bytes))), {"lying report"},
                     id="believes reports"),
        pytest.param(lambda p: replace(p, bytes=13852, psnr_db=math.inf), {"intra dct", *LOSSY, "all differ"},
                     id="one answer for all"),
        pytest.param(lambda p: replace(p, bytes=p.bytes - 22), {"intra dct", *SIZED}, id="no header", marks=SLOW),
        pytest.param(lambda p: replace(p, psnr_db=p.psnr_db + 0.1), {"intra dct", *LOSSY}, id="too kind", marks=SLOW),
        pytest.param(lambda p: replace(p, psnr_db=min(p.psnr_db, 99.0)), {"raw copy", "lying report"},
                     id="a cap on PSNR", marks=SLOW),
        pytest.param(lambda p: replace(p, bytes=25), {"raw copy", "intra dct", "stash", "clip from disk",
                                                      "lying report", "all differ"}, id="one size", marks=SLOW),
    ],
)  # fmt: skip
def test_a_scorer_at_fault_is_noticed(wrong: Wrong, names: set[str]) -> None:
    def measured(nursery: Nursery, clip: Clip, qp: int, keep: Keep | None) -> RDPoint | Failure:
        outcome = measure(nursery, clip, qp, keep)
        return outcome if isinstance(outcome, Failure) else wrong(outcome)

    canaries = sing(WALL, measured=measured)
    assert failed(canaries) == names, canaries
    with pytest.raises(CampaignError):
        must_all_pass(canaries)


def naive_point(source: str, clip: Clip, qp: int) -> RDPoint:
    """Measure in one process, on the very arrays that the encoder was given, believing lengths: a broken lab."""
    module = types.ModuleType("naive")
    exec(compile(source, "naive", "exec"), module.__dict__)
    config = {"qp": qp, "width": clip.width, "height": clip.height, "fps": 25.0, "frame_count": len(clip)}
    size, error = 22, 0
    for index in range(len(clip)):
        payload = module.compress_video_frame(clip.frame(index), index, config | {"report": {}})
        size += len(payload) + (1 if len(payload) < 128 else 2)
        decoded = module.decompress_video_frame(payload, index, config)
        error += sum(int(np.square(a.astype(int) - b).sum()) for a, b in zip(clip.frame(index), decoded, strict=True))
    psnr_db = 10 * math.log10(255**2 * clip.data.size / error) if error else math.inf
    return RDPoint(clip.name, "", qp, size, 0.0, psnr_db, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "", "")


BELIEVES_THE_FIRST = """
import os, sys
import numpy as np
program, (height, width) = {}, (48, 64)
exec(sys.stdin.read(), program)
half = np.zeros((height // 2, width // 2), np.uint8)
payload = program["compress_video_frame"]((np.zeros((height, width), np.uint8), half, half), 0, {})
os.write(int(sys.argv[1]), b"P" + len(payload).to_bytes(8, "little") + payload)
"""


def first_reply_bytes(source: str) -> int:
    """Return the size that a lab would record that takes the first reply it reads for the encoder's."""
    ours, theirs = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-c", BELIEVES_THE_FIRST, str(theirs)],
            input=source.encode(), pass_fds=[theirs], check=True, capture_output=True,
        )  # fmt: skip
        head = os.read(ours, 9)
        return int.from_bytes(head[1:], "little")
    finally:
        os.close(ours)
        os.close(theirs)


def test_in_a_lab_of_one_process_every_cheat_wins_and_every_cheat_is_noticed() -> None:
    def measured(nursery: Nursery, clip: Clip, qp: int, keep: Keep | None) -> RDPoint | Failure:
        source = nursery.candidate.source
        if "REPLY" in source:  # it writes to every pipe of its process: in one of its own
            point = naive_point((PROGRAMS / "raw_copy.py").read_text(), clip, qp)
            return replace(point, bytes=22 + 3 * (1 + first_reply_bytes(source)))
        return naive_point(source, clip, qp)

    canaries = sing(WALL, measured=measured)
    assert failed(canaries) == {"stash", "clip from disk", "forged reply", "changed input", "lying length"}
    came = {name: canary.came for name, canary in by_name(canaries).items()}
    assert came["stash"] == came["clip from disk"] == came["forged reply"] == "28 bytes, lossless"
    assert came["changed input"] == came["lying length"] == "25 bytes, lossless"


def test_a_program_that_fails_where_figures_are_expected_is_told() -> None:
    def measured(nursery: Nursery, clip: Clip, qp: int, keep: Keep | None) -> RDPoint | Failure:
        other = Clip(clip.name, clip.data[:, : 64 * 2 * 3 // 2].copy(), 64, 2, clip.fps)  # no block of 8 rows fits
        return measure(nursery, other, qp, keep)

    intra = by_name(sing(WALL, measured=measured))["intra dct"]
    assert not intra.passed
    assert intra.came.startswith("a failure: raised (encode): ValueError")
