"""Any video becomes a clip, bit-exact where it can be, and whatever is changed or wrong is said."""

import functools
import hashlib
import http.server
import json
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from labkit.clip import frame_bytes, split_planes
from labkit.errors import ClipError
from labkit.footage.conversion import Conversion
from labkit.footage.library import add_clip, find_clips, list_clips
from labkit.footage.reading import read_video
from labkit.footage.synthetic import SYNTHETIC, synthetic_clip
from labkit.footage.y4m import write_y4m

NTSC = Fraction(30000, 1001)


def moving(frames=12, width=64, height=48, seed=1):
    """Return uint8 (frames, width * height * 3 / 2): a pattern that moves, in limited range."""
    texture = np.random.default_rng(seed).integers(16, 236, (height + frames, width + frames), dtype=np.uint8)
    rows = np.full((frames, frame_bytes(width, height)), 128, np.uint8)
    for index, row in enumerate(rows):
        y, u, v = split_planes(row, width, height)
        y[:] = texture[index : index + height, index : index + width]
        u[:] = 100 + index
        v[:] = y[::2, ::2] // 2 + 60
    return rows


def encode(path, rows, width=64, height=48, codec="ffv1", rate=NTSC, times=None, options=None, muxer=None):
    """Write 4:2:0 rows with a real encoder; `times` are presentation times in units of 1 / rate."""
    with av.open(path, "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, row in enumerate(rows):
            frame = av.VideoFrame.from_ndarray(row.reshape(height * 3 // 2, width), "yuv420p")
            frame.pts, frame.time_base = (times or range(len(rows)))[index], 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def encode_frames(path, frames, codec="ffv1", rate=25):
    """Write PyAV frames of any format and size; tags of the first are kept."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate)
        first = frames[0]
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        stream.codec_context.color_range = first.color_range
        stream.codec_context.colorspace = first.colorspace
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def planar(pix_fmt, width, height, values, dtype=np.uint8):
    """Return a PyAV frame; `values(plane, shape)` gives the samples of each plane."""
    frame = av.VideoFrame(width, height, pix_fmt)
    for index, plane in enumerate(frame.planes):
        samples = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        samples[:, : plane.width] = values(index, (plane.height, plane.width))
        plane.update(samples.tobytes())
    return frame


def ramp(_, shape):
    """All sample values from 0 to 255, again and again."""
    return np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape) % 256


def flat(*levels):
    return lambda plane, shape: np.full(shape, levels[plane])


def levels_of(clip):
    """Return the single value of each plane of the first frame."""
    assert all(np.ptp(plane) == 0 for plane in clip.frame(0))
    return tuple(int(plane[0, 0]) for plane in clip.frame(0))


# ---- bit-exact where nothing has to change


@pytest.mark.slow
def test_real_clips_decode_to_their_published_hashes(real_clips):
    for entry in json.loads((real_clips / "clips.json").read_text())["clips"]:
        clip = read_video(real_clips / entry["file"])
        assert hashlib.sha256(clip.data).hexdigest() == entry["yuv_sha256"]
        assert (clip.width, clip.height, len(clip)) == (entry["width"], entry["height"], entry["frames"])
        assert (clip.name, clip.matrix, clip.notes) == (entry["name"], entry["matrix"], ())
        assert float(clip.fps) == pytest.approx(entry["fps"], abs=0.01)


@pytest.mark.parametrize(
    ("codec", "ending", "options"),
    [
        ("ffv1", "mkv", {}),
        ("rawvideo", "avi", {}),
        ("libx264", "mp4", {"qp": "0"}),  # with B-frames: decoding order is not presentation order
        ("libx265", "mp4", {"x265-params": "lossless=1:log-level=none"}),
    ],
)
def test_lossless_video_comes_back_bit_by_bit_with_its_exact_rate(tmp_path, codec, ending, options):
    rows = moving()
    clip = read_video(encode(tmp_path / f"a.{ending}", rows, codec=codec, options=options))
    assert np.array_equal(clip.data, rows)
    assert (clip.fps, clip.notes, clip.name, clip.origin) == (NTSC, (), "a", f"a.{ending}")


def test_only_the_frames_asked_for_are_read(tmp_path):
    path = encode(tmp_path / "a.mkv", moving())
    assert np.array_equal(read_video(path, frames=5).data, moving()[:5])


def test_fewer_frames_than_asked_for_is_noted(tmp_path):
    clip = read_video(encode(tmp_path / "a.mkv", moving()), frames=20, name="mine")
    assert (len(clip), clip.name, clip.notes) == (12, "mine", ("20 frames were asked for, the file has 12",))


def test_one_frame_is_a_clip(tmp_path):
    assert len(read_video(encode(tmp_path / "a.mp4", moving(1), codec="libx264"))) == 1


def test_frames_that_an_edit_list_cuts_away_are_not_missed(tmp_path):
    options = {"qp": "0", "bf": "0"}
    path = encode(tmp_path / "a.mp4", moving(), codec="libx264", options=options, times=range(-3, 9))
    with av.open(path) as container:
        assert container.streams.video[0].frames == 12
    clip = read_video(path)
    assert np.array_equal(clip.data, moving()[3:])
    assert clip.notes == ()


def test_a_raw_stream_gives_the_rate_that_its_codec_names(tmp_path):
    path = encode(tmp_path / "a.h264", moving(), codec="libx264")
    assert read_video(path).fps == NTSC


def test_y4m_reads_back_bit_by_bit(tmp_path):
    rows = moving()
    write_y4m(tmp_path / "a.y4m", (split_planes(row, 64, 48) for row in rows), 64, 48, NTSC)
    clip = read_video(tmp_path / "a.y4m")
    assert np.array_equal(clip.data, rows)
    assert (clip.fps, clip.notes) == (NTSC, ())
    assert (tmp_path / "a.y4m").stat().st_size == len(b"YUV4MPEG2 W64 H48 F30000:1001 Ip A1:1 C420mpeg2 ") + len(
        b"XCOLORRANGE=LIMITED\n"
    ) + len(rows) * (6 + frame_bytes(64, 48))


def test_y4m_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.y4m"
    path.write_text("old")
    rows = [split_planes(moving(1)[0], 64, 48), split_planes(moving(1, 32, 48)[0], 32, 48)]
    with pytest.raises(ValueError, match=r"frame 1 has planes .*\(48, 32\).*expected uint8 \(48, 64\)"):
        write_y4m(path, rows, 64, 48, NTSC)
    with pytest.raises(ValueError, match="no frame was given"):
        write_y4m(path, [], 64, 48, NTSC)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


# ---- what has to change is changed once, and said


def test_full_range_becomes_limited_by_the_formula(tmp_path):
    frame = planar("yuv420p", 32, 32, ramp)
    frame.color_range = 2
    clip = read_video(encode_frames(tmp_path / "a.mkv", [frame]))
    y, u, v = (plane.ravel()[:256].astype(int) for plane in clip.frame(0))
    x = np.arange(256)
    assert np.array_equal(y, np.floor(16 + x * 219 / 255 + 0.5))
    assert np.array_equal(u, np.floor(128 + (x - 128) * 224 / 255 + 0.5))
    assert np.array_equal(u, v)
    assert clip.notes == ("converted full range (0-255) to limited range (luma 16-235, chroma 16-240)",)


def test_motion_jpeg_is_full_range(tmp_path):
    clip = read_video(encode_frames(tmp_path / "a.avi", [planar("yuvj420p", 32, 32, flat(255, 0, 255))], codec="mjpeg"))
    assert levels_of(clip) == (235, 16, 240)


def test_ten_bits_are_rounded_to_the_nearest_of_eight(tmp_path):
    frame = planar("yuv420p10le", 64, 64, lambda _, shape: np.arange(64).reshape(1, -1)[:, : shape[1]] + 400, "<u2")
    clip = read_video(encode_frames(tmp_path / "a.mkv", [frame]))
    assert np.array_equal(clip.frame(0)[0][9], (np.arange(400, 464) + 2) // 4)
    assert np.array_equal(clip.frame(0)[2][9], (np.arange(400, 432) + 2) // 4)
    assert clip.notes == ("converted yuv420p10le to yuv420p, 10 bits rounded to 8",)


def test_ten_bit_hevc_is_read(tmp_path):
    frames = [planar("yuv420p10le", 64, 64, flat(401, 514, 1023), "<u2") for _ in range(3)]
    with av.open(tmp_path / "a.mp4", "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "lossless=1:log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert levels_of(read_video(tmp_path / "a.mp4")) == (100, 129, 255)


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv422p", "yuv411p"])
def test_other_subsampling_keeps_the_levels(tmp_path, pix_fmt):
    clip = read_video(encode_frames(tmp_path / "a.mkv", [planar(pix_fmt, 64, 48, flat(90, 60, 200))]))
    assert levels_of(clip) == (90, 60, 200)
    assert clip.notes == (f"converted {pix_fmt} to yuv420p",)


@pytest.mark.parametrize(("color_range", "luma"), [(0, 102), (2, 102), (1, 100)])
def test_gray_is_full_range_unless_tagged(color_range, luma):
    frame = planar("gray", 64, 48, flat(100))
    frame.color_range = color_range
    planes = split_planes(np.zeros(frame_bytes(64, 48), np.uint8), 64, 48)
    Conversion.of(frame, {}).write(frame, planes)
    assert [np.unique(plane).tolist() for plane in planes] == [[luma], [128], [128]]


@pytest.mark.parametrize(("height", "levels", "matrix"), [(48, (81, 90, 240), "bt601"), (720, (63, 102, 240), "bt709")])
def test_red_png_becomes_limited_yuv_by_the_usual_matrix(tmp_path, height, levels, matrix):
    red = av.VideoFrame.from_ndarray(np.full((height, 64, 3), (255, 0, 0), np.uint8), "rgb24")
    clip = read_video(encode_frames(tmp_path / "a.png", [red], codec="png"))
    assert levels_of(clip) == levels
    assert (clip.matrix, clip.notes) == (matrix, (f"converted rgb24 to yuv420p with the {matrix} matrix",))


def test_animated_gif_keeps_its_rate(tmp_path):
    frames = [planar("rgb8", 64, 48, flat(0)) for _ in range(5)]
    clip = read_video(encode_frames(tmp_path / "a.gif", frames, codec="gif", rate=10))
    assert (clip.fps, len(clip), levels_of(clip)) == (10, 5, (16, 128, 128))
    assert clip.notes == ("converted bgra to yuv420p with the bt601 matrix, transparency dropped",)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_odd_sizes_are_cropped_at_the_right_and_bottom(tmp_path, pix_fmt):
    clip = read_video(encode_frames(tmp_path / "a.mkv", [planar(pix_fmt, 65, 49, ramp)]))
    assert (clip.width, clip.height) == (64, 48)
    expected = (np.arange(65 * 49) % 256).reshape(49, 65)
    assert np.array_equal(clip.frame(0)[0], expected[:48, :64])
    if pix_fmt == "yuv420p":
        assert np.array_equal(clip.frame(0)[1], (np.arange(33 * 25) % 256).reshape(25, 33)[:24, :32])
    assert "cropped 65x49 to 64x48" in clip.notes


@pytest.mark.parametrize(("tag", "matrix"), [(1, "bt709"), (5, "bt601"), (6, "bt601"), (9, "bt709")])
def test_matrix_comes_from_the_tag_before_the_index(tmp_path, tag, matrix):
    frame = planar("yuv420p", 64, 48, ramp)
    frame.colorspace = tag
    path = encode_frames(tmp_path / "a.mkv", [frame])
    other = {"bt601": "bt709", "bt709": "bt601"}[matrix]
    write_index(tmp_path, name="a", file="a.mkv", matrix=other)
    clip = read_video(path)
    assert clip.matrix == matrix
    assert (("BT.2020 colours are shown as if they were BT.709",) if tag == 9 else ()) == clip.notes


def test_index_gives_name_matrix_and_range_where_there_is_no_tag(tmp_path):
    path = encode_frames(tmp_path / "a.mkv", [planar("yuv420p", 64, 48, flat(255, 0, 128))])
    write_index(tmp_path, name="bright", file="a.mkv", matrix="bt709", range="full")
    clip = read_video(path)
    assert (clip.name, clip.matrix, levels_of(clip)) == ("bright", "bt709", (235, 16, 128))


def test_interlaced_is_noted(tmp_path):
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1:tff=1"}
    clip = read_video(encode(tmp_path / "a.mp4", moving(3), codec="libx264", options=options))
    assert clip.notes == ("interlaced: both fields stay in one frame, nothing was deinterlaced",)


def test_rotation_is_noted(tmp_path):
    with av.open(tmp_path / "a.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        container.mux(stream.encode(planar("yuv420p", 64, 48, ramp)))
        container.mux(stream.encode())
    clip = read_video(tmp_path / "a.mp4")
    assert (clip.width, clip.height) == (64, 48)
    assert len(clip.notes) == 1
    assert clip.notes[0].endswith("90 degrees in the metadata ignored")


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_variable_frame_rate_is_noted(tmp_path, ending):
    path = encode(tmp_path / f"a.{ending}", moving(4), codec="libx264", rate=Fraction(10), times=[0, 1, 4, 5])
    (note,) = read_video(path).notes
    assert note.startswith("variable frame rate: frames are 100.0 to 300.0 ms apart, taken as ")


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), NTSC, Fraction(60), Fraction(120)])
def test_rounded_times_are_not_a_variable_rate(tmp_path, rate):
    assert read_video(encode(tmp_path / "a.mkv", moving(30), rate=rate)).notes == ()


# ---- what cannot be read is refused in one line: what, which file, what to do


def write_index(folder, **entry):
    (folder / "clips.json").write_text(json.dumps({"clips": [entry]}))


def refusal(path, **options):
    """Return the text of the ClipError that reading `path` ends with."""
    with pytest.raises(ClipError) as caught:
        read_video(path, **options)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_missing_file(tmp_path):
    assert "no such file; check the path" in refusal(tmp_path / "a.mp4")


def test_folder(tmp_path):
    assert "is a folder, not a video" in refusal(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert "the file is empty (0 bytes)" in refusal(tmp_path / "a.mp4")


@pytest.mark.parametrize("ending", ["txt", "mp4", "json"])
def test_text_file(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.write_text("forty-two lines of text\n" * 42)
    assert ("is a text file" if ending == "txt" else "cannot be read as a video") in refusal(path)


@pytest.mark.parametrize("cover", [False, True])
def test_sound_only(tmp_path, cover):
    path = tmp_path / "a.m4a"
    with av.open(path, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        if cover:
            art = container.add_stream("png", rate=25)
            art.width, art.height, art.pix_fmt, art.disposition = 64, 48, "rgb24", Disposition.attached_pic
            container.mux(art.encode(planar("rgb24", 64, 48, lambda *_: 0)))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    only = "a cover picture and audio" if cover else "audio"
    assert f"holds no moving pictures, only {only}; give a video" in refusal(path)


@pytest.mark.parametrize("frames", [0, -3])
def test_no_frames_asked_for(tmp_path, frames):
    assert f"{frames} frames were asked for; ask for at least 1" in refusal(tmp_path / "a.mp4", frames=frames)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_mp4_without_its_index_cannot_be_opened(tmp_path):
    path = cut(encode(tmp_path / "a.mp4", moving(), codec="libx264"), 0.5)
    assert "it is damaged, cut off or not one" in refusal(path)


def test_mp4_cut_in_the_middle_is_refused_but_its_good_frames_can_be_had(tmp_path):
    options = {"qp": "0", "bf": "0"}
    path = encode(tmp_path / "a.mp4", moving(), codec="libx264", options=options, muxer={"movflags": "faststart"})
    text = refusal(cut(path, 0.5))
    good = int(text.split("breaks off after ")[1].split()[0])
    assert 3 <= good <= 8
    assert f"get a whole copy, or take the good ones with --frames {good}" in text
    assert np.array_equal(read_video(path, frames=good).data, moving()[:good])


def test_container_that_counts_more_frames_than_it_has_is_refused(tmp_path):
    path = encode(tmp_path / "a.avi", moving(), codec="rawvideo")
    start = path.read_bytes().find(b"00dc", 5 * frame_bytes(64, 48))  # the sixth frame
    path.write_bytes(path.read_bytes()[:start])
    text = refusal(path)
    assert "the container promises 12" in text
    assert len(read_video(path, frames=int(text.rsplit("--frames ", 1)[1]))) > 0


def test_matroska_with_a_missing_end_says_so(tmp_path):
    clip = read_video(cut(encode(tmp_path / "a.mkv", moving(30)), 0.5))
    assert 10 < len(clip) < 20
    (note,) = clip.notes
    assert note.startswith("the file promises 1.00 s but its pictures end after 0.")


def test_damage_in_the_middle_is_refused_with_the_number_of_good_frames(tmp_path):
    path = encode_frames(tmp_path / "a.avi", [planar("yuvj420p", 64, 48, ramp) for _ in range(12)], codec="mjpeg")
    pieces = path.read_bytes().split(b"\xff\xd8")  # a JPEG picture begins with these two bytes
    pieces[8] = bytes(len(pieces[8]) // 2) + pieces[8][len(pieces[8]) // 2 :]
    path.write_bytes(b"\xff\xd8".join(pieces))
    assert "breaks off after 7 good frames" in refusal(path)
    assert len(read_video(path, frames=7)) == 7


def test_change_of_size_is_refused(tmp_path):
    parts = [encode(tmp_path / f"{width}.h264", moving(3, width), width, codec="libx264") for width in (64, 96)]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert "changes from 64x48 yuv420p to 96x48 yuv420p at frame 3" in refusal(path)
    assert len(read_video(path, frames=3)) == 3


@pytest.mark.parametrize("ending", ["mp4", "h264"])  # one counts its frames beforehand, the other does not
def test_clip_that_would_not_fit_is_refused_with_what_would(tmp_path, ending):
    path = encode(tmp_path / f"a.{ending}", moving(12, 640, 480), 640, 480, codec="libx264")
    text = refusal(path, limit_mib=2)
    assert "frames of 640x480 need" in text
    assert "the limit is 2 MiB; take fewer with --frames 4" in text
    assert len(read_video(path, frames=4, limit_mib=2)) == 4


def test_index_that_is_not_one_is_refused(tmp_path):
    path = encode(tmp_path / "a.mkv", moving(1))
    (tmp_path / "clips.json").write_text("{")
    with pytest.raises(ClipError, match=r"clips\.json: not a list of clips"):
        read_video(path)
    write_index(tmp_path, name="a", file="a.mkv", matrix="bt2020")
    with pytest.raises(ClipError, match="matrix is 'bt2020'; it must be one of bt601, bt709"):
        read_video(path)


# ---- over the network


@pytest.fixture
def served(tmp_path):
    """A folder and the address under which it is served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_url_is_read_bit_by_bit(served):
    folder, address = served
    encode(folder / "my clip.mkv", moving())
    clip = read_video(f"{address}/my%20clip.mkv?x=1")
    assert np.array_equal(clip.data, moving())
    assert (clip.name, clip.origin) == ("my clip", f"{address}/my%20clip.mkv?x=1")


def test_url_of_an_mp4_whose_index_is_at_its_end_from_a_server_that_cannot_seek(served):
    folder, address = served
    encode(folder / "late.mp4", moving(), codec="libx264", options={"qp": "0"})
    assert (folder / "late.mp4").read_bytes().find(b"moov") > (folder / "late.mp4").read_bytes().find(b"mdat")
    assert np.array_equal(read_video(f"{address}/late.mp4").data, moving())


def test_url_of_an_empty_file(served):
    (served[0] / "empty.mp4").touch()
    assert "empty" in refusal(f"{served[1]}/empty.mp4")


def test_url_that_is_not_there(served):
    assert "404" in refusal(f"{served[1]}/none.mp4")


def test_server_that_is_not_there():
    assert "refused" in refusal("http://127.0.0.1:9/a.mp4")


# ---- finding, listing and keeping clips


@pytest.fixture
def library(tmp_path, monkeypatch):
    """An empty library, and no other folder of clips."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABKIT_CLIPS", raising=False)
    return tmp_path / "home" / "clips"


def no_clip(*specs):
    with pytest.raises(ClipError) as caught:
        find_clips(specs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_builtin_is_every_procedural_clip(library):
    clips = find_clips(["builtin"], frames=1)
    assert [clip.name for clip in clips] == list(SYNTHETIC)
    assert find_clips(["builtin:shapes"], frames=1)[0].hash == clips[1].hash


def test_path_folder_url_and_name_all_lead_to_the_clip(library, served):
    folder, address = served
    path = encode(folder / "walk.mkv", moving())
    (folder / "readme.txt").write_text("not a clip")
    add_clip(path, "kept")
    found = find_clips([str(path), str(folder), f"{address}/walk.mkv", "kept"])
    assert {clip.hash for clip in found} == {read_video(path).hash}
    assert [clip.name for clip in found] == ["walk", "walk-2", "walk-3", "kept"]


def test_folder_is_read_in_the_order_of_its_index_else_by_name(library, tmp_path):
    for name in ("b", "a", "c"):
        encode(tmp_path / f"{name}.mkv", moving(1))
    assert [clip.name for clip in find_clips([str(tmp_path)])] == ["a", "b", "c"]
    entries = [{"name": "second", "file": "c.mkv"}, {"name": "first", "file": "a.mkv"}]
    (tmp_path / "clips.json").write_text(json.dumps({"clips": entries}))
    assert [clip.name for clip in find_clips([str(tmp_path)])] == ["second", "first"]


def test_folder_without_videos(library, tmp_path):
    assert "no video in this folder; known endings are .mp4" in no_clip(str(tmp_path))


def test_unknown_names_say_where_was_looked_and_what_is_near(library, tmp_path):
    add_clip(encode(tmp_path / "a.mkv", moving()), "foreman")
    text = no_clip("forman")
    assert str(library) in text
    assert text.endswith("did you mean 'foreman'?")
    assert no_clip("photo_pann").endswith("did you mean 'builtin:photo_pan'?")
    assert "no synthetic clip 'shape'; did you mean 'shapes'?" in no_clip("builtin:shape")
    assert "did you mean" not in no_clip("/nowhere/zzz.mp4")


def test_kept_clip_is_the_same_with_its_notes_origin_and_odd_rate(library, tmp_path):
    frame = planar("yuv444p", 65, 49, ramp)
    frame.colorspace = 1
    path = encode_frames(tmp_path / "my film.mkv", [frame] * 3)
    write_index(tmp_path, name="my film", file="my film.mkv", fps_exact="12345/678")
    info = add_clip(path)
    (kept,) = find_clips(["my_film"])
    assert np.array_equal(kept.data, read_video(path).data)
    assert kept.notes == ("converted yuv444p to yuv420p", "cropped 65x49 to 64x48") == info.notes
    assert (kept.origin, kept.matrix, info.name, info.source) == ("my film.mkv", "bt709", "my_film", "library")
    (entry,) = json.loads((library / "clips.json").read_text())["clips"]
    assert (entry["hash"], entry["fps_exact"]) == (kept.hash, str(kept.fps))
    assert entry["yuv_sha256"] == hashlib.sha256(kept.data).hexdigest()
    assert sorted(file.name for file in library.iterdir()) == ["clips.json", "my_film.mkv"]


@pytest.mark.parametrize("rate", [NTSC, Fraction(15), Fraction(12345, 678)])
def test_kept_clip_has_its_exact_rate(library, tmp_path, rate):
    write_y4m(tmp_path / "a.y4m", [split_planes(row, 64, 48) for row in moving()], 64, 48, rate)
    add_clip(tmp_path / "a.y4m")
    (kept,) = find_clips(["a"])
    assert (kept.fps, kept.hash) == (rate, read_video(tmp_path / "a.y4m").hash)


def test_taken_name_is_refused_and_says_whether_it_is_the_same_clip(library, tmp_path):
    path = encode(tmp_path / "a.mkv", moving())
    add_clip(path)
    with pytest.raises(ClipError, match="has 'a' already, with the same frames; there is nothing to add"):
        add_clip(path)
    with pytest.raises(ClipError, match=r"another clip called 'a' .*give this one another name"):
        add_clip(path, frames=3)
    assert len(find_clips(["a"])[0]) == 12


@pytest.mark.parametrize("name", ["../a", "a/b", ".hidden", "builtin", "a b"])
def test_unfit_name_is_refused(library, tmp_path, name):
    with pytest.raises(ClipError, match="a clip cannot be called"):
        add_clip(tmp_path / "a.mkv", name)


def test_library_that_cannot_be_written_is_refused_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "file"))
    with pytest.raises(ClipError, match=r"the library cannot be written \(Not a directory\); make it writable, or"):
        add_clip(encode(tmp_path / "a.mkv", moving(1)))


def test_kept_clip_that_was_changed_afterwards_is_refused(library, tmp_path):
    add_clip(encode(tmp_path / "a.mkv", moving()))
    encode(library / "a.mkv", moving(seed=2))
    assert "its frames are not those that clips.json was written for" in no_clip("a")


def test_list_names_every_clip_without_decoding(library, tmp_path, monkeypatch):
    add_clip(encode(tmp_path / "a.mkv", moving()))
    others = tmp_path / "others"
    others.mkdir()
    encode(others / "b.mp4", moving(), codec="libx264")
    (others / "c.mp4").touch()
    monkeypatch.setenv("LABKIT_CLIPS", str(others))
    infos = {info.name: info for info in list_clips()}
    assert list(infos) == [*(f"builtin:{name}" for name in SYNTHETIC), "a", "b", "c"]
    for name, source in (("a", "library"), ("b", "LABKIT_CLIPS")):
        info = infos[name]
        assert (info.source, info.width, info.height, info.frames) == (source, 64, 48, 12)
        assert info.fps == pytest.approx(29.97, abs=0.001)
    assert "the file is empty (0 bytes)" in infos["c"].notes[0]
    assert " ".join(str(infos["b"]).split()) == "b LABKIT_CLIPS 64x48 29.97 fps 12 frames"
    assert find_clips(["b"])[0].origin == "b.mp4"


def test_wrong_labkit_clips_is_said(library, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CLIPS", str(tmp_path / "none"))
    with pytest.raises(ClipError, match=r"LABKIT_CLIPS names .*none, which is no folder; correct it or unset it"):
        list_clips()


# --- clips that were painted before ------------------------------------------------------------------------


def test_a_built_in_clip_is_painted_once_and_a_damaged_file_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    true = synthetic_clip("screen_text", frames=2)
    (first,) = find_clips(["builtin:screen_text"], 2)
    (file,) = (tmp_path / "cache" / "synthetic").iterdir()
    written = file.stat().st_mtime_ns
    (second,) = find_clips(["builtin:screen_text"], 2)
    assert file.stat().st_mtime_ns == written
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    (third,) = find_clips(["builtin:screen_text"], 2)
    assert {clip.hash for clip in (first, second, third)} == {true.hash}
    assert file.stat().st_mtime_ns != written
    assert [clip.hash for clip in find_clips(["builtin:screen_text@7"], 2)] != [true.hash]
