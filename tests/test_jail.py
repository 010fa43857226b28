"""Behind the wall: the contract is kept, every fault becomes a Failure with its place, nothing stays behind."""

import os
import time
from fractions import Fraction

import numpy as np
import psutil
import pytest

from labkit.candidate import Candidate, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.jail import Limits, Nursery

FRAME_RAW = """
import numpy as np

def compress_video_frame(frame, frame_index, config):
    return b"".join(plane.tobytes() for plane in frame)

def decompress_video_frame(data, frame_index, config):
    w, h = config["width"], config["height"]
    y, u, v = np.split(np.frombuffer(data, np.uint8), [w * h, w * h * 5 // 4])
    return y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)
"""

CLIP_RAW = """
import zlib
import numpy as np

def compress_video(frames, config):
    return zlib.compress(b"".join(plane.tobytes() for frame in frames for plane in frame), 1)

def decompress_video(data, config):
    w, h = config["width"], config["height"]
    size = w * h * 3 // 2
    samples = np.frombuffer(zlib.decompress(data), np.uint8).reshape(config["frame_count"], size)
    return [(a[:w * h].reshape(h, w), a[w * h:w * h * 5 // 4].reshape(h // 2, w // 2),
             a[w * h * 5 // 4:].reshape(h // 2, w // 2)) for a in samples]
"""

QUICK = Limits(encode_s=0.2, decode_s=0.2, run_s=0.5, load_cpu_s=20.0, memory_mib=256)


def noise(frames: int = 3, width: int = 32, height: int = 16) -> Clip:
    samples = np.random.default_rng(7).integers(0, 256, (frames, width * height * 3 // 2), dtype=np.uint8)
    return Clip("noise", samples, width, height, Fraction(25))


def replaced(encoder: str = "", decoder: str = "", top: str = "") -> Candidate:
    """The raw codec with the body of its encoder or decoder replaced."""
    source = FRAME_RAW
    if encoder:
        source = source.replace('    return b"".join(plane.tobytes() for plane in frame)', indented(encoder))
    if decoder:
        source = source.replace('    w, h = config["width"], config["height"]', indented(decoder))
    return Candidate(top + source)


def indented(code: str) -> str:
    return "\n".join("    " + line for line in code.strip().splitlines())


def run(candidate: Candidate, clip: Clip | None = None, limits: Limits = QUICK) -> Failure | list[np.ndarray]:
    """Encode and decode once; return the decoded luma planes or the failure."""
    clip = clip or noise()
    decoded: list[np.ndarray] = []
    with Nursery(candidate, limits) as nursery:
        if nursery.failure:
            return nursery.failure
        coded = nursery.encode(clip, 32)
        if isinstance(coded, Failure):
            return coded
        outcome = nursery.decode(coded.container, lambda index, frame: decoded.append(frame[0]), clip.name)
        return outcome if isinstance(outcome, Failure) else decoded


def failure_of(candidate: Candidate, clip: Clip | None = None, limits: Limits = QUICK) -> Failure:
    outcome = run(candidate, clip, limits)
    assert isinstance(outcome, Failure), "the candidate was expected to fail"
    return outcome


@pytest.mark.parametrize("source", [FRAME_RAW, CLIP_RAW], ids=["frame", "clip"])
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_both_forms_come_back_bit_exactly(source: str, frames: int) -> None:
    clip = noise(frames)
    decoded = run(Candidate(source), clip)
    assert not isinstance(decoded, Failure)
    assert len(decoded) == frames
    assert all(np.array_equal(plane, clip.frame(i)[0]) for i, plane in enumerate(decoded))


def test_the_same_clip_gives_the_same_bitstream_and_every_run_is_a_fresh_process() -> None:
    counting = replaced(
        top="CALLS = []\n", encoder="CALLS.append(1)\nreturn bytes([len(CALLS)]) + b''.join(p.tobytes() for p in frame)"
    )
    with Nursery(counting, QUICK) as nursery:
        first, second = nursery.encode(noise(), 32), nursery.encode(noise(), 32)
        assert not isinstance(first, Failure)
        assert not isinstance(second, Failure)
        assert first.container.sha256 == second.container.sha256
        assert [payload[0] for payload in first.container.payloads] == [1, 2, 3]


def test_the_decoder_has_no_memory_of_the_encoder() -> None:
    stash = replaced(
        top="STASH = []\n",
        encoder="STASH.append(frame)\nreturn b''",
        decoder="if STASH:\n    return STASH[frame_index]\nraise RuntimeError('the stash is empty')",
    )
    failure = failure_of(stash)
    assert failure.stage is Stage.DECODE
    assert "the stash is empty" in failure.detail


def test_the_frame_handed_over_is_a_private_copy() -> None:
    clip = noise()
    before = clip.hash
    run(replaced(encoder="frame[0][:] = 0\nframe[1][:] = 0\nreturn b''.join(p.tobytes() for p in frame)"), clip)
    assert Clip("again", clip.data, clip.width, clip.height, clip.fps).hash == before


def test_the_environment_holds_no_key_and_no_path_to_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-a-secret")
    peek = replaced(
        top="import os, sys\n",
        encoder="raise RuntimeError(repr(sorted(os.environ.items())) + repr(sys.path))",
    )
    detail = failure_of(peek).detail
    assert "PATH" in detail  # it did look
    assert "sk-a-secret" not in detail
    with Nursery(replaced(top="import labkit\n"), QUICK) as nursery:
        assert nursery.failure is not None
        assert "No module named 'labkit'" in nursery.failure.detail


@pytest.mark.parametrize(
    ("encoder", "kind", "words"),
    [
        ("raise ValueError('seven is odd')", FailureKind.RAISED, "ValueError: seven is odd"),
        ("raise SystemExit(0)", FailureKind.RAISED, "SystemExit"),
        ("raise KeyboardInterrupt", FailureKind.RAISED, "KeyboardInterrupt"),
        ("return 'text'", FailureKind.WRONG_TYPE, "returned str, expected bytes"),
        ("return None", FailureKind.WRONG_TYPE, "returned NoneType, expected bytes"),
        ("return bytearray(4)", FailureKind.WRONG_TYPE, "returned bytearray, expected bytes"),
        ("class B(bytes):\n    pass\nreturn B(b'x')", FailureKind.WRONG_TYPE, "returned B, expected bytes"),
        ("return bytes(10**6)", FailureKind.TOO_LARGE, "1,000,000 bytes came"),
        ("return bytes(1 << 40)", FailureKind.OUT_OF_MEMORY, "MemoryError"),
        ("x = [bytes(1 << 26) for _ in range(100)]\nreturn b''", FailureKind.OUT_OF_MEMORY, "MemoryError"),
        ("import os\nos._exit(5)", FailureKind.LEFT, "exit status 5"),
        ("import ctypes\nctypes.string_at(0)", FailureKind.CRASHED, "SIGSEGV"),
        ("while True:\n    pass", FailureKind.TIMED_OUT, "s of CPU used, limit"),
    ],
)
def test_an_encoder_at_fault_fails_with_its_place(encoder: str, kind: FailureKind, words: str) -> None:
    failure = failure_of(replaced(encoder=encoder))
    assert (failure.stage, failure.kind) == (Stage.ENCODE, kind)
    assert words in failure.detail
    assert (failure.clip, failure.qp, failure.frame) == ("noise", 32, 0)


@pytest.mark.parametrize(
    ("decoder", "kind", "words"),
    [
        ("return 1", FailureKind.WRONG_TYPE, "returned int, expected a tuple (y, u, v)"),
        ("return np.zeros((16, 32), np.uint8), 1", FailureKind.WRONG_TYPE, "returned tuple of 2"),
        ("z = np.zeros((8, 16), np.uint8)\nreturn z, z, z", FailureKind.WRONG_SHAPE, "(8, 16), expected (16, 32)"),
        ("z = np.zeros((16, 32))\nreturn z, z, z", FailureKind.WRONG_TYPE, "an array of float64, expected"),
        ("return [[1]], [[1]], [[1]]", FailureKind.WRONG_TYPE, "plane y of the decoded frame is list"),
        ("return data[10**9]", FailureKind.RAISED, "IndexError"),
    ],
)
def test_a_decoder_at_fault_fails_with_its_place(decoder: str, kind: FailureKind, words: str) -> None:
    failure = failure_of(replaced(decoder=decoder))
    assert (failure.stage, failure.kind) == (Stage.DECODE, kind)
    assert words in failure.detail
    assert (failure.clip, failure.qp, failure.frame) == ("noise", 32, 0)


def test_a_raised_exception_names_the_line_of_the_source() -> None:
    failure = failure_of(replaced(encoder="if frame_index == 2:\n    return 1 // 0\nreturn b'x'"))
    assert failure.frame == 2
    assert "line 6, in compress_video_frame: return 1 // 0" in failure.detail


@pytest.mark.parametrize("frames", ["[]", "[None] * 2", "frames * 2", "7"])
def test_a_whole_clip_decoder_must_give_every_frame(frames: str) -> None:
    source = CLIP_RAW.replace("    return [(a[", "    frames = [(a[") + f"    return {frames}\n"
    assert failure_of(Candidate(source)).kind in (FailureKind.WRONG_SHAPE, FailureKind.WRONG_TYPE)


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("def broken(:\n", FailureKind.RAISED, "SyntaxError"),
        ("x = 1\n", FailureKind.NO_CONTRACT, "defines none of them; needs exactly one pair"),
        (FRAME_RAW + CLIP_RAW, FailureKind.NO_CONTRACT, "needs exactly one pair"),
        (FRAME_RAW.replace("def decompress_video_frame", "def other"), FailureKind.NO_CONTRACT, "compress_video_frame"),
        ("raise RuntimeError('at import')\n", FailureKind.RAISED, "at import"),
        ("while True:\n    pass\n", FailureKind.TIMED_OUT, "s of CPU used, limit 1.0 s"),
        ("import os\nos._exit(0)\n", FailureKind.LEFT, "exit status 0"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n" + FRAME_RAW,
         FailureKind.RAISED, "can't start new thread"),
        ("kept = open(__import__('os').__file__)\n" + FRAME_RAW,
         FailureKind.NO_CONTRACT, "keeps open after loading: descriptor"),
    ],
)  # fmt: skip
def test_a_candidate_that_does_not_load_fails_at_load(source: str, kind: FailureKind, words: str) -> None:
    with Nursery(Candidate(source), Limits(load_cpu_s=1.0)) as nursery:
        failure = nursery.failure
        assert failure is not None
        assert (failure.stage, failure.kind) == (Stage.LOAD, kind)
        assert words in failure.detail
        assert nursery.encode(noise(), 32) == failure  # no run is possible, the reason stays


@pytest.mark.slow
def test_one_that_sleeps_is_ended_by_our_clock() -> None:
    limits = Limits(encode_s=0.01, run_s=0.01, load_cpu_s=20.0)
    started = time.monotonic()
    failure = failure_of(replaced(top="import time\n", encoder="time.sleep(600)"), limits=limits)
    assert failure.kind is FailureKind.TIMED_OUT
    assert "by our clock" in failure.detail
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_a_gigabyte_of_output_is_dropped_but_its_beginning() -> None:
    loud = replaced(encoder="import sys\nfor _ in range(1000):\n    sys.stdout.write('ab' * 500000)\nreturn b''")
    with Nursery(loud, Limits()) as nursery:
        assert not isinstance(nursery.encode(noise(1), 32), Failure)
        assert 0 < len(nursery.output) <= 4000


def test_control_characters_of_a_candidate_are_escaped() -> None:
    failure = failure_of(replaced(encoder="print('\\x1b[2J\\u202e')\nraise ValueError('\\x1b]0;owned\\x07')"))
    assert "\x1b" not in failure.detail + failure.output
    assert "\\x1b" in failure.detail
    assert "\\u202e" in failure.output


@pytest.mark.parametrize(
    "encoder",
    [
        "import os\nos.write(REPLY, b'P' + bytes(8))\nreturn b'honest'",  # two replies to one request
        "import os\nos.write(REPLY, b'Q' + bytes(8))\nreturn b''",  # an unknown kind
        "import os\nos.write(REPLY, b'P' + b'\\xff' * 8)\nreturn b''",  # a length of 16 exabytes
        "import os\nos.write(REPLY, b'F' + bytes(8))\nreturn b''",  # a frame where a payload is due
        "import os\nos.write(REPLY, b'X\\x02\\0\\0\\0\\0\\0\\0\\0{]')\nreturn b''",  # a report that is none
    ],
)
def test_a_forged_reply_ends_the_run(encoder: str) -> None:
    find = (
        "import fcntl, os, stat\n"
        "for REPLY in range(3, 64):\n"
        "    try:\n"
        "        pipe = stat.S_ISFIFO(os.fstat(REPLY).st_mode)\n"
        "    except OSError:\n"
        "        continue\n"
        "    if pipe and fcntl.fcntl(REPLY, fcntl.F_GETFL) & os.O_WRONLY:\n"
        "        break\n"
    )
    failure = failure_of(replaced(encoder=find + encoder))
    assert failure.kind in (FailureKind.BROKE_PROTOCOL, FailureKind.TOO_LARGE)


BODIES = [b"[1]", b"{}", b"{", b'{"form": 7, "warmed": 1}', b'{"form": "other", "warmed": ""}', b"[" * 4000]


@pytest.mark.parametrize("body", BODIES)
def test_a_forged_report_of_loading_is_the_candidates_failure(body: bytes) -> None:
    forge = f"""
import fcntl, os, stat
for fd in range(3, 20):
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
            os.write(fd, b"L" + ({len(body)}).to_bytes(8, "little") + {body!r})
    except OSError:
        continue
"""
    with Nursery(Candidate(forge + FRAME_RAW), QUICK) as nursery:
        assert nursery.failure is not None
        assert (nursery.failure.stage, nursery.failure.kind) == (Stage.LOAD, FailureKind.BROKE_PROTOCOL)
        assert "report of its loading" in nursery.failure.detail


def test_no_process_starts_another_and_none_stays_behind() -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    spawner = replaced(
        encoder="import subprocess\nsubprocess.Popen(['sleep', '1234'], start_new_session=True)\nreturn b''"
    )
    with Nursery(spawner, QUICK) as nursery:
        failure = nursery.encode(noise(), 32)
    assert isinstance(failure, Failure)
    assert "Operation not permitted" in failure.detail
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "1234"]]


def test_cpu_and_memory_are_those_that_the_kernel_counted() -> None:
    busy = replaced(encoder="import time\nstart = time.process_time()\nx = bytearray(50_000_000)\n"
                            "while time.process_time() - start < 0.1:\n    pass\nreturn b''")  # fmt: skip
    with Nursery(busy, Limits()) as nursery:
        coded = nursery.encode(noise(2), 32)
        assert not isinstance(coded, Failure)
        assert 0.2 <= coded.usage.cpu_s < 2.0
        assert coded.usage.peak_mib > 50_000_000 / 2**20
        assert os.WIFEXITED(coded.usage.status)
