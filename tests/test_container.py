"""The container: sizes as a formula, both forms there and back, and no damage that passes for a container."""

import hashlib
import random
import struct
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from labkit.clip import Clip
from labkit.container import MAX_QP, Container, Form
from labkit.errors import ContainerError

HEADER = 22
FRAMES = Container(Form.FRAME, 32, 176, 144, Fraction(30000, 1001), 3, (b"abc", b"", b"x" * 200))
WHOLE = Container(Form.CLIP, 0, 2, 65534, Fraction(25), 2**32 - 1, (b"all of it",))


def header(**changes: int | bytes) -> bytes:
    fields = {"magic": b"LKV1", "form": 1, "qp": 32, "width": 16, "height": 8, "fps": 25, "per": 1, "frames": 1}
    return struct.pack("<4sBBHHIII", *{**fields, **changes}.values())


@pytest.mark.parametrize("container", [FRAMES, WHOLE, replace(FRAMES, qp=MAX_QP), replace(WHOLE, payloads=(b"",))])
def test_what_is_written_is_read(container: Container) -> None:
    assert Container.parse(container.data) == container
    assert Container.parse(container.data).data == container.data
    assert container.sha256 == hashlib.sha256(container.data).hexdigest()


def test_the_bytes_of_a_small_container_are_known() -> None:
    small = Container(Form.FRAME, 37, 16, 8, Fraction(25, 2), 2, (b"\x01\x02", b"\xff"))
    assert small.data.hex() == "4c4b563101251000080019000000020000000200000002010201ff"


@pytest.mark.parametrize(
    ("size", "length_bytes"),
    [(0, 1), (1, 1), (127, 1), (128, 2), (16383, 2), (16384, 3), (2**21 - 1, 3), (2**21, 4), (300, 2)],
)
def test_the_size_is_header_lengths_and_payloads(size: int, length_bytes: int) -> None:
    one = replace(WHOLE, payloads=(bytes(size),))
    assert len(one.data) == HEADER + length_bytes + size
    two = replace(FRAMES, frame_count=2, payloads=(bytes(size), b"abc"))
    assert len(two.data) == HEADER + length_bytes + size + 1 + 3
    assert Container.parse(two.data) == two


def test_a_clip_gives_the_header_and_the_decoder_is_told_the_same() -> None:
    clip = Clip("small", np.zeros((5, 16 * 8 * 3 // 2), np.uint8), 16, 8, Fraction(30000, 1001))
    container = Container.for_clip(clip, 27, Form.CLIP, (b"bits",))
    config = {"qp": 27, "width": 16, "height": 8, "fps": 30000 / 1001, "frame_count": 5}
    assert container.config == Container.parse(container.data).config == config
    container.config["qp"] = 51
    assert container.config == config, "each run gets a fresh one"


@pytest.mark.parametrize("container", [FRAMES, WHOLE])
def test_cut_anywhere_it_is_an_error(container: Container) -> None:
    for end in range(len(container.data)):
        with pytest.raises(ContainerError, match="container"):
            Container.parse(container.data[:end])


@pytest.mark.parametrize("extra", [b"\0", b"x" * 1000, FRAMES.data])
def test_bytes_after_the_last_payload_are_an_error(extra: bytes) -> None:
    with pytest.raises(ContainerError, match=f"{len(extra)} bytes follow the last payload"):
        Container.parse(FRAMES.data + extra)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (header(magic=b"RIFF") + b"\0", "starts with b'RIFF', expected b'LKV1'"),
        (header(form=0) + b"\0", "form 0"),
        (header(form=3) + b"\0", "form 3"),
        (header(qp=64) + b"\0", "QP 64, the largest is 63"),
        (header(width=0) + b"\0", "0x8"),
        (header(height=0) + b"\0", "16x0"),
        (header(width=15) + b"\0", "15x8"),
        (header(height=7) + b"\0", "16x7"),
        (header(fps=0) + b"\0", "0/1 fps"),
        (header(per=0) + b"\0", "25/0 fps"),
        (header(fps=50, per=2) + b"\0", "50/2 fps is not in its lowest terms"),
        (header(frames=0), "0 frames"),
        (header(frames=2) + b"\0", "2 payloads cannot lie in 1 bytes"),
        (header() + b"\x05abcd", "payload 0 has 5 bytes, only 4 are left"),
        (header() + b"\xff\xff\xff\xff\x0f", "payload 0 has 4294967295 bytes"),
        (header() + b"\x80\x00", "not in its shortest form"),
        (header() + b"\x81\x80\x00a", "not in its shortest form"),
        (header() + b"\x80\x80\x80\x80\x80\x01", "more than 5 bytes"),
        (header() + b"\x80", "ends in the length of payload 0"),
        (b"", "0 bytes"),
    ],
)
def test_every_damage_is_named(data: bytes, reason: str) -> None:
    Container.parse(header() + b"\x01a")  # positive control: the undamaged one is read
    with pytest.raises(ContainerError) as caught:
        Container.parse(data)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"qp": 64}, "QP 64 does not fit into the header: the largest QP is 63"),
        ({"qp": 300}, "QP 300 does not fit"),
        ({"qp": -1}, "QP -1 does not fit"),
        ({"width": 65536}, "65536x144"),
        ({"frame_count": 2**32}, "4294967296 frames"),
        ({"fps": Fraction(2**32 + 1, 2)}, "4294967297/2 fps"),
    ],
)
def test_what_the_header_cannot_hold_is_never_written(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ContainerError) as caught:
        _ = replace(FRAMES, **change).data
    assert told in str(caught.value)


def test_a_lie_about_the_frames_allocates_nothing() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ContainerError, match="4294967295 payloads"):
            Container.parse(header(frames=2**32 - 1) + bytes(1000))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def corrupted(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(damaged) + 1)
        match chance.randrange(4):
            case 0:
                damaged[place:place] = chance.randbytes(chance.randint(1, 3))
            case 1:
                del damaged[place : place + chance.randint(1, 3)]
            case _ if place < len(damaged):
                damaged[place] = chance.choice((chance.randrange(256), damaged[place] ^ 1 << chance.randrange(8)))
    return bytes(damaged)


def corrupt_and_parse(times: int, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    read = 0
    for _ in range(times):
        data = corrupted(chance.choice((FRAMES, WHOLE)).data, chance)
        try:
            container = Container.parse(data)
        except ContainerError:
            continue
        read += 1
        assert container.data == data, "two files that say the same: a place to hide bits"
    assert times * 0.01 < read < times * 0.9, "the corruptions must reach both outcomes"


def test_random_corruptions() -> None:
    corrupt_and_parse(2_000, seed=random.SystemRandom().randrange(2**32))


@pytest.mark.slow
def test_many_random_corruptions() -> None:
    corrupt_and_parse(20_000, seed=random.SystemRandom().randrange(2**32))
