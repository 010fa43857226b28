"""Anchors: real encoders, counted bytes, real decoders, and points that are encoded once."""

import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
import pytest

from labkit.anchors import (
    ANCHORS,
    REFERENCE,
    AnchorShelf,
    AnchorSpec,
    Bitstream,
    build,
    cache_key,
    decode,
    encode,
    find,
    usual_priority,
)
from labkit.clip import Clip, frame_bytes
from labkit.errors import AnchorError
from labkit.footage.reading import read_video
from labkit.metrics import Distortion
from labkit.rd import RDCurve, bd_rate

ALL = pytest.mark.parametrize("spec", ANCHORS.values(), ids=list(ANCHORS))
TIMES = {"encode_s": 0.0, "decode_s": 0.0}


def moving(frames: int = 8, fps: Fraction = Fraction(25), width: int = 112, height: int = 80) -> Clip:
    """A smooth seeded texture that moves 2 samples a frame, with a little noise."""
    rng = np.random.default_rng(20261121)
    rows, columns = np.mgrid[0:height, 0 : width + 2 * frames]
    texture = 128 + 60 * np.sin(rows / 5) * np.cos(columns / 7) + 40 * np.sin((rows + columns) / 3)
    data = np.full((frames, frame_bytes(width, height)), 128, dtype=np.uint8)
    for index, row in enumerate(data):
        luma = texture[:, 2 * index : 2 * index + width] + rng.normal(0, 2, (height, width))
        row[: width * height] = np.clip(luma, 16, 235).reshape(-1)
    return Clip("moving", data, width, height, fps)


@dataclass
class CountingEncoder:
    """The real encoder, with a list of what it was asked for."""

    calls: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, spec: AnchorSpec, clip: Clip, crf: int) -> Bitstream:
        self.calls.append((spec.name, clip.name, crf))
        return encode(spec, clip, crf)


def muxed(spec: AnchorSpec, clip: Clip, crf: int, path: Path) -> bytes:
    """Return the file that FFmpeg's own muxer writes for the same settings."""
    with av.open(str(path), "w") as container, usual_priority():
        stream = container.add_stream(spec.encoder, rate=clip.fps, options={**spec.options, "crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / clip.fps
        for index, samples in enumerate(clip.data):
            frame = av.VideoFrame.from_ndarray(samples.reshape(-1, clip.width), format="yuv420p")
            frame.pts, frame.time_base = index, 1 / clip.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def nal_units(stream: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B stream, without start codes."""
    return [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1")][1:]


@pytest.mark.parametrize("name", ["x265-medium", "x265-slow"])
def test_x265_counts_every_byte_of_its_file(name: str, tmp_path: Path) -> None:
    clip, spec = moving(), ANCHORS[name]
    file = muxed(spec, clip, 27, tmp_path / "clip.hevc")
    bitstream = encode(spec, clip, 27)
    assert b"".join(bitstream.packets) == file
    assert bitstream.size == len(file)
    assert [unit for unit in nal_units(file) if unit[0] >> 1 in (39, 40)] == []  # no SEI at all: info=0 works


def test_x264_counts_every_byte_of_its_file_but_its_message(tmp_path: Path) -> None:
    clip, spec = moving(), ANCHORS["x264-medium"]
    file = muxed(spec, clip, 29, tmp_path / "clip.h264")
    counted = b"".join(encode(spec, clip, 29).packets)
    messages = [unit for unit in nal_units(file) if unit[0] & 31 == 6]
    assert len(messages) == 1
    assert b"x264 - core" in messages[0]
    assert nal_units(counted) == [unit for unit in nal_units(file) if unit not in messages]
    assert len(file) - len(counted) == len(messages[0]) + 3  # its start code is 3 bytes


@pytest.mark.parametrize("name", ["svt-av1", "vp9"])
def test_av1_and_vp9_count_their_file_without_the_container(name: str, tmp_path: Path) -> None:
    clip, spec = moving(), ANCHORS[name]
    crf = spec.crfs[1]
    file = muxed(spec, clip, crf, tmp_path / "clip.ivf")
    bitstream = encode(spec, clip, crf)
    assert bitstream.size == len(file) - 32 - 12 * len(clip)  # IVF: 32 bytes and 12 a frame


def test_x265_is_run_as_documented() -> None:
    spec = ANCHORS[REFERENCE]
    shown = replace(
        spec, options={**spec.options, "x265-params": spec.options["x265-params"].replace("info=0", "info=1")}
    )
    message = b"".join(encode(shown, moving(), 27).packets)
    for setting in (
        "psy-rd=0.00",
        "psy-rdoq=0.00",
        "frame-threads=1",
        "keyint=999",
        "crf=27.0",
        "fps=25/1",
        "bframes=4",
    ):
        assert f" {setting} ".encode() in message, setting


def test_x264_is_run_as_documented(tmp_path: Path) -> None:
    message = muxed(ANCHORS["x264-medium"], moving(), 29, tmp_path / "clip.h264")
    for setting in ("psy=0", "threads=1", "keyint=999", "crf=29.0", "subme=7", "bframes=3"):
        assert f" {setting} ".encode() in message, setting


@ALL
def test_the_same_frames_give_the_same_stream_and_every_frame_its_bytes(spec: AnchorSpec) -> None:
    clip = moving()
    first, second = encode(spec, clip, spec.crfs[1]), encode(spec, clip, spec.crfs[1])
    assert first.sha256 == second.sha256
    assert sum(first.frame_bytes) == first.size
    assert len(first.frame_bytes) == len(clip)
    assert first.frame_bytes[0] == max(first.frame_bytes)  # the only key frame


@ALL
def test_there_is_one_key_frame_even_in_ten_seconds(spec: AnchorSpec) -> None:
    clip = moving(260)
    key_frames = 0
    decoder = av.CodecContext.create(spec.decoder, "r")
    for payload in (*encode(spec, clip, spec.crfs[-1]).packets, None):
        key_frames += sum(frame.key_frame for frame in decoder.decode(None if payload is None else av.Packet(payload)))
    assert key_frames == 1


@ALL
def test_points_rise_in_rate_and_psnr_and_are_measured_from_decoded_bytes(spec: AnchorSpec, tmp_path: Path) -> None:
    clip = moving()
    points = AnchorShelf(tmp_path, Distortion).curve(clip, spec.name)
    RDCurve.of(spec.name, points).check()
    assert tuple(point.qp for point in points) == spec.crfs
    assert 38 < points[0].psnr_db < 52
    point = points[2]
    bitstream = encode(spec, clip, point.qp)
    measured = Distortion(clip.width, clip.height)
    for index, frame in enumerate(decode(spec, bitstream, clip.width, clip.height)):
        measured.add(clip.frame(index), frame)
    quality = measured.result()
    assert (point.bytes, point.bitstream_sha256) == (bitstream.size, bitstream.sha256)
    assert (point.psnr_db, point.ssim, point.frame_psnr_y_db) == (
        quality.psnr_db,
        quality.ssim,
        quality.frame_psnr_y_db,
    )
    assert (point.candidate, point.clip, point.clip_hash) == (f"anchor:{spec.name}", "moving", clip.hash)
    assert point.rate_kbps == bitstream.size * 8 * 25 / 8 / 1000


@ALL
@pytest.mark.parametrize("frames", [1, 2])
def test_short_clips_are_coded(spec: AnchorSpec, frames: int) -> None:
    clip = moving(frames)
    assert len(list(decode(spec, encode(spec, clip, spec.crfs[2]), clip.width, clip.height))) == frames


@ALL
def test_no_thread_is_left_with_a_priority_above_all_others(spec: AnchorSpec) -> None:
    """Run by root, SVT-AV1 takes SCHED_FIFO 99 for its threads and the caller's; children would inherit it."""
    before = os.sched_getscheduler(0)
    encode(spec, moving(2), spec.crfs[0])
    tasks = Path("/proc/self/task").iterdir()
    assert {os.sched_getscheduler(int(thread.name)) for thread in tasks} == {before}


def test_an_encoder_that_fails_leaves_no_priority_either() -> None:
    def fail() -> None:
        with usual_priority():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
            raise RuntimeError("does not open")

    before = os.sched_getscheduler(0)
    try:
        with pytest.raises(RuntimeError, match="does not open"):
            fail()
    except PermissionError:
        pytest.skip("needs a user who may take a real-time priority")
    assert os.sched_getscheduler(0) == before


def test_decoding_is_a_stream_of_frames() -> None:
    spec, clip = ANCHORS[REFERENCE], moving()
    frames = decode(spec, encode(spec, clip, 27), clip.width, clip.height)
    assert isinstance(frames, Iterator)
    assert [plane.shape for plane in next(frames)] == [(80, 112), (40, 56), (40, 56)]


def test_the_true_frame_rate_reaches_the_encoder() -> None:
    slow, fast = (encode(ANCHORS[REFERENCE], moving(fps=Fraction(fps)), 32).size for fps in (10, 100))
    assert fast < slow  # x265 spends less on a frame that is seen for a shorter time


def test_a_second_call_encodes_nothing(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    first = AnchorShelf(tmp_path / "new" / "folder", Distortion, encoder).curve(moving(), "x264-medium")
    assert encoder.calls == [("x264-medium", "moving", crf) for crf in ANCHORS["x264-medium"].crfs]
    second = AnchorShelf(tmp_path / "new" / "folder", Distortion, encoder).curve(moving(), "x264-medium")
    assert second == first
    assert len(encoder.calls) == 5


def test_the_same_video_under_another_name_is_known(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    shelf, spec = AnchorShelf(tmp_path, Distortion, encoder), ANCHORS["x264-medium"]
    kept = shelf.point(moving(), spec, 29)
    other = shelf.point(replace(moving(), name="other"), spec, 29)
    assert other == replace(kept, clip="other")
    assert len(encoder.calls) == 1


def test_whatever_changes_the_result_changes_the_key() -> None:
    clip, spec = moving(), ANCHORS["x264-medium"]
    touched = replace(clip, data=clip.data.copy())
    touched.data[3, 7] ^= 1
    keys = {
        cache_key(clip, spec, 29),
        cache_key(clip, spec, 30),
        cache_key(touched, spec, 29),
        cache_key(clip.head(7), spec, 29),
        cache_key(replace(clip, fps=Fraction(30000, 1001)), spec, 29),
        cache_key(clip, replace(spec, options={**spec.options, "preset": "slow"}), 29),
        cache_key(clip, ANCHORS["vp9"], 29),
    }
    assert len(keys) == 7
    assert cache_key(replace(moving(), name="other"), replace(spec, crfs=(1, 2)), 29) == cache_key(clip, spec, 29)
    assert json.loads(cache_key(clip, spec, 29))["build"] == build(spec)


@ALL
def test_the_build_names_pyav_and_libavcodec(spec: AnchorSpec) -> None:
    assert f"PyAV {av.__version__}, " in build(spec)
    assert ".".join(map(str, av.library_versions["libavcodec"])) in build(spec)


def damaged_texts(text: str) -> dict[str, bytes]:
    kept = json.loads(text)
    cheaper = {**kept, "point": {**kept["point"], "bytes": kept["point"]["bytes"] - 1}}
    return {
        "empty": b"",
        "cut": text[: len(text) // 2].encode(),
        "not UTF-8": b"\xff\xfe",
        "a list": b"[]",
        "no key": b"{}",
        "changed by hand": json.dumps(cheaper).encode(),
        "of another clip": json.dumps({**kept, "key": kept["key"].replace("moving", "x") + " "}).encode(),
    }


def test_a_damaged_or_foreign_file_is_made_again_and_said_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = CountingEncoder()
    shelf, spec = AnchorShelf(tmp_path, Distortion, encoder), ANCHORS["x264-medium"]
    good = replace(shelf.point(moving(), spec, 29), **TIMES)
    (file,) = tmp_path.iterdir()
    for kind, text in damaged_texts(file.read_text()).items():
        file.write_bytes(text)
        encoder.calls.clear()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert replace(shelf.point(moving(), spec, 29), **TIMES) == good, kind
        assert len(encoder.calls) == 1, kind
        assert file.name in caplog.text, kind
        assert "measured again" in caplog.text, kind
        shelf.point(moving(), spec, 29)
        assert len(encoder.calls) == 1, kind


def measure_in_another_process(folder: Path) -> list[dict[str, object]]:
    points = AnchorShelf(folder, Distortion).curve(moving(), "x264-medium")
    return [vars(replace(point, **TIMES)) for point in points]


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first, second = pool.map(measure_in_another_process, [tmp_path, tmp_path])
    assert first == second
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 5
    encoder = CountingEncoder()
    AnchorShelf(tmp_path, Distortion, encoder).curve(moving(), "x264-medium")
    assert encoder.calls == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnchorError, match=r"anchor cache .*file.*choose a folder you may write to"):
        AnchorShelf(tmp_path / "file", Distortion).curve(moving(2), "x264-medium")


def test_an_unknown_anchor_names_those_there_are() -> None:
    with pytest.raises(AnchorError, match="no anchor is called 'x266'; there are x265-medium, x265-slow, x264-medium"):
        find("x266")


@pytest.mark.parametrize("missing", [{"encoder": "libvvenc2"}, {"decoder": "libvvdec2"}])
def test_a_missing_encoder_names_those_that_run(missing: dict[str, str]) -> None:
    spec = replace(ANCHORS["vp9"], name="vvenc", **missing)
    with pytest.raises(AnchorError, match=r"vvenc needs encoder .*lacks one; anchors it can run: x265-medium, "):
        encode(spec, moving(1), 30)


def test_a_mistyped_option_is_not_ignored() -> None:
    spec = replace(ANCHORS["x264-medium"], options={"presett": "slow"})
    with pytest.raises(AnchorError, match=r"libx264 does not know \{'presett': 'slow'\}"):
        encode(spec, moving(1), 29)


def test_a_clip_too_small_for_x265_is_refused_before_it_crashes() -> None:
    with pytest.raises(AnchorError, match=r"\(48x48, 2 frames\) at CRF 27: both sides must be at least 64"):
        encode(ANCHORS[REFERENCE], moving(2, width=48, height=48), 27)


@pytest.mark.parametrize(
    ("name", "crf", "fps"), [("vp9", 99, Fraction(25)), ("x264-medium", 29, Fraction(2**40 + 1, 2**33))]
)
def test_what_the_encoder_refuses_is_told(name: str, crf: int, fps: Fraction) -> None:
    with pytest.raises(AnchorError, match=rf"anchor {name} on moving \(112x80, 1 frames\) at CRF {crf}: lib.* failed"):
        encode(ANCHORS[name], moving(1, fps), crf)


def test_a_stream_that_loses_a_frame_is_no_point(tmp_path: Path) -> None:
    def forgetful(spec: AnchorSpec, clip: Clip, crf: int) -> Bitstream:
        return encode(spec, clip.head(len(clip) - 1), crf)

    with pytest.raises(AnchorError, match="7 frames came out of the decoder, 8 went into the encoder"):
        AnchorShelf(tmp_path, Distortion, forgetful).curve(moving(), "vp9")
    with pytest.raises(AnchorError, match="9 frames came out of the decoder, 8 went into the encoder"):
        AnchorShelf(tmp_path, Distortion, lambda spec, clip, crf: encode(spec, moving(9), crf)).curve(moving(), "vp9")
    assert list(tmp_path.iterdir()) == []


def test_a_stream_of_another_size_or_of_rubbish_is_no_point() -> None:
    spec = ANCHORS["vp9"]
    with pytest.raises(AnchorError, match=r"vp9 decodes to .*112, 80.*expected yuv420p 64x64"):
        list(decode(spec, encode(spec, moving(1), 40), 64, 64))
    with pytest.raises(AnchorError, match="decoder vp9 failed"):
        list(decode(spec, Bitstream((b"\x12rubbish",), (8,)), 64, 64))


@pytest.mark.slow
def test_encoders_keep_their_known_order_on_real_clips(real_clips: Path, tmp_path: Path) -> None:
    shelf = AnchorShelf(tmp_path, Distortion)
    gains: dict[str, list[float]] = {name: [] for name in ANCHORS}
    for name in ("carphone_176x144", "bmx_432x240", "seeking_360x240"):
        clip = read_video(real_clips / f"{name}.mp4", frames=17)
        curves = {anchor: RDCurve.of(anchor, shelf.curve(clip, anchor)) for anchor in ANCHORS}
        for anchor, curve in curves.items():
            gains[anchor].append(bd_rate(curves[REFERENCE], curve))
    print(gains)
    mean = {anchor: float(np.mean(values)) for anchor, values in gains.items()}
    assert mean["x265-slow"] < -5
    assert mean["svt-av1"] < -5
    assert mean["x264-medium"] > 5
    assert max(gains["x265-slow"]) < 0
