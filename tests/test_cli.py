"""The command line as scripts use it: one JSON value, exit codes that mean something, one clear line for bad input."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from programs import CODECS, DEAD_ZONE, IGNORES_QP, INTRA, RAISES, REFUSED, SLOW, changed

from labkit.cli import main
from labkit.clip import split_planes
from labkit.container import Container
from labkit.footage.reading import read_video
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m

ROOT = Path(__file__).parents[1]
INTRA_FILE = str(CODECS / "intra_dct.py")
RETURN = "    return data\n"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run one command in this process; return its exit code, stdout and stderr."""

    def run(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    def write(source: str) -> Path:
        path = tmp_path / "candidate.py"
        path.write_text(source)
        return path

    return write


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A small real file: five frames of a synthetic clip as y4m."""
    clip = synthetic_clip("shapes", 96, 64, 5)
    path = tmp_path / "small.y4m"
    write_y4m(path, [clip.frame(i) for i in range(len(clip))], clip.width, clip.height, clip.fps)
    return path


def test_evaluate_prints_one_object_with_every_figure_and_its_evidence(call: Call, video: Path, tmp_path: Path) -> None:
    code, out, _ = call("evaluate", INTRA_FILE, "--clips", video, "--anchors", "x265-medium", "--json",
                        "--keep", tmp_path / "kept")  # fmt: skip
    assert code == 0
    result = json.loads(out)
    assert result["candidate"] == hashlib.sha256(INTRA.encode()).hexdigest()
    assert re.fullmatch(r"(sealed|filtered) \(5 of 5 probes held, honest codec exact\)", result["isolation"])
    assert result["failure"] is None
    assert [(point["clip"], point["qp"]) for point in result["points"]] == [("small", qp) for qp in (22, 27, 32, 37)]
    assert result["bd_rate_pct"]["x265-medium"]["small"] > 50
    wanted = {"clip", "qp", "bytes", "rate_kbps", "psnr_db", "psnr_y_db", "ssim", "worst_block_db", "encode_s",
              "decode_s", "bitstream_sha256"}  # fmt: skip
    assert all(wanted <= set(point) for point in result["points"])


def test_what_is_kept_proves_the_figures_to_other_tools(call: Call, video: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    _, out, _ = call("evaluate", INTRA_FILE, "--clips", video, "--anchors", "none", "--json", "--keep", kept)
    original = read_video(video)
    for point in json.loads(out)["points"]:
        data = (kept / f"small-qp{point['qp']}.lkv").read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (point["bytes"], point["bitstream_sha256"])
        assert Container.parse(data).config["qp"] == point["qp"]
        with av.open(str(kept / f"small-qp{point['qp']}.y4m")) as file:
            decoded = np.stack([frame.to_ndarray().ravel() for frame in file.decode(video=0)])
        error = decoded.astype(np.float64) - original.data
        assert 10 * np.log10(255**2 / np.mean(error**2)) == pytest.approx(point["psnr_db"], abs=1e-9)
        assert point["rate_kbps"] == pytest.approx(len(data) * 8 * 25 / 5 / 1000)


def test_of_a_decoder_that_fails_half_way_no_video_is_kept(
    call: Call, program: Callable[[str], Path], video: Path
) -> None:
    half_way = INTRA.replace(
        "    samples = zlib", "    if frame_index == 3:\n        raise OSError('half way')\n    samples = zlib"
    )
    kept = video.parent / "kept"
    code, out, _ = call("evaluate", program(half_way), "--clips", video, "--json", "--keep", kept, "--frames", "4")
    assert (code, json.loads(out)["failure"]["frame"]) == (3, 3)
    assert [path.suffix for path in kept.iterdir()] == [".lkv"]


def test_no_bd_rate_comes_with_its_reason(call: Call, program: Callable[[str], Path], video: Path) -> None:
    code, out, _ = call("evaluate", program(IGNORES_QP), "--clips", video, "--anchors", "x265-medium", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["bd_rate_pct"] == {"x265-medium": {"small": None}}
    assert "does not rise" in result["bd_rate_reason"]["x265-medium"]["small"]


def test_a_clip_too_small_for_an_encoder_is_measured_all_the_same(call: Call, tmp_path: Path) -> None:
    clip = synthetic_clip("shapes", 64, 48, 3)
    write_y4m(tmp_path / "tiny.y4m", [clip.frame(i) for i in range(3)], 64, 48, clip.fps)
    code, out, _ = call(
        "evaluate", INTRA_FILE, "--clips", tmp_path / "tiny.y4m", "--anchors", "x265-medium,x264-medium", "--json"
    )
    result = json.loads(out)
    assert code == 0
    assert len(result["points"]) == 4
    assert "64" in result["bd_rate_reason"]["x265-medium"]["tiny"]
    assert result["bd_rate_pct"]["x264-medium"]["tiny"] is not None


def test_a_lossless_point_is_strict_json(call: Call, video: Path) -> None:
    code, out, _ = call("evaluate", CODECS / "raw_copy.py", "--clips", video, "--anchors", "none", "--json")
    point = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["points"][0]
    assert code == 0
    assert (point["psnr_db"], point["lossless"]) == (None, True)


@pytest.mark.parametrize(
    ("source", "stage", "kind"),
    [
        (RAISES, "decode", "raised"),
        (REFUSED, "check", "refused"),
        ("def broken(:\n", "check", "refused"),
        ("x = 1\n", "check", "refused"),
        ("", "check", "refused"),
        (INTRA + INTRA.replace("video_frame", "video"), "check", "refused"),
        pytest.param(changed(RETURN, "    while True:\n        pass\n" + RETURN), "encode", "timed out",
                     marks=pytest.mark.slow),
        (changed(RETURN, "    hoard = [bytes(10**8) for _ in range(100)]\n" + RETURN), "encode", "out of memory"),
        (changed("    return tuple(planes)", "    return planes[0]"), "decode", "wrong type"),
        (changed("    return tuple(planes)", "    return tuple(p[:8] for p in planes)"), "decode", "wrong shape"),
    ],
)  # fmt: skip
def test_a_candidate_that_fails_leaves_with_3_and_says_where(
    call: Call, program: Callable[[str], Path], video: Path, source: str, stage: str, kind: str
) -> None:
    code, out, _ = call("evaluate", program(source), "--clips", video, "--json")
    result = json.loads(out)
    assert code == 3
    assert result["points"] == []
    assert result["bd_rate_pct"] == {}
    assert (result["failure"]["stage"], result["failure"]["kind"]) == (stage, kind)
    assert result["failure"]["detail"]


@pytest.mark.slow
def test_a_gigabyte_of_output_does_not_drown_the_result(
    call: Call, program: Callable[[str], Path], video: Path
) -> None:
    loud = INTRA.replace(
        "    step = quantiser_step",
        "    for _ in range(40):\n        print('spam ' * 10**6)\n    step = quantiser_step",
    )
    code, out, err = call("evaluate", program(loud), "--clips", video, "--qps", "37", "--anchors", "none", "--json")
    assert code == 0
    assert len(json.loads(out)["points"]) == 1
    assert len(out) + len(err) < 50_000


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["evaluate", "nowhere.py"], "nowhere.py"),
        (["evaluate", INTRA_FILE, "--clips", "nowhere.mp4"], "nowhere.mp4"),
        (["evaluate", INTRA_FILE, "--qps", "22,x"], "not a list of QPs"),
        (["evaluate", INTRA_FILE, "--qps", "22,64"], "not a list of QPs"),
        (["evaluate", INTRA_FILE, "--frames", "0"], "not a whole number from 1"),
        (["evaluate", INTRA_FILE, "--anchors", "x266"], "unknown anchor 'x266'"),
        (["evolve", "--clips", "builtin:shape"], "shapes"),
        (["evolve", "--qps", "22,27"], "four different QPs"),
        (["evolve", "--proposer", "oracle"], "unknown proposer 'oracle'"),
        (["evolve", "--start", "nowhere.py", "--clips", "builtin:shapes"], "nowhere.py"),
        (["show", "nothing"], "holds no campaign"),
        (["report", "nothing"], "holds no campaign"),
        (["bench", "nothing"], "no benchmark 'nothing'"),
        (["frobnicate"], "invalid choice"),
        ([], "required"),
    ],
)
def test_a_wrong_call_leaves_with_2_and_one_line(call: Call, tmp_path: Path, args: list[str], words: str) -> None:
    more = ["--runs", str(tmp_path / "runs")] if args and args[0] in ("evolve", "show", "report") else []
    code, out, err = call(*args, *more)
    assert code == 2
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert len(err.splitlines()[-1]) < 400
    assert not list((tmp_path / "runs").glob("*/versions")), "a wrong call began a campaign"


@pytest.mark.parametrize("content", ["empty", "text", "audio", "cut"])
def test_a_video_that_is_none_is_refused_in_one_line(call: Call, tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.mkv"
    if content == "audio":
        write_audio(path)
    elif content == "cut":
        path.write_bytes(encoded_video(tmp_path)[:-2000])
    else:
        path.write_bytes(b"" if content == "empty" else b"dear diary\n" * 100)
    code, _, err = call("evaluate", INTRA_FILE, "--clips", path, "--anchors", "none", "--frames", "24")
    assert code == 2
    assert "odd.mkv" in err
    assert "Traceback" not in err


def write_audio(path: Path) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def encoded_video(folder: Path) -> bytes:
    path = folder / "whole.mp4"
    clip = synthetic_clip("shapes", 96, 64, 24)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(len(clip)):
            picture = av.VideoFrame.from_ndarray(clip.data[i].reshape(96, 96), format="yuv420p")
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path.read_bytes()


def test_one_frame_is_a_clip(call: Call, tmp_path: Path) -> None:
    samples = np.random.default_rng(3).integers(0, 256, 64 * 64 * 3 // 2, dtype=np.uint8)
    path = tmp_path / "one.y4m"
    write_y4m(path, [split_planes(samples, 64, 64)], 64, 64, Fraction(25))
    code, out, _ = call("evaluate", INTRA_FILE, "--clips", path, "--anchors", "x265-medium", "--json")
    assert code == 0
    assert len(json.loads(out)["points"]) == 4


def test_compare_judges_the_second_against_the_first(call: Call, program: Callable[[str], Path], video: Path) -> None:
    code, out, _ = call("compare", INTRA_FILE, program(DEAD_ZONE), "--clips", video, "--json")
    verdict = json.loads(out)
    assert code == 0
    assert verdict["bd_rate_pct"] < -5
    assert verdict["reasons"]


def test_a_campaign_file_with_a_mistyped_key_offers_the_nearest(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "demo.toml"
    file.write_text('frames = 3\n[rule]\nkind = "bd_rate"\nmin_gian_pct = 5\n')
    code, _, err = call("evolve", "--settings", file, "--runs", tmp_path)
    assert code == 2
    assert "unknown key 'min_gian_pct'; did you mean 'min_gain_pct'?" in err


def test_a_mistyped_papermill_parameter_is_refused(call: Call, tmp_path: Path) -> None:
    code, _, err = call(
        "notebook", ROOT / "notebooks" / "generation.ipynb", tmp_path / "out.ipynb", "-p", "generatoin", "1"
    )
    assert code == 2
    assert "no parameter 'generatoin'; did you mean 'generation'?" in err
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.slow
def test_papermill_itself_is_refused_a_mistyped_parameter_by_the_notebook(tmp_path: Path) -> None:
    notebook = ROOT / "notebooks" / "generation.ipynb"
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "papermill",
        notebook,
        tmp_path / "out.ipynb",
        "-p",
        "generatoin",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=notebook.parent)
    assert done.returncode != 0
    assert "this notebook has no parameter 'generatoin'; did you mean 'generation'?" in done.stderr


def test_clips_are_listed_shown_and_added(
    call: Call, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    code, out, _ = call("clips", "list", "--json")
    assert code == 0
    assert {"builtin:photo_pan", "builtin:shapes"} <= {clip["name"] for clip in json.loads(out)}
    assert call("clips", "add", video, "--name", "mine")[0] == 0
    code, out, _ = call("clips", "show", "mine", "--json")
    assert code == 0
    assert json.loads(out)["hash"] == read_video(video).hash


# --- the whole run, as a user starts it ------------------------------------------------------------------


def lab_command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "labkit", *map(str, args)]


@pytest.fixture(scope="module")
def script_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("script")
    (folder / "1.py").write_text(DEAD_ZONE)
    (folder / "2.py").write_text(RAISES)
    return folder


@pytest.mark.slow
def test_evolve_ends_with_table_report_and_notebooks(script_folder: Path, video: Path, tmp_path: Path) -> None:
    command = lab_command("evolve", "--clips", video.name, "--runs", tmp_path, "--anchors", "x265-medium",
                          "--generations", 2, "--candidates", 1, "--proposer", f"replay:{script_folder}")  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=video.parent)
    assert "champion: v" in done.stdout or "champion: none" in done.stdout
    for path in ("report.html", "notebooks/generation-000.ipynb", "notebooks/generation-002.ipynb"):
        assert (tmp_path / "small" / path).stat().st_size > 1000
    assert "the decoder gave up" in done.stderr
    started = time.monotonic()
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, cwd=video.parent)
    assert time.monotonic() - started < 60  # nothing is run twice
    assert json.loads(again.stdout)["entries"][0]["verdict"] == "adopted"
    assert not [path for path in (tmp_path / "small" / "notebooks").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_disturbed_evolve_leaves_no_process_and_goes_on(tmp_path: Path, video: Path, number: signal.Signals) -> None:
    folder = tmp_path / "script"
    folder.mkdir()
    (folder / "1.py").write_text(SLOW.replace("5_000_000", "1_500_000"))
    args = ("evolve", "--clips", video, "--runs", tmp_path / "runs", "--anchors", "none", "--held-out", "none",
            "--generations", 1, "--candidates", 1, "--no-cache", "--proposer", f"replay:{folder}")  # fmt: skip
    process = subprocess.Popen(lab_command(*args), stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_candidate(tmp_path / "runs" / "small", process)
    started_by_it = psutil.Process(process.pid).children(recursive=True)
    assert len(started_by_it) >= 3  # kernel, warden, nursery
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode == {signal.SIGTERM: 143}.get(number, -number)
    _, alive = psutil.wait_procs(started_by_it, timeout=60)
    assert alive == []
    (folder / "1.py").write_text("raise SystemExit('was asked again')")  # the recorded proposal is used, not this
    done = subprocess.run([*lab_command(*args), "--json"], capture_output=True, text=True, check=True)
    entries = json.loads(done.stdout)["entries"]
    assert [entry["number"] for entry in entries] == [0, 1]
    assert entries[1]["verdict"] == "rejected"


@pytest.mark.slow
def test_a_kernel_that_dies_is_one_line_and_the_same_command_goes_on(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "script"
    folder.mkdir()
    (folder / "1.py").write_text(SLOW.replace("5_000_000", "1_500_000"))
    args = ("evolve", "--clips", video, "--runs", tmp_path / "runs", "--anchors", "none", "--held-out", "none",
            "--generations", 1, "--candidates", 1, "--no-cache", "--proposer", f"replay:{folder}")  # fmt: skip
    process = subprocess.Popen(lab_command(*args), stderr=subprocess.PIPE, text=True)
    wait_for_candidate(tmp_path / "runs" / "small", process)
    for kernel in psutil.Process(process.pid).children():
        kernel.kill()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (1, False), err
    assert "Kernel died; the same command goes on from here" in err.splitlines()[-1]
    subprocess.run(lab_command(*args), capture_output=True, check=True)


def wait_for_candidate(run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        text = (run / "progress.json").read_text() if (run / "progress.json").exists() else ""
        if '"candidate 1"' in text and "QP" in text:
            return
        time.sleep(0.05)
    raise AssertionError("the candidate never ran")


@pytest.mark.slow
def test_a_second_evolve_is_refused_with_the_first_ones_pid(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "script"
    folder.mkdir()
    (folder / "1.py").write_text(SLOW.replace("5_000_000", "1_500_000"))
    args = ("evolve", "--clips", video, "--runs", tmp_path / "runs", "--anchors", "none", "--held-out", "none",
            "--generations", 1, "--candidates", 1, "--no-cache", "--proposer", f"replay:{folder}")  # fmt: skip
    first = subprocess.Popen(lab_command(*args), stderr=subprocess.PIPE, text=True)
    try:
        wait_for_candidate(tmp_path / "runs" / "small", first)
        first.send_signal(signal.SIGSTOP)  # however fast the machine, it is in the middle
        second = subprocess.run(lab_command(*args), capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"is being run by process {first.pid}" in second.stderr
    finally:
        first.send_signal(signal.SIGCONT)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)


@pytest.mark.parametrize("name", ["../other", "..", "/elsewhere", "a/b"])
def test_a_campaign_is_one_folder_under_runs(call: Call, tmp_path: Path, name: str) -> None:
    code, _, error = call("evolve", "--runs", tmp_path / "runs", "--name", name, "--generations", 0)
    assert (code, error.count("\n")) == (2, 1), error
    assert f"--name {name!r} is not the name of one folder" in error
    assert not (tmp_path / "runs").exists()


def test_a_campaign_does_not_begin_without_the_persons_program(call: Call, tmp_path: Path, video: Path) -> None:
    runs, missing = tmp_path / "runs", tmp_path / "none.py"
    code, _, error = call("evolve", "--runs", runs, "--name", "x", "--clips", video, "--proposer", f"manual:{missing}")
    assert code == 2
    assert "none.py: No such file" in error
    assert not runs.exists()
