"""Fuzzing what reads hostile input: the static check, the reply protocol, the container reader."""

import os
import random
import struct
import threading
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.candidate import FailureKind
from labkit.clip import Clip
from labkit.container import Container, Form
from labkit.errors import LabkitError
from labkit.jail.telling import _account, loaded_report
from labkit.jail.wire import Channel, Fault, ReportedFault
from labkit.policy import check

CODECS = Path(__file__).resolve().parents[1] / "codecs"
SOURCES = [path.read_text(encoding="utf-8") for path in sorted(CODECS.rglob("*.py"))]
PIECES = [
    "(",
    ")",
    "[",
    "{",
    ":",
    "\n",
    "\t",
    "\0",
    "\ud800",
    "\u202e",
    "é",
    "0x" + "f" * 5000,
    "'" * 3,
    "lambda:",
    "@",
    "await ",
    "match x:\n case",
    "f'{",
    "((((((((" * 200,
    "-" * 3000,
    "x." * 3000 + "y",
    "# -*- coding: rot13 -*-\n",
    "__class__",
    "eval",
    "import os\n",
    "from . import *\n",
    "\r",
    "\x0c",
    "9" * 5000,
    "global x;",
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a codec's source, or a piece of it, with pieces put in, taken out, doubled and swapped."""
    text = draw(st.sampled_from(SOURCES))[: draw(st.integers(0, 20_000))]
    for _ in range(draw(st.integers(1, 6))):
        at, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)))
        text = draw(
            st.sampled_from(
                [
                    text[:at] + piece + text[at:],
                    text[:at] + text[end:],
                    text[:end] + text[at:end] + text[end:],
                    text[at:end] + text[:at],
                ]
            )
        )
    return text


def checked(source: str) -> None:
    started = time.monotonic()
    for finding in check(source):
        assert not any((ord(c) < 32 and c not in "\t") or "\u202a" <= c <= "\u202e" for c in str(finding)), repr(
            finding
        )
        assert len(str(finding)) < 2000
    assert time.monotonic() - started < 60


quick = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@quick
@given(mutated())
def test_the_check_answers_whatever_it_is_given(source: str) -> None:
    checked(source)


@pytest.mark.slow
@settings(quick, max_examples=300)
@given(mutated())
def test_the_check_answers_whatever_it_is_given_at_length(source: str) -> None:
    checked(source)


# --- replies ---------------------------------------------------------------------------------------------


def reply(rng: random.Random) -> bytes:
    """Return a reply that may be right, wrong in one place, cut, or noise."""
    body = rng.choice(
        [
            rng.randbytes(rng.randrange(200)),
            b'{"kind": "raised", "detail": "x"}',
            b"[" * 5000,
            b"{}",
            b'{"kind": 7, "detail": NaN}',
            b'"\\ud800"',
            b'{"kind": "raised", "detail": ' + b"9" * 5000 + b"}",
            b'{"form": "frame", "warmed": 1e999}',
        ]
    )
    length = rng.choice([len(body), len(body), 0, 1, len(body) + 1, 2**32, 2**63, 2**64 - 1])
    whole = rng.choice([b"P", b"F", b"X", b"L", rng.randbytes(1)]) + struct.pack("<Q", length) + body
    return rng.choice([whole, whole[: rng.randrange(len(whole) + 1)], rng.randbytes(rng.randrange(40)), whole + whole])


def test_no_reply_breaks_the_labs_side() -> None:
    seed = int(os.environ.get("LABKIT_SEED", "20261121"))
    print(f"seed {seed}")
    rng = random.Random(seed)
    tracemalloc.start()
    for _ in range(3000):
        data, kind = reply(rng), rng.choice([b"P", b"F", b"L"])
        with Channel(1024, 5.0, threading.Event()) as channel:
            _, child_reply, _ = channel.child_fds
            os.write(child_reply, data)
            channel.handed_over()
            try:
                body = channel.receive(kind, 10_000)
                assert len(body) <= 10_000
                loaded_report(body)
            except ReportedFault as fault:
                account = _account(fault)
                assert isinstance(account.kind, FailureKind)
                assert len(account.detail) < 5000
            except Fault as fault:
                assert isinstance(fault.kind, FailureKind)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


# --- containers ------------------------------------------------------------------------------------------


def corrupted(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.randrange(1, 9))
        match rng.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at:]
            case 2:
                out[at:end] = rng.choice([b"\xff", b"\0", b"\x80", b"\x7f"]) * (end - at)
            case 3:
                del out[at:end]
            case 4:
                out[at:at] = rng.randbytes(rng.randrange(1, 9))
            case _:
                out[at:end] = rng.randbytes(end - at)
    return bytes(out)


@pytest.mark.slow
def test_twenty_thousand_corrupted_containers() -> None:
    seed = int(os.environ.get("LABKIT_SEED", "20261121"))
    print(f"seed {seed}")
    rng = random.Random(seed)
    valid = []
    for frames, form, fps in (
        (1, Form.CLIP, Fraction(25)),
        (3, Form.FRAME, Fraction(30000, 1001)),
        (9, Form.FRAME, Fraction(1)),
    ):
        clip = Clip("x", np.zeros((frames, 64 * 48 * 3 // 2), np.uint8), 64, 48, fps)
        count = frames if form is Form.FRAME else 1
        payloads = tuple(rng.randbytes(rng.choice([0, 1, 127, 128, 300, 20_000])) for _ in range(count))
        valid.append(Container.for_clip(clip, 32, form, payloads).data)
    errors, tracing = 0, tracemalloc.start()
    assert tracing is None
    for number in range(21_000):
        data = corrupted(valid[number % 3], rng) if number % 7 else rng.randbytes(rng.randrange(60))
        try:
            again = Container.parse(data)
        except LabkitError as error:
            errors += 1
            assert len(str(error)) < 500
        else:
            assert Container.parse(again.data) == again
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert errors > 10_000
    assert peak < 64 * 2**20
