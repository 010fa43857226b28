"""The warm-up leaves no trace: wherever a codec hides state, its bitstream is the same warmed and unwarmed."""

import importlib.util
import sys
import types
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit.candidate import Candidate, Failure
from labkit.clip import Clip
from labkit.jail import Limits, Nursery

WARMUP = Path(__file__).parents[1] / "labkit" / "jail" / "warmup.py"
CONFIG = {"qp": 32, "width": 16, "height": 16, "fps": 25.0, "frame_count": 3}

HEAD = """
import collections, dataclasses, functools, random
import numpy as np

def decompress_video_frame(data, frame_index, config):
    z = np.zeros((config["height"] // 2, config["width"] // 2), np.uint8)
    return np.zeros((config["height"], config["width"]), np.uint8), z, z
"""

# each counts its calls in another place and writes the count into the bitstream
PLACES = {
    "a global number": """
CALLS = 0
def compress_video_frame(frame, frame_index, config):
    global CALLS
    CALLS += 1
    return bytes([CALLS])
""",
    "a global that appears": """
def compress_video_frame(frame, frame_index, config):
    global LAST
    LAST = globals().get("LAST", 0) + 1
    return bytes([LAST])
""",
    "a global list": """
CALLS = []
def compress_video_frame(frame, frame_index, config):
    CALLS.append(1)
    return bytes([len(CALLS)])
""",
    "a nested dict": """
STATE = {"inner": {"calls": [0]}}
def compress_video_frame(frame, frame_index, config):
    STATE["inner"]["calls"][0] += 1
    return bytes([STATE["inner"]["calls"][0]])
""",
    "a deque": """
STATE = collections.deque(maxlen=50)
def compress_video_frame(frame, frame_index, config):
    STATE.append(1)
    return bytes([len(STATE)])
""",
    "an array in place": """
STATE = np.zeros(1, np.uint8)
def compress_video_frame(frame, frame_index, config):
    STATE[0] += 1
    return STATE.tobytes()
""",
    "a default argument": """
def compress_video_frame(frame, frame_index, config, calls=[]):
    calls.append(1)
    return bytes([len(calls)])
""",
    "a keyword default": """
def count(*, calls=[]):
    calls.append(1)
    return len(calls)
def compress_video_frame(frame, frame_index, config):
    return bytes([count()])
""",
    "a default shared with a global": """
SHARED = []
def count(calls=SHARED):
    calls.append(1)
    return len(SHARED)
def compress_video_frame(frame, frame_index, config):
    return bytes([count()])
""",
    "a class attribute": """
class State:
    calls = 0
def compress_video_frame(frame, frame_index, config):
    State.calls += 1
    return bytes([State.calls])
""",
    "an instance": """
class State:
    def __init__(self):
        self.calls = 0
STATE = State()
def compress_video_frame(frame, frame_index, config):
    STATE.calls += 1
    return bytes([STATE.calls])
""",
    "a default of a method": """
class State:
    def count(self, calls=[]):
        calls.append(1)
        return len(calls)
STATE = State()
def compress_video_frame(frame, frame_index, config):
    return bytes([STATE.count()])
""",
    "a dataclass instance": """
@dataclasses.dataclass
class State:
    calls: int = 0
STATE = State()
def compress_video_frame(frame, frame_index, config):
    STATE.calls += 1
    return bytes([STATE.calls])
""",
    "a function attribute": """
def compress_video_frame(frame, frame_index, config):
    compress_video_frame.calls = getattr(compress_video_frame, "calls", 0) + 1
    return bytes([compress_video_frame.calls])
""",
    "a closure": """
def make():
    calls = 0
    def count():
        nonlocal calls
        calls += 1
        return calls
    return count
count = make()
def compress_video_frame(frame, frame_index, config):
    return bytes([count()])
""",
    "a cache": """
@functools.lru_cache
def calls():
    return []
def compress_video_frame(frame, frame_index, config):
    calls().append(1)
    return bytes([len(calls())])
""",
    "a partial": """
def count(calls):
    calls.append(1)
    return len(calls)
count = functools.partial(count, [])
def compress_video_frame(frame, frame_index, config):
    return bytes([count()])
""",
    "a generator": """
def numbers():
    n = 0
    while True:
        n += 1
        yield n
N = numbers()
def compress_video_frame(frame, frame_index, config):
    return bytes([next(N)])
""",
    "random": """
random.seed(5)
def compress_video_frame(frame, frame_index, config):
    return bytes([random.randrange(256)])
""",
    "numpy.random": """
np.random.seed(5)
def compress_video_frame(frame, frame_index, config):
    return bytes([np.random.randint(256)])
""",
    "a generator of numpy": """
RNG = np.random.default_rng(5)
def compress_video_frame(frame, frame_index, config):
    return bytes([RNG.integers(256)])
""",
    "an object of a class with slots": """
class State:
    __slots__ = ("calls",)
STATE = State()
STATE.calls = 0
def compress_video_frame(frame, frame_index, config):
    STATE.calls += 1
    return bytes([STATE.calls])
""",
}
NOT_WARMED = {"a generator", "an object of a class with slots"}


@pytest.fixture
def warmup() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("warmup_under_test", WARMUP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(source: str) -> Any:
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module  # as the nursery does: dataclasses look there
    exec(compile(source, "<candidate>", "exec", dont_inherit=True), module.__dict__)
    namespace = module.__dict__
    return types.SimpleNamespace(
        module=module, form="frame",
        compress=lambda *a: namespace["compress_video_frame"](*a),
        decompress=lambda *a: namespace["decompress_video_frame"](*a),
    )  # fmt: skip


def bitstream(program: Any) -> list[bytes]:
    frame = (np.zeros((16, 16), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8))
    return [program.compress(frame, index, dict(CONFIG)) for index in range(4)]


@pytest.mark.parametrize("place", PLACES)
def test_a_warmed_codec_codes_as_an_unwarmed_one(place: str, warmup: types.ModuleType) -> None:
    source = HEAD + PLACES[place]
    expected = bitstream(load(source))
    program = load(source)
    outcome = warmup.warm(program, CONFIG)
    assert outcome == ("not warmed" if place in NOT_WARMED else "warmed")
    assert bitstream(program) == expected


@pytest.mark.parametrize("place", PLACES)
def test_without_the_restoring_the_same_codecs_differ(place: str, warmup: types.ModuleType) -> None:
    """The positive control: each place really holds state."""
    source = HEAD + PLACES[place]
    expected = bitstream(load(source))
    program = load(source)
    warmup.code_once(program, CONFIG)
    assert bitstream(program) != expected


@pytest.mark.slow
def test_compiled_code_that_froze_a_changed_global_taints_the_process(warmup: types.ModuleType) -> None:
    source = (
        HEAD
        + """
import numba
SCALE = 1
@numba.njit
def scaled(x):
    return x * SCALE
def compress_video_frame(frame, frame_index, config):
    global SCALE
    SCALE = 2 + frame_index
    return bytes([scaled(3)])
"""
    )
    assert warmup.warm(load(source), CONFIG) == "tainted"
    assert (
        warmup.warm(load(source.replace("global SCALE", "pass").replace("SCALE = 2", "other = 2")), CONFIG) == "warmed"
    )


def test_only_a_candidate_with_numba_is_warmed_and_its_bitstream_stays_the_same() -> None:
    clip = Clip("flat", np.full((3, 32 * 32 * 3 // 2), 90, np.uint8), 32, 32, Fraction(25))
    plain = HEAD + PLACES["a global number"]
    compiled = plain + "\nimport numba\n@numba.njit\ndef twice(x):\n    return 2 * x\n"
    streams = {}
    for name, source, warm in (("plain", plain, True), ("warmed", compiled, True), ("unwarmed", compiled, False)):
        with Nursery(Candidate(source), Limits(), warm=warm) as nursery:
            assert nursery.failure is None
            assert nursery.warmed == (name == "warmed")
            coded = nursery.encode(clip, 32)
            assert not isinstance(coded, Failure)
            streams[name] = coded.container.data
    assert streams["plain"] == streams["warmed"] == streams["unwarmed"]
