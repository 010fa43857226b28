"""The static check: what it refuses and how it says so, what it lets pass, and that no source can hurt it."""

import re
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import labkit.policy
from labkit.errors import SettingsError
from labkit.policy import DEFAULT_RULES, Finding, Rules, check
from labkit.policy.checker import find

SEED = 20260731
ROOT = Path(__file__).parent.parent
SHIPPED = Path(labkit.policy.__file__).with_name("rules.toml")
PAIR = """
def compress_video_frame(frame, frame_index, config):
    return b""
def decompress_video_frame(data, frame_index, config):
    return None
"""
CLIP_PAIR = """
def compress_video(frames, config):
    return b""
def decompress_video(data, config):
    return []
"""


def findings(snippet: str, missing: tuple[str, ...] = ()) -> list[str]:
    """The check's answer on a codec that starts with `snippet`, as text."""
    return [str(finding) for finding in find(snippet + PAIR, DEFAULT_RULES, missing)]


# ---------------------------------------------------------------------------------------------- what is refused

REFUSED = {
    # modules
    "import os": "line 1: imports os: a codec sees no files",
    "import subprocess as s": "imports subprocess: a codec runs in one thread",
    "from os import path": "imports os",
    "import xml.etree": "imports xml.etree: it is not on the list of allowed modules. Instead: use numpy, cv2",
    "import time": "imports time: what depends on the clock",
    "import pickle": "imports pickle: unpickling runs code",
    "from PIL import Image": "imports PIL: a wrapped codec",
    "try:\n    import os\nexcept ImportError:\n    os = None": "line 2: imports os",
    "def f():\n    import socket": "line 2: imports socket",
    "from . import other": "imports relatively: a candidate is one file",
    "from .other import x": "imports relatively",
    "from numpy import *": "imports * from numpy",
    # builtins
    "x = eval('1')": "calls builtin eval(...): it runs text as code",
    "x = eval": "uses builtin eval: it runs text as code",
    "e = [exec][0]": "uses builtin exec",
    "compile('1', '', 'eval')": "calls builtin compile(...)",
    "f = open('x')": "calls builtin open(...): a codec reads and writes no files. Instead: return bytes",
    "__import__('os')": "calls builtin __import__(...)",
    "g = getattr(1, 'real')": "calls builtin getattr(...)",
    "def f(x):\n    setattr(x, 'a', 1)\n    delattr(x, 'a')": "line 3: calls builtin delattr(...)",
    "globals()['x'] = 1": "calls builtin globals(...)",
    "def f():\n    return locals()": "calls builtin locals(...)",
    "vars()": "calls builtin vars(...)",
    "input()": "calls builtin input(...): nobody sits at the terminal",
    "breakpoint()": "calls builtin breakpoint(...)",
    "exit()": "calls builtin exit(...)",
    "def f(run=eval):\n    return run": "uses builtin eval",
    "x = [eval for eval in [eval]]": "uses builtin eval",
    "eval = eval": "uses builtin eval",
    "x = eval\neval = 1": "line 1: uses builtin eval",
    "class A:\n    eval = 1\n    def f(self):\n        return eval('1')": "line 4: calls builtin eval(...)",
    "if 0:\n    eval = None\neval('1')": "line 3: calls builtin eval(...)",
    "eval = 1\ndel eval\neval('1')": "line 3: calls builtin eval(...)",
    "T = type('T', (), {})": "calls type(...) with three arguments",
    "t = type\nT = t('T', (), {})": "line 2: calls type(...) with three arguments",
    "__builtins__": "uses __builtins__",
    "x = f'{eval(1)}'": "calls builtin eval(...)",
    # doors of the allowed libraries, through aliases
    "import numpy as np\nx = np.load('x')": "line 2: calls numpy.load(...): it is a door to files",
    "import numpy\nnumpy.lib.format.open_memmap": "uses numpy.lib.format",
    "from numpy import load as l": "imports numpy.load",
    "from numpy import lib\nlib.format.read_array": "uses numpy.lib.format",
    "import numpy as np\nx = np\nl = x.load": "line 3: uses numpy.load",
    "import numpy as np, cv2\na, (b, c) = 1, (np, cv2)\nc.imwrite('x', 1)": "line 3: calls cv2.imwrite(...)",
    "import numpy as np\n[a, *b] = [1, np]\nb[0].save('x', 1)": "calls numpy.save(...)",
    "import numpy as np\nx = {'n': np}['n'].load": "uses numpy.load",
    "import numpy as np\nfor m in (np, 1):\n    m.load('x')": "calls numpy.load(...)",
    "import numpy as np\nx = [m.load for m in [np]]": "uses numpy.load",
    "import numpy as np\nx = (np if 1 else 0).load": "uses numpy.load",
    "import numpy as np\nprint((m := np), m.load)": "uses numpy.load",
    "import numpy as np\ndef f(xp=np):\n    return xp.load('x')": "line 3: calls numpy.load(...)",
    "import numpy as np\nclass A:\n    def f(self):\n        self.m = np\n    def g(self):\n        self.m.load": (
        "line 6: uses numpy.load"
    ),
    "import numpy as np\nclass A:\n    m = np\nA.m.load": "uses numpy.load",
    "def f():\n    global np\n    import numpy as np\ndef g():\n    np.load('x')": "line 5: calls numpy.load(...)",
    "import numpy as np\ndef f():\n    x = np\n    def g():\n        nonlocal x\n        x.fromfile": "numpy.fromfile",
    "import cv2\ncv2.numpy.load": "uses numpy.load",
    "import cv2\ncv2.imread('x')": "calls cv2.imread(...)",
    "import cv2\ncv2.VideoCapture(0)": "calls cv2.VideoCapture(...)",
    "import cv2\ncv2.dnn.readNetFromONNX('x')": "calls cv2.dnn.readNetFromONNX(...)",
    "import cv2\nok, b = cv2.imencode('.jpg', x)": "calls cv2.imencode(...): a wrapped JPEG is not a new codec",
    "import cv2\ncv2.imdecode(b, 0)": "calls cv2.imdecode(...)",
    "import torch\ntorch.load('x')": "calls torch.load(...)",
    "import torch\n@torch.jit.script\ndef f(x):\n    return x": "uses torch.jit",
    "import torch\nm = torch.compile(m)": "calls torch.compile(...)",
    "import torch.multiprocessing as mp": "imports torch.multiprocessing",
    "from torch.utils import cpp_extension": "imports torch.utils.cpp_extension",
    "from scipy import io": "imports scipy.io",
    "from numba import cuda": "imports numba.cuda",
    "import numba\n@numba.njit(cache=True)\ndef f(x):\n    return x": "calls numba.njit(cache=...): it writes compiled",
    "from numba import njit\n@njit(parallel=True)\ndef f(x):\n    return x": "calls numba.njit(parallel=...)",
    "import numba\nnumba.njit(\"__import__('os').system('id')\")": "hands numba the text",
    "import lzma\nlzma.open('x')": "calls lzma.open(...)",
    "from bz2 import BZ2File": "imports bz2.BZ2File",
    "import io\nio.open('x')": "calls io.open(...)",
    "from operator import attrgetter": "imports operator.attrgetter",
    "import typing\ntyping.get_type_hints(f)": "calls typing.get_type_hints(...)",
    "import types\ntypes.FunctionType": "uses types.FunctionType",
    "from string import Formatter": "imports string.Formatter",
    # one module through another, and private parts
    "import copy\ncopy.sys.exit": "uses copy.sys, the module sys: it reaches into the interpreter",
    "import random\nrandom._os.system('id')": "_os is private to random",
    "from random import _os": "_os is private to random",
    "import numpy._core": "_core is private to numpy",
    "import torch\ntorch._C": "_C is private to torch",
    # setting and deleting in libraries
    "import numpy as np\nnp.random.seed = 1": "line 2: sets numpy.random.seed: it changes a library",
    "import cv2\ncv2.x = 1": "sets cv2.x",
    "import numpy as np\nnp.pi += 1": "sets numpy.pi",
    "import numpy as np\ndel np.pi": "deletes numpy.pi",
    "import numpy as np\nfor np.pi in []:\n    pass": "sets numpy.pi",
    "from dataclasses import dataclass\ndataclass.x = 1": "sets dataclasses.dataclass.x",
    # dunders and interpreter internals, on any object
    "x = ().__class__.__bases__": "uses .__bases__",
    "x = object.__subclasses__()": "calls .__subclasses__",
    "def f():\n    pass\nf.__globals__": "uses .__globals__",
    "x.__dict__": "uses .__dict__",
    "x.gi_frame.f_back": "uses .gi_frame",
    "x.tb_frame": "uses .tb_frame: frames, tracebacks",
    "x.f_globals": "uses .f_globals",
    "class A:\n    def __reduce__(self):\n        pass": "defines __reduce__",
    "class A:\n    __match_args__ = ('f_globals',)": "uses __match_args__",
    "match x:\n    case object(f_globals=g):\n        pass": "line 2: matches .f_globals",
    "match x:\n    case object(__dict__=d):\n        pass": "matches .__dict__",
    "frame.tofile('x')": "calls .tofile(...): it writes a file",
    "s = '{0.__class__.__mro__}'.format(1)": "holds the format field {0.__class__.__mro__}, which reads .__mro__",
    "s = '{x.f_globals}'\ns.format(x=1)": "which reads .f_globals",
    # text that reads otherwise than it runs
    "\N{GREEK SMALL LETTER LAMDA} = 1": "uses the character \N{GREEK SMALL LETTER LAMDA}",
    "\N{FULLWIDTH LATIN SMALL LETTER E}val('1')": "calls builtin eval(...)",
    "x = '\u202e'": "line 1: holds the character U+202E",
    "x = 1  # \u200b": "holds the character U+200B",
    "x = '\x1b[2J'": "holds the character U+001B",
    "x = '\0'": "holds the character U+0000",
    "# -*- coding: utf-7 -*-": "declares the encoding utf-7",
    "\n# vim: set fileencoding=latin-1 :": "line 2: declares the encoding latin-1",
    # size
    "x = '" + "a" * 65 * 1024 + "'": "holds a constant of 65 KiB: the limit is 64 KiB",
    "x = 0x" + "f" * 132 * 1024: "holds a constant of 66 KiB",
    "x = 1\n" * 50_000: "the source has 293 KiB: the limit is 256 KiB",
    "x = " + "[" * 51 + "]" * 51: "nests brackets 51 deep: the limit is 50",
    "x = 1" + " + 1" * 500: "nests expressions or statements too deep",
    # syntax
    "x = 1\ndef f(:": "line 2: syntax error in 'def f(:': invalid syntax",
    "return 1": "syntax error in 'return 1': 'return' outside function",
    "```python\nx = 1\n```": "line 1: starts with a Markdown fence",
}


@pytest.mark.parametrize("snippet", REFUSED, ids=lambda text: text[:40])
def test_what_is_refused_is_named_with_its_reason(snippet: str) -> None:
    found = findings(snippet)
    assert any(REFUSED[snippet] in text for text in found), found


# ------------------------------------------------------------------------------------------------- what may pass

PASSES = {
    "encoding cookie": "# -*- coding: utf-8 -*-\n",
    "docstring in another language": '"""Größe µ λ ✓."""\nlabel = "λ"  # µ\n',
    "regular expressions": "import re\nPATTERN = re.compile('a.b')\n",
    "methods named like builtins": """
class Model:
    def eval(self): return self
    def compile(self): return self.eval().compile()
    def open(self): self.input = self.vars = 1
encoder = Model()
encoder.eval()
encoder.compile().exec()
""",
    "a function of one's own": "def compile(x):\n    return x\ntree = compile(3)\ndef vars(): return 1\nvars()\n",
    "a helper defined further down": "def f(x):\n    return compile(x)\ndef compile(x):\n    return x\n",
    "local names": """
def forward(input, vars=None):
    locals = [input for input in vars]
    globals = input
    open = lambda x: x
    return open(locals), globals, input
def late():
    return eval
    eval = 3
for input in range(3):
    print(input)
with_globals = {vars: input for vars, input in [(1, 2)]}
match 3:
    case input: print(input)
""",
    "bytes": """
import zlib, struct, lzma, bz2, io
import numpy as np
def pack(y, q):
    head = struct.pack("<HHB", *y.shape, q)
    body = zlib.compress(np.diff(y).astype(np.int8).tobytes(), 9)
    buffer = io.BytesIO(); buffer.write(body)
    return head + min(body, lzma.compress(body), bz2.compress(body), key=len)
def unpack(data):
    return np.frombuffer(zlib.decompress(data[5:]), dtype=np.uint8).copy()
""",
    "numpy and cv2": """
import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.random import default_rng
from scipy import fft, signal, ndimage
from scipy.fft import dctn
rng = np.random.default_rng(1)
np.random.seed(1)
np.set_printoptions(precision=3)
blocks = cv2.dct(np.float32(np.zeros((8, 8))))
flow = cv2.calcOpticalFlowFarneback(blocks, blocks, None, 0.5, 3, 15, 3, 5, 1.2, 0)
kernel = cv2.getGaussianKernel(3, 1.0)
version = np.__version__
np.einsum("ij,jk->ik", blocks, blocks).trace()
np.select([blocks > 0], [1]); np.trace(blocks); np.copy(blocks)
cv2.setNumThreads(1)
""",
    "dataclasses, closures, comprehensions": """
from __future__ import annotations
import functools, itertools, math
from collections import namedtuple, deque, OrderedDict
from dataclasses import dataclass, field
from enum import IntEnum
from types import SimpleNamespace
from typing import NamedTuple
__all__ = ["compress_video_frame"]
class Mode(IntEnum):
    DC = 0
@dataclass(frozen=True)
class Block:
    x: int = 0
    mv: list[int] = field(default_factory=list)
    def __post_init__(self): object.__setattr__
    def __lt__(self, other): return type(self) is type(other) and self.x < other.x
class Coder(dict):
    __slots__ = ("low",)
    def __init__(self, *args):
        super().__init__(*args)
        self.low = 0
        self._range = self.__class__.__name__
    def __getitem__(self, key): return self.low
    def __enter__(self): return self
    def __exit__(self, *error): return None
step = functools.partial(math.pow, 2.0)
@functools.lru_cache(maxsize=None)
def table(n): return tuple(itertools.accumulate(range(n)))
def outer():
    count = 0
    def inner():
        nonlocal count
        count += 1
        return count
    return inner
Point = namedtuple("Point", "x y")
moved = Point(1, 2)._replace(x=3)
text = "{:.2f} {0[0]} {p.x} {{}}".format(1.0, p=moved)
print(f"{text!r:>10} {moved.x:.2f}")
if __name__ == "__main__":
    print(outer()())
""".replace("    def __post_init__(self): object.__setattr__\n", "    def __post_init__(self): pass\n"),
    "numba": """
import numba as nb
import numpy as np
from numba import njit, prange, vectorize, guvectorize, int64
from numba.typed import List
@njit("float32[:](float32[:], int64)", nogil=True, cache=False)
def scale(x, n): return x * n
@nb.njit(nb.int64(nb.uint8[:, ::1], int64), fastmath=True, boundscheck=False)
def total(x, n):
    s = 0
    for i in prange(x.shape[0]): s += x[i, 0]
    return s
@guvectorize(["void(int64[:], int64[:])"], "(n)->(n)")
def copy(a, b): b[:] = a
@vectorize
def double(x): return x * 2
@nb.experimental.jitclass([("a", nb.int32), ("b", nb.types.float32[:])])
class State:
    def __init__(self): self.a = 0
""",
    "torch": """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, optim
torch.manual_seed(0)
torch.set_num_threads(1)
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = False
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        super(Net, self).__init__()
        nn.Module.__init__(self)
        self.body = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        self.register_buffer("zero", torch.zeros(1))
    def forward(self, input: Tensor) -> Tensor: return F.relu(self.body(input))
    def eval(self): return super().eval()
    def compile(self): self.requires_grad_(False); self.eval()
model = Net().to(device).eval()
model.eval()
encoder = model
encoder.eval()
encoder.load_state_dict(model.state_dict())
with torch.no_grad(), torch.inference_mode():
    out = model(torch.from_numpy(rows)).cpu().numpy().tobytes() if (rows := None) else None
optim.Adam(model.parameters(), lr=1e-3).step()
""",
    "optional imports": """
try:
    import constriction
    from numba import njit
except ImportError:
    constriction = None
    def njit(function): return function
""",
    "matching": """
match 3:
    case int(real=r): pass
    case {'a': 1, **rest}: print(rest)
    case [x, *xs]: pass
""",
    "warnings": "import warnings\nwarnings.filterwarnings('ignore')\npattern = '\\d'\n",
    "long but flat": "T = [" + "1, " * 10_000 + "]\nif T:\n    pass\n" + "elif T:\n    pass\n" * 90,
}


@pytest.mark.parametrize("name", PASSES)
def test_what_honest_codecs_write_passes(name: str) -> None:
    assert findings(PASSES[name]) == []


def test_the_codecs_of_the_repository_pass() -> None:
    sources = sorted((ROOT / "codecs").glob("*.py"))
    assert sources
    assert {source.name: find(source.read_text("utf-8"), DEFAULT_RULES) for source in sources} == {
        source.name: () for source in sources
    }


# ------------------------------------------------------------------------------------------------- what is said


def test_a_finding_is_one_line_with_place_reason_and_way_out() -> None:
    assert str(Finding(12, "calls x", "it hurts", "call y")) == "line 12: calls x: it hurts. Instead: call y"
    assert str(Finding(0, "is empty", "nothing to run", "")) == "is empty: nothing to run"


def test_the_messages_on_eval_and_compile_tell_what_is_fine() -> None:
    (on_eval,) = findings("x = eval('1')")
    (on_compile,) = findings("x = compile('1', '', 'eval')")
    assert "runs text as code" in on_eval
    assert "model.eval() of torch is fine" in on_eval
    assert "turns text into code" in on_compile
    assert "re.compile" in on_compile
    assert "are fine" in on_compile


CLASSIC = "import torchvision\nencoder = torchvision.models.resnet18(weights=None)\nencoder.eval()\n"


def test_torchvision_and_a_models_eval_pass_where_torchvision_is_installed() -> None:
    assert findings(CLASSIC) == []


def test_torchvision_that_is_not_installed_is_explained_in_one_line() -> None:
    (text,) = findings(CLASSIC, missing=("torchvision",))
    assert text.startswith("line 1: imports torchvision: torchvision is allowed, but not installed here. Instead: use")
    assert "use what is installed: numpy, cv2, torch, scipy, numba, constriction; a person may add it" in text
    assert text.endswith("pip install torchvision")


def test_an_import_that_may_fail_is_no_finding() -> None:
    guarded = "try:\n    import torchvision\nexcept (ImportError, OSError):\n    torchvision = None\n"
    assert findings(guarded, missing=("torchvision",)) == []
    unguarded = guarded.replace("(ImportError, OSError)", "ValueError")
    assert len(findings(unguarded, missing=("torchvision",))) == 1


def test_findings_are_sorted_distinct_and_capped() -> None:
    found = find("import os; import os\n" * 30 + PAIR, DEFAULT_RULES)
    assert [finding.line for finding in found] == [*range(1, 10), 9]
    assert found[-1].what == "21 more findings follow"
    several = find("x = open('a')\nimport os\n" + PAIR, DEFAULT_RULES)
    assert [finding.line for finding in several] == [1, 2]


def test_one_door_is_one_finding() -> None:
    assert len(findings("import torch\ntorch.os.path.join('a')")) == 1
    assert len(findings("import numpy as np\nnp.lib.format.read_array(1).x.y")) == 1


def test_what_is_shown_of_a_source_is_escaped_and_short() -> None:
    finding = Finding(1, "\x1b[31m\u202e" + "x" * 1000, "a\nb", "\ud800")
    assert finding.what.startswith(r"\x1b[31m\u202exxx")
    assert len(finding.what) == 300
    assert (finding.why, finding.instead) == (r"a\nb", r"\ud800")
    assert "\x1b" not in str(finding)


# ---------------------------------------------------------------------------------------------------- contract


CONTRACT = {
    "": "defines no codec: it must define, at the top level, compress_video_frame(frame, frame_index, config) and",
    PAIR + CLIP_PAIR: "line 7: defines both pairs of contract functions",
    PAIR.replace("def decompress", "def other"): "defines compress_video_frame without decompress_video_frame",
    CLIP_PAIR.replace("def compress_video", "def x"): "line 4: defines decompress_video without compress_video",
    PAIR + "compress_video = compress_video_frame\n": "line 6: defines compress_video without decompress_video",
    PAIR.replace("frame_index, config", "config"): "line 2: compress_video_frame takes other arguments",
    CLIP_PAIR.replace("data, config", "data, config, extra"): "decompress_video takes other arguments",
    CLIP_PAIR.replace("data, config", "data, *, config"): "it is called with 2 arguments by position",
    CLIP_PAIR.replace("def comp", "async def comp"): "compress_video is async",
    "class Codec:" + CLIP_PAIR.replace("\n", "\n  "): "Instead: move compress_video out of class Codec",
}


@pytest.mark.parametrize("source", CONTRACT, ids=lambda text: CONTRACT[text][:40])
def test_a_broken_contract_is_explained(source: str) -> None:
    found = [str(finding) for finding in find(source, DEFAULT_RULES)]
    assert any(CONTRACT[source] in text for text in found), found


@pytest.mark.parametrize(
    "source",
    [
        PAIR,
        CLIP_PAIR,
        CLIP_PAIR.replace("data, config", "data, config, level=3"),
        CLIP_PAIR.replace("data, config", "*args"),
        "import torch\n" + CLIP_PAIR.replace("\ndef", "\n@torch.no_grad()\ndef"),
        "def code(x, y): return b''\nif True:\n    compress_video = code\n    decompress_video = code\n",
    ],
)
def test_other_ways_to_keep_the_contract_pass(source: str) -> None:
    assert find(source, DEFAULT_RULES) == ()


# ------------------------------------------------------------------------------------------------------- rules


def test_the_switch_for_image_codecs_lets_them_pass(tmp_path: Path) -> None:
    changed = tmp_path / "rules.toml"
    changed.write_text(SHIPPED.read_text("utf-8").replace("cv2_image_codecs = false", "cv2_image_codecs = true"))
    source = "import cv2\nok, data = cv2.imencode('.jpg', 1)\n" + PAIR
    assert len(check(source)) == 1
    assert check(source, Rules.load(changed)) == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source_kib", "source_kb", "unknown key 'source_kb'; did you mean 'source_kib'"),
        ("[limits]", "[limit]", "unknown key 'limit'; did you mean 'limits'"),
        ("[[refused.builtins]]", "[[refused.builtin]]", "unknown key 'builtin'; did you mean 'builtins'"),
        ('why = "it runs text as code"', 'because = "x"', "unknown key 'because'; known are names, why, instead"),
        ('why = "it runs text as code"', "", "why is None; it must be a text"),
        ("brackets = 50", "brackets = true", "brackets is True; it must be a whole number above 0"),
        ("brackets = 50", "", "'brackets' is missing"),
        ("cv2_image_codecs = false", "cv2_image_codecs = 0", "cv2_image_codecs is 0; it must be true or false"),
        ('names = ["eval"]', 'names = "eval"', "names is 'eval'; it must be a list of strings"),
        ("[limits]", "[limits", "cannot be read as rules"),
    ],
)
def test_a_rules_file_with_a_mistake_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    changed = tmp_path / "rules.toml"
    changed.write_text(SHIPPED.read_text("utf-8").replace(old, new, 1))
    with pytest.raises(SettingsError, match=re.escape(message)):
        Rules.load(changed)


def test_every_refused_name_of_a_library_is_below_an_allowed_module() -> None:
    names = [name for refusal in DEFAULT_RULES.refused["names"] for name in refusal.names]
    assert {name.partition(".")[0] for name in names} <= set(DEFAULT_RULES.modules)


# ------------------------------------------------------------------------------------------ nothing can hurt it

HOSTILE = {
    "parentheses": "(" * 100_000,
    "lists": "[" * 100_000 + "]" * 100_000,
    "unary": "x = " + "-" * 200_000 + "1",
    "not": "x = " + "not " * 60_000 + "1",
    "powers": "x = " + "1**" * 50_000 + "1",
    "lambdas": "x = " + "lambda: " * 25_000 + "1",
    "attributes": "x" + ".a" * 100_000,
    "elifs": "if a: pass\n" + "elif a: pass\n" * 15_000,
    "f-string in f-string": "x = " + 'f"{' * 100 + "1" + '}"' * 100,
    "f-string of 60,000 fields": 'x = f"' + "{1}" * 60_000 + '"',
    "10 MB": "x = 1\n" * 1_700_000,
    "NUL": "x = 1\0",
    "lone surrogate": "x = '\ud800'",
    "surrogate outside": "\udc80 = 1",
    "cookie": "# coding: \xff\xfe\nx = 1",
    "decimal of 200,000 digits": "x = " + "9" * 200_000,
    "one line of 250 KB": "x = " + "+".join(["1"] * 125_000),
    "unclosed strings": '"""' + '\\"""' * 60_000,
    "aliases of aliases": "import numpy as a0\n" + "".join(f"a{i + 1} = a{i}.x or a{i}.y\n" for i in range(2000)),
    "aliases backwards": "import numpy as a9000\n" + "".join(f"a{i} = a{i + 1}\n" for i in range(9000)) + "a0.load",
    "80,000 letters": "\N{LATIN SMALL LETTER E WITH ACUTE}\n" * 80_000,
    "20,000 findings": "eval\n" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_source_gets_a_finding_and_hangs_nothing(name: str) -> None:
    started = time.process_time()
    assert find(HOSTILE[name], DEFAULT_RULES)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["parentheses", "unary", "10 MB", "lone surrogate"])
def test_a_hostile_source_ends_in_the_child_as_in_the_process(name: str) -> None:
    assert check(HOSTILE[name]) == find(HOSTILE[name], DEFAULT_RULES)


def test_the_child_says_what_the_function_says() -> None:
    random = Random(SEED)
    missing = [name for name in DEFAULT_RULES.modules if find_spec(name) is None]
    texts = [text for text in REFUSED if "\0" not in text]
    for _ in range(5):
        source = "\n".join(random.sample(texts, 3)) + PAIR
        assert check(source) == find(source, DEFAULT_RULES, missing), f"seed {SEED}"
    assert check(PASSES["numpy and cv2"] + PAIR) == ()


def test_a_child_that_dies_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endings = {
        "import os; os.kill(os.getpid(), 9)": "the check did not finish: its process was ended: Killed",
        "raise MemoryError('full')": "the check did not finish: MemoryError: full",
        "raise SystemExit(3)": "the check did not finish: its process left with status 3",
        "import time; time.sleep(60)": "the check did not finish: it was stopped after 1 s",
    }
    child = tmp_path / "child.py"
    monkeypatch.setattr(labkit.policy, "_CHILD", child)
    monkeypatch.setattr(labkit.policy, "DEADLINE_S", 1.0)
    for ending, message in endings.items():
        child.write_text(ending)
        (finding,) = check(PAIR)
        assert finding.what == message


PIECES = st.sampled_from(
    [*PASSES.values(), *(text for text in REFUSED if len(text) < 200), PAIR, "\0", "\ud800", "é", '"""', "'", "\\"]
)


@pytest.mark.slow
@seed(SEED)
@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=3), st.randoms(use_true_random=False), st.text(max_size=20))
def test_no_mutated_source_raises(pieces, random, noise) -> None:
    text = list("\n".join(pieces))
    for _ in range(random.randrange(4)):
        start = random.randrange(len(text) + 1)
        text[start : start + random.randrange(20)] = random.choice([noise, "(", ":", "\n", " ", "lambda:", "f'{"])
    found = find("".join(text), DEFAULT_RULES)
    assert len(found) <= DEFAULT_RULES.findings
    assert all(str(finding).isprintable() for finding in found)
