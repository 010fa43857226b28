"""Held-out clips: which they are, and that no frame that shows anything is on both sides."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from labkit.clip import Clip, frame_bytes
from labkit.errors import ClipError
from labkit.footage import add_clip, find_clips, synthetic_clip, write_y4m
from labkit.footage.split import Split, split

WIDTH, HEIGHT = 32, 32
SEED = 20261123


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABKIT_CLIPS", raising=False)
    return tmp_path / "home" / "clips"


def pictures(seed: int, frames: int = 4) -> np.ndarray:
    return np.random.default_rng(SEED + seed).integers(16, 236, (frames, frame_bytes(WIDTH, HEIGHT)), dtype=np.uint8)


def black(frames: int = 1) -> np.ndarray:
    data = np.full((frames, frame_bytes(WIDTH, HEIGHT)), 128, np.uint8)
    data[:, : WIDTH * HEIGHT] = 16
    return data


def written(path: Path, data: np.ndarray) -> str:
    clip = Clip(path.stem, data, WIDTH, HEIGHT, Fraction(25))
    write_y4m(path, map(clip.frame, range(len(clip))), WIDTH, HEIGHT, clip.fps)
    return str(path)


def names(found: Split) -> tuple[list[str], list[str]]:
    return [clip.name for clip in found.development], [clip.name for clip in found.held_out]


def refusal(specs: list[str], held_out: list[str], frames: int | None = None) -> str:
    with pytest.raises(ClipError) as told:
        split(specs, held_out, frames)
    assert "\n" not in str(told.value)
    return str(told.value)


# --- which they are ---------------------------------------------------------------------------------------


def test_an_empty_name_is_not_the_folder_of_the_command(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for empty in ("", " "):
        with pytest.raises(ClipError, match="a clip's name is empty"):
            split([empty])


def test_beside_the_built_in_scenes_two_others_of_their_kind_are_held_out() -> None:
    found = split(["builtin"], frames=1)
    assert names(found) == (["photo_pan", "shapes", "scene_cut", "screen_text"], ["photo_pan@101", "shapes@101"])
    assert found.held_out[1].hash == synthetic_clip("shapes", frames=1, seed=101).hash
    assert [clip.hash for clip in found.development] == [clip.hash for clip in find_clips(["builtin"], 1)]
    assert all(len(clip) == 1 for clip in (*found.development, *found.held_out))


@pytest.mark.parametrize(("given", "kept"), [(3, 1), (5, 1), (6, 2), (11, 3)])
def test_a_third_of_the_given_clips_is_held_out(given: int, kept: int, tmp_path: Path) -> None:
    for number in range(given):
        written(tmp_path / f"clip{number:02}.y4m", pictures(number, 1))
    everything = find_clips([str(tmp_path)])
    found = split([str(tmp_path)])
    first = sorted(clip.hash for clip in everything)[:kept]
    assert sorted(clip.hash for clip in found.held_out) == first
    # the others stay, as they are called and in their order
    assert names(found)[0] == [clip.name for clip in everything if clip.hash not in first]


def test_names_and_order_of_the_given_clips_do_not_decide(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for number in range(4):
        written(tmp_path / "one" / f"{'abcd'[number]}.y4m", pictures(number, 1))
        written(tmp_path / "two" / f"{'zyxw'[number]}.y4m", pictures(number, 1))
    one, two = split([str(tmp_path / "one")]), split([str(tmp_path / "two")])
    assert [clip.hash for clip in one.held_out] == [clip.hash for clip in two.held_out]


def test_fewer_than_three_given_clips_all_stay_and_scenes_are_held_out(tmp_path: Path) -> None:
    given = [written(tmp_path / f"{name}.y4m", pictures(i)) for i, name in enumerate("ab")]
    assert names(split(given, frames=2)) == (["a", "b"], ["photo_pan@101", "shapes@101"])
    mixed = split(["builtin:shapes", *given], frames=1)  # three, of which two are given
    assert names(mixed) == (["shapes", "a", "b"], ["photo_pan@101", "shapes@101"])


def test_beside_three_given_clips_no_built_in_one_is_held_out(tmp_path: Path) -> None:
    given = [written(tmp_path / f"{name}.y4m", pictures(i)) for i, name in enumerate("abc")]
    found = split([*given[:2], "builtin:shapes", given[2]], frames=1)
    assert len(found.held_out) == 1
    assert "shapes" in names(found)[0]


def test_a_seed_that_is_developed_on_is_not_held_out() -> None:
    assert names(split(["builtin:shapes@101"], frames=1)) == (["shapes@101"], ["photo_pan@102", "shapes@102"])


def test_none_and_named_ones(tmp_path: Path) -> None:
    add_clip(written(tmp_path / "kept.y4m", pictures(7)))
    assert names(split(["builtin:shapes"], ["none"], 1)) == (["shapes"], [])
    found = split(["builtin:shapes"], ["kept", "builtin:screen_text@3"], 2)
    assert names(found) == (["shapes"], ["kept", "screen_text@3"])
    assert [len(clip) for clip in found.held_out] == [2, 2]


def test_other_frames_under_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = (written(tmp_path / side / "foreman.y4m", pictures(i)) for i, side in enumerate("ab"))
    assert names(split([here], [there])) == (["foreman"], ["foreman-2"])


@pytest.mark.parametrize("held_out", [[], ["auto", "builtin:shapes"], ["builtin:shapes", "none"], ["auto", "none"]])
def test_words_that_contradict_each_other_are_refused(held_out: list[str]) -> None:
    text = refusal(["builtin:shapes"], held_out)
    assert text == f"held_out is {held_out}; give 'auto' alone, 'none' alone, or names of clips"


def test_a_held_out_clip_that_is_not_there_is_told() -> None:
    assert "no clip 'foremann'" in refusal(["builtin:shapes"], ["foremann"])


# --- no frame on both sides -------------------------------------------------------------------------------


def test_a_renamed_copy_is_refused_with_both_names(tmp_path: Path) -> None:
    here = written(tmp_path / "foreman.y4m", pictures(1))
    there = written(tmp_path / "never_seen.y4m", pictures(1))
    assert refusal([here], [there]) == (
        "held-out clip 'never_seen' and development clip 'foreman' share frames: frame 0 of the one is frame 0 of "
        "the other; leave one of the two out, or name other clips in held_out"
    )


def test_a_shorter_cut_is_refused_with_the_frames(tmp_path: Path) -> None:
    here = written(tmp_path / "foreman.y4m", pictures(1, 9))
    there = written(tmp_path / "cut.y4m", np.concatenate([pictures(2, 3), pictures(1, 9)[6:]]))
    assert "frame 3 of the one is frame 6 of the other" in refusal([here], [there])
    assert "frame 6 of the one is frame 3 of the other" in refusal([there], [here])


def test_the_same_built_in_scene_on_both_sides_is_refused() -> None:
    text = refusal(["builtin:shapes@7"], ["builtin:shapes@7"], 1)
    assert "held-out clip 'shapes@7-2' and development clip 'shapes@7' share frames" in text


def test_a_frame_twice_among_the_held_out_is_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "one.y4m", pictures(1))
    two = written(tmp_path / "two.y4m", np.concatenate([pictures(2), pictures(1)[:1]]))
    text = refusal(["builtin:shapes"], [one, two], 5)
    assert "held-out clip 'two' and held-out clip 'one' share frames: frame 4 of the one is frame 0" in text


def test_copies_among_the_given_clips_do_not_end_on_both_sides(tmp_path: Path) -> None:
    first = min(range(3), key=lambda i: Clip("x", pictures(i), WIDTH, HEIGHT, Fraction(25)).hash)
    given = [written(tmp_path / f"{i}.y4m", pictures(i)) for i in range(3)]
    given.append(written(tmp_path / "copy.y4m", np.concatenate([pictures(first), pictures(9)])))
    hashes = {clip.name: clip.hash for clip in find_clips(given)}
    held_out = min(hashes, key=lambda name: hashes[name])
    text = refusal(given, ["auto"])
    assert f"'{first}'" in text
    assert "'copy'" in text
    assert f"held-out clip {held_out!r}" in text


def test_a_shared_black_frame_is_allowed_and_a_picture_in_the_dark_is_not(tmp_path: Path) -> None:
    here = written(tmp_path / "here.y4m", np.concatenate([black(), pictures(1)]))
    there = written(tmp_path / "there.y4m", np.concatenate([black(2), pictures(2)]))
    assert names(split([here], [there])) == (["here"], ["there"])
    title = black()
    title[0, 5 * WIDTH : 6 * WIDTH] = 200  # a line of a title is enough
    here = written(tmp_path / "here.y4m", np.concatenate([title, pictures(1)]))
    there = written(tmp_path / "there.y4m", np.concatenate([black(), title, pictures(2)]))
    assert "frame 1 of the one is frame 0 of the other" in refusal([here], [there])


def test_a_clip_that_is_black_throughout_is_still_no_other_video(tmp_path: Path) -> None:
    here, there = (written(tmp_path / f"{name}.y4m", black(3)) for name in ("night", "fog"))
    assert "held-out clip 'fog' and development clip 'night'" in refusal([here], [there])


def test_a_still_picture_may_repeat_within_a_clip(tmp_path: Path) -> None:
    still = written(tmp_path / "still.y4m", np.repeat(pictures(1, 1), 5, axis=0))
    assert names(split(["builtin:shapes"], [still], 3)) == (["shapes"], ["still"])
    assert names(split([still], ["builtin:shapes"], 3)) == (["still"], ["shapes"])


def test_the_same_samples_in_another_size_are_another_picture(tmp_path: Path) -> None:
    data = pictures(1)
    here = written(tmp_path / "square.y4m", data)
    wide = Clip("wide", data, 2 * WIDTH, HEIGHT // 2, Fraction(25))
    write_y4m(tmp_path / "wide.y4m", map(wide.frame, range(4)), 2 * WIDTH, HEIGHT // 2, wide.fps)
    assert names(split([here], [str(tmp_path / "wide.y4m")])) == (["square"], ["wide"])


# --- built-in scenes with a seed ----------------------------------------------------------------------------


def test_a_built_in_scene_has_other_content_with_another_seed() -> None:
    plain, zero, one, two = find_clips([f"builtin:shapes{seed}" for seed in ("", "@0", "@1", "@002")], 2)
    assert [clip.name for clip in (plain, zero, one, two)] == ["shapes", "shapes@0", "shapes@1", "shapes@2"]
    assert plain.hash == zero.hash
    assert len({clip.hash for clip in (zero, one, two)}) == 3
    assert two.hash == synthetic_clip("shapes", frames=2, seed=2).hash
    assert two.origin == "synthetic shapes, seed 2"


@pytest.mark.parametrize("seed", ["", "-1", "x", "1.5", "1@2", "9999999999", "٣"])
def test_a_seed_that_is_none_is_refused(seed: str) -> None:
    with pytest.raises(ClipError, match="not a whole number from 0 on; write builtin:shapes@101, or leave it out"):
        find_clips([f"builtin:shapes@{seed}"])


def test_a_seed_does_not_hide_a_wrong_name() -> None:
    with pytest.raises(ClipError, match="no synthetic clip 'shape'; did you mean 'shapes'"):
        find_clips(["builtin:shape@3"])
