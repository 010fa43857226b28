"""The wall: which level stands, that it is believed only when attacked, and three processes that cannot talk."""

import dataclasses
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from programs import INTRA

from labkit.campaign import Campaign
from labkit.candidate import Candidate, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import CampaignError, JailError
from labkit.evaluate import evaluate
from labkit.footage.library import find_clips
from labkit.jail import Level, Limits, Nursery, Wall, available_levels, choose, raise_wall
from labkit.jail.level import fences
from labkit.jail.probe import broken_through, probe
from labkit.settings import make_settings

LEVELS = available_levels()
SMALL = {"clips": ["builtin:shapes"], "held_out": ["none"], "frames": 2, "anchors": [], "generations": 1,
         "candidates": 1}  # fmt: skip

CODEC = """
import numpy as np
import os
{top}
def compress_video_frame(frame, frame_index, config):
    {encoder}
    return b"".join(plane.tobytes() for plane in frame)

def decompress_video_frame(data, frame_index, config):
    h, w = config["height"], config["width"]
    {decoder}
    y, u, v = np.split(np.frombuffer(data, np.uint8), [h * w, h * w + h * w // 4])
    return y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)
"""


def codec(top: str = "", encoder: str = "pass", decoder: str = "pass") -> Candidate:
    return Candidate(CODEC.format(top=top, encoder=encoder, decoder=decoder))


@pytest.fixture(scope="module")
def clip() -> Clip:
    return find_clips(["builtin:shapes"], 3)[0]


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> Iterator[Level]:
    """Each level of this machine; after it nothing of ours runs on."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield request.param
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_this_machine_has_a_wall() -> None:
    assert Level.FILTERED in LEVELS, [fence for fence in fences() if fence.missing]
    assert Level.NONE not in LEVELS


def test_probes_hold_behind_every_level(level: Level) -> None:
    assert probe(level) == "5 of 5 probes held, honest codec exact"


def test_the_same_probes_break_through_where_there_is_no_wall() -> None:
    attacks = {"read_a_file", "write_a_file", "open_a_socket", "start_a_process", "kill_a_process"}
    assert set(broken_through(Level.NONE)) == attacks
    with pytest.raises(JailError, match=r"does not hold here: read_a_file, .* succeeded from inside; nothing is run"):
        probe(Level.NONE)


def test_no_wall_comes_only_by_asking_for_it_and_says_so() -> None:
    assert raise_wall().level is LEVELS[0]
    open_wall = raise_wall(without=True)
    assert str(open_wall) == "none (not comparable)"
    assert "NO KERNEL FENCE" in open_wall.note


@pytest.mark.skipif(Level.SEALED in LEVELS, reason="sealed stands here")
def test_sealed_is_refused_where_it_does_not_stand() -> None:
    with pytest.raises(JailError, match="isolation sealed was asked for and does not stand here: bubblewrap"):
        choose(Level.SEALED)


def test_every_result_carries_its_wall(clip: Clip, level: Level) -> None:
    evaluation = evaluate(Candidate(INTRA), [clip], [22, 27, 32, 37], wall=Wall(level, probe(level)))
    assert evaluation.isolation == f"{level} (5 of 5 probes held, honest codec exact)"
    assert Level.of(evaluation.isolation) is level


def test_every_level_gives_the_same_bits(clip: Clip) -> None:
    hashes = {
        level: [p.bitstream_sha256 for p in evaluate(Candidate(INTRA), [clip], [22, 37], wall=Wall(level)).points]
        for level in (*LEVELS, Level.NONE)
    }
    assert len({tuple(found) for found in hashes.values()}) == 1, hashes
    assert all(len(found) == 2 for found in hashes.values())


# --- a campaign keeps its wall ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_campaign_stays_behind_the_wall_that_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Campaign.start(folder, make_settings(SMALL, "test")) as campaign:
        campaign.ledger.begin_generation(0, None, "filtered (as on a weaker machine)")
    with Campaign.open(folder) as campaign:
        assert campaign.wall.level is Level.FILTERED  # not the strongest of this machine: figures come from one wall
        campaign.generation(0)
        (entry,) = campaign.ledger.entries(0)
        assert entry.evaluation is not None
        assert Level.of(entry.evaluation.isolation) is Level.FILTERED


@pytest.mark.skipif(Level.SEALED in LEVELS, reason="sealed stands here")
def test_a_sealed_campaign_does_not_go_on_behind_less(tmp_path: Path) -> None:
    with Campaign.start(tmp_path / "run", make_settings(SMALL, "test")) as campaign:
        campaign.ledger.begin_generation(0, None, "sealed (as on another machine)")
        with pytest.raises(CampaignError, match="began at sealed and goes on behind no other wall"):
            campaign.generation(0)
        assert campaign.ledger.ended() == {}


@pytest.mark.slow
def test_without_a_wall_rows_and_pages_say_so(tmp_path: Path) -> None:
    from labkit.view.report import render_report

    settings = make_settings(SMALL | {"run_candidates_without_isolation": True}, "test")
    with Campaign.start(tmp_path / "run", settings) as campaign:
        campaign.generation(0)
        (entry,) = campaign.ledger.entries(0)
        assert entry.evaluation is not None
        assert entry.evaluation.isolation == "none (not comparable)"
        report = render_report(campaign)
    assert "background:#b62324" in report
    assert "NO KERNEL FENCE" in report


# --- three processes -------------------------------------------------------------------------------------


def test_encoder_decoder_and_scorer_are_three_processes(clip: Clip, level: Level) -> None:
    tell = codec(encoder='print("encoder", os.getpid())', decoder='print("decoder", os.getpid())',
                 top='print("nursery", os.getpid())')  # fmt: skip
    with Nursery(tell, Limits(), level) as nursery:
        coded = nursery.encode(clip, 32)
        assert not isinstance(coded, Failure)
        assert not isinstance(nursery.decode(coded.container, lambda index, frame: None), Failure)
        told = [tuple(line.split()) for line in nursery.output.splitlines()]
    assert {who for who, _ in told} == {"nursery", "encoder", "decoder"}
    assert len({pid for _, pid in told}) == 3
    assert os.getpid() not in {int(pid) for _, pid in told} or level is Level.SEALED


def test_nothing_of_an_encode_is_left_for_the_decode(clip: Clip, level: Level) -> None:
    stash = codec(top="SEEN = []", encoder="SEEN.append(frame)", decoder="print(len(SEEN))")
    with Nursery(stash, Limits(), level) as nursery:
        coded = nursery.encode(clip, 32)
        assert not isinstance(coded, Failure)
        assert not isinstance(nursery.decode(coded.container, lambda index, frame: None), Failure)
        assert nursery.output.split() == ["0"] * len(clip)


def test_two_children_of_one_candidate_never_run_at_once(clip: Clip) -> None:
    """Two threads that ask at once are served one after the other."""
    slow = codec(top="import time", encoder="time.sleep(0.05)")
    with Nursery(slow, Limits()) as nursery:
        family = psutil.Process(nursery._warden.pid)
        most, over = 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not over.is_set():
                most = max(most, len(family.children(recursive=True)))

        threads = [threading.Thread(target=nursery.encode, args=(clip, 32)) for _ in range(4)]
        alone = len(family.children(recursive=True))
        watcher = threading.Thread(target=watch)
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        watcher.join()
    assert most == alone + 1


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ("KEPT = open(os.__file__)", "keeps open after loading: descriptor .*os.py"),  # its offset would be shared
        ("KEPT = os.dup(1)", "keeps open after loading: descriptor"),
        ("PIPE = os.pipe()", "Operation not permitted"),
        ("import mmap; SHARED = mmap.mmap(-1, 4096)", "Operation not permitted"),
        ("import socket; PAIR = socket.socketpair()", "Operation not permitted"),
        ("FD = os.memfd_create('x')", "Operation not permitted"),
        ("FD = os.eventfd(0)", "Operation not permitted"),
    ],
)
def test_nothing_can_be_made_at_load_that_two_runs_would_share(kept: str, words: str, level: Level) -> None:
    with Nursery(codec(top=kept), Limits(), level) as nursery:
        assert nursery.failure is not None
        assert nursery.failure.stage is Stage.LOAD
        assert re.search(words, nursery.failure.detail)


def test_a_nursery_that_opens_a_file_for_its_children_is_caught_before_the_next_run(clip: Clip, level: Level) -> None:
    """The hook runs in the nursery itself, between two runs: what it opens there would be inherited by both."""
    top = """
import sys
worker = sys.modules["worker"]
honest, KEPT = worker.fork_for_warden, []
def fork():
    KEPT.append(os.open(os.__file__, os.O_RDONLY))
    return honest()
worker.fork_for_warden = fork
"""
    with Nursery(codec(top=top), Limits(), level) as nursery:
        assert not isinstance(nursery.encode(clip, 32), Failure)
        failure = nursery.encode(clip, 32)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.NO_CONTRACT
    assert "keeps open after loading" in failure.detail


def test_one_order_is_one_process(clip: Clip, level: Level) -> None:
    top = """
import sys
worker = sys.modules["worker"]
honest = worker.fork_for_warden
def fork():
    pid = honest()
    try:
        honest()
    except OSError as error:
        REFUSED.append(error.errno)
    return pid
worker.fork_for_warden = fork
REFUSED = []
"""
    with Nursery(codec(top=top, encoder="print(REFUSED)"), Limits(), level) as nursery:
        assert not isinstance(nursery.encode(clip, 32), Failure)
        assert nursery.output.split("\n")[0] == "[1]"  # as the child tells it; the nursery itself is refused before it


@pytest.mark.slow
def test_a_codec_that_raises_its_own_cpu_limit_has_timed_out_all_the_same(clip: Clip, level: Level) -> None:
    limits = Limits(encode_s=0.1, run_s=0.5)
    raised = "import resource, time\n    resource.setrlimit(resource.RLIMIT_CPU, (60, -1))"
    greedy = f"{raised}\n    while time.process_time() < 1.6: pass"
    with Nursery(codec(encoder=greedy), limits, level) as nursery:
        failure = nursery.encode(dataclasses.replace(clip, data=clip.data[:1]), 32)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.TIMED_OUT
    assert "s of CPU used, limit" in failure.detail


@pytest.mark.skipif(os.getuid() != 0, reason="not started as root")
def test_root_is_dropped(clip: Clip, level: Level) -> None:
    with Nursery(codec(top="print(os.getuid())"), Limits(), level) as nursery:
        assert nursery.failure is None
        coded = nursery.encode(clip, 32)
        assert not isinstance(coded, Failure)
        (pid,) = (child.pid for child in psutil.Process(nursery._warden.pid).children(recursive=True)[-1:])
        status = Path(f"/proc/{pid}/status").read_text()
    facts = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert set(facts["Uid"].split()) == {"65534"}
    assert {facts[name].strip("0") for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {""}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")


# --- what honest codecs need still works -------------------------------------------------------------------

LIBRARIES = {
    "torch with gradients": (
        "import torch",
        "w = torch.ones(8, requires_grad=True); (w * 2).sum().backward(); assert float(w.grad[0]) == 2.0",
    ),
    "torch modules": ("import torch\nnet = torch.nn.Conv2d(1, 1, 3)\nnet.eval()", "net(torch.zeros(1, 1, 8, 8))"),
    "cv2": ("import cv2", "cv2.dct(np.zeros((8, 8), np.float32)); cv2.resize(frame[0], (8, 8))"),
    "scipy": ("import scipy.fft\nimport scipy.ndimage", "scipy.fft.dctn(frame[1] / 2); scipy.ndimage.sobel(frame[1])"),
    "constriction": ("import constriction", "constriction.stream.queue.RangeEncoder()"),
    "lazy standard library": ("import statistics, decimal, fractions", "import json.tool, colorsys, difflib"),
    "compression": ("import zlib, lzma, bz2", "lzma.decompress(lzma.compress(bytes(99))); bz2.compress(bytes(9))"),
    "numba": ("import numba\n@numba.njit\ndef total(p):\n    return p.sum()", "assert total(frame[0]) >= 0"),
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_honest_codecs_use_runs_behind_the_wall(library: str, clip: Clip, level: Level) -> None:
    top, encoder = LIBRARIES[library]
    with Nursery(codec(top=top, encoder=encoder), Limits(memory_mib=2048), level) as nursery:
        assert nursery.failure is None or ("torch" in library and "No module named" in nursery.failure.detail)
        if nursery.failure is None:
            coded = nursery.encode(clip, 32)
            assert not isinstance(coded, Failure), coded
            frames: list[int] = []
            decoded = nursery.decode(coded.container, lambda index, frame: frames.append(int(np.sum(frame[0]))))
            assert not isinstance(decoded, Failure)
            assert frames == [int(np.sum(clip.frame(index)[0])) for index in range(len(clip))]
