"""What went wrong is told so that it can be mended: place, line, what came, what was expected; whatever it holds."""

import contextlib
import importlib.util
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from programs import changed

from labkit import view
from labkit.campaign import Campaign
from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.evaluate import evaluate, refused
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.jail import Limits, Nursery
from labkit.ledger import Ledger
from labkit.notebook import run_generation
from labkit.policy import DEFAULT_RULES, check
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.settings import make_settings
from labkit.view.changes import failure_blocks
from labkit.view.report import write_report

HERE = "  # here"
QUICK = Limits(encode_s=0.1, decode_s=0.1, run_s=0.9, load_cpu_s=20.0, memory_mib=256)
HEAD = "def compress_video_frame(frame, frame_index, config):"
BACK = "def decompress_video_frame(data, frame_index, config):"


def codec(encode: str = "return b'x'", decode: str = "return None", top: str = "", head: str = HEAD) -> Candidate:
    """A frame codec with these bodies."""
    return Candidate("\n".join([top, "import numpy as np", head, indented(encode), BACK, indented(decode), ""]))


def clip_codec(decode: str) -> Candidate:
    encoder = "import numpy as np\ndef compress_video(frames, config):\n    return b'x'\n"
    return Candidate(f"{encoder}def decompress_video(data, config):\n{indented(decode)}\n")


def indented(body: str) -> str:
    return "\n".join("    " + line for line in body.split("\n"))


def marked_line(source: str) -> int:
    """The number of the line that should be named."""
    (line,) = [number for number, text in enumerate(source.split("\n"), start=1) if HERE in text]
    return line


def noise() -> Clip:
    samples = np.random.default_rng(5).integers(0, 256, (3, 32 * 16 * 3 // 2), dtype=np.uint8)
    return Clip("noise", samples, 32, 16, Fraction(25))


def failure_of(candidate: Candidate, limits: Limits = QUICK) -> Failure:
    """Run it behind the strongest wall; the check is left out, so that it can do what the check refuses."""
    with Nursery(candidate, limits) as nursery:
        outcome = nursery.failure or nursery.encode(noise(), 32)
        if not isinstance(outcome, Failure):
            outcome = nursery.decode(outcome.container, lambda index, frame: None, "noise")
    assert isinstance(outcome, Failure), "the candidate was expected to fail"
    return outcome


# --- place, line, what came, what was expected -----------------------------------------------------------

GREY = "y, c = np.zeros((16, 32), np.uint8), np.zeros((8, 16), np.uint8)\n"
DEEP = f"def inner(x):\n    return 1 // x{HERE}\nreturn inner(0)"
LATE = f"if frame_index == 2:\n    b''[9]{HERE}\nreturn b''"
IN_C = f"import itertools\nsum(itertools.repeat(1)){HERE}"
ENCODE, DECODE, LOAD = Stage.ENCODE, Stage.DECODE, Stage.LOAD
Kind = FailureKind

FAULTS = {
    "raised": (codec(DEEP), ENCODE, Kind.RAISED, 0, "ZeroDivisionError: "),
    "raised later": (codec(LATE), ENCODE, Kind.RAISED, 2, "IndexError: "),
    "payload": (codec(f"return 'text'{HERE}"), ENCODE, Kind.WRONG_TYPE, 0, "returned str, expected bytes"),
    "no return": (codec("pass", head=HEAD + HERE), ENCODE, Kind.WRONG_TYPE, 0, "returned NoneType, expected bytes"),
    "two returns": (codec("if frame:\n    return 1\nreturn 2", head=HEAD + HERE), ENCODE, Kind.WRONG_TYPE, 0, "int"),
    "frame": (codec(decode=f"return 7{HERE}"), DECODE, Kind.WRONG_TYPE, 0, "returned int, expected a tuple (y, u, v)"),
    "plane": (codec(decode=f"{GREY}return y, c, c[:4]{HERE}"), DECODE, Kind.WRONG_SHAPE, 0,
              "plane v of the decoded frame is (4, 16), expected (8, 16)"),
    "dtype": (codec(decode=f"{GREY}return y, c / 2, c{HERE}"), DECODE, Kind.WRONG_TYPE, 0,
              "plane u of the decoded frame is an array of float64, expected a numpy array of uint8"),
    "clip": (clip_codec(f"return 7{HERE}"), DECODE, Kind.WRONG_TYPE, None, "returned int, expected a list of frames"),
    "clip, frames": (clip_codec(f"{GREY}return [(y, c, c)] * 2{HERE}"), DECODE, Kind.WRONG_SHAPE, None,
                     "returned 2 frames, expected 3"),
    "clip, plane": (clip_codec(f"{GREY}return [(y, c, c), (c, c, c), (y, c, c)]{HERE}"), DECODE, Kind.WRONG_SHAPE, 1,
                    "plane y of the decoded frame is (8, 16), expected (16, 32)"),
    "memory": (codec(f"return bytes(1 << 40){HERE}"), ENCODE, Kind.OUT_OF_MEMORY, 0, "MemoryError"),
    "left": (codec("import os\nos._exit(3)"), ENCODE, Kind.LEFT, 0, "exit status 3, expected a reply"),
    "crash": (codec(f"import ctypes\nctypes.string_at(0){HERE}"), ENCODE, Kind.CRASHED, 0, "SIGSEGV"),
    "hangs": (codec(f"while True: frame_index += 1{HERE}"), ENCODE, Kind.TIMED_OUT, 0, "s of CPU used, limit 1.0 s"),
    "hangs in C": (codec(IN_C), ENCODE, Kind.TIMED_OUT, 0, "s of CPU used, limit 1.0 s"),
    "load": (codec(top=f"TABLE = [1, 2][5]{HERE}"), LOAD, Kind.RAISED, None, "IndexError: "),
    "syntax": (codec(top=f"x = = 1{HERE}"), LOAD, Kind.RAISED, None, "SyntaxError: invalid syntax"),
}  # fmt: skip
"""Candidate, then stage, kind and frame of its failure, and words of its first line."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_failure_names_its_place_its_line_and_what_was_expected(name: str) -> None:
    candidate, stage, kind, frame, words = FAULTS[name]
    failure = failure_of(candidate)
    assert (failure.stage, failure.kind, failure.frame) == (stage, kind, frame)
    assert (failure.clip, failure.qp) == (("", None) if stage is LOAD else ("noise", 32))
    head, *lines = str(failure).split("\n")
    assert head.startswith(f"{kind} ({failure.place}): ")
    assert words in head
    assert failure.output == "", "what finds the line of a crash is not the candidate's output"
    if name == "left":
        assert (failure.line, lines) == (None, [])
        return
    if kind is Kind.TIMED_OUT:  # the limit in whole seconds tells the line, the next second ends it
        assert 1.5 < float(failure.detail.split()[0]) < 2.5
    assert failure.line == marked_line(candidate.source)
    assert failure.place.endswith(f"line {failure.line}")
    assert lines[-1].startswith(f"    line {failure.line}, in ")
    assert lines[-1].endswith(HERE.strip()), "the text of the line"


def test_the_way_to_the_line_is_shown_and_no_line_of_the_lab() -> None:
    failure = failure_of(codec("def down(n):\n    return down(n - 1)\nreturn down(9)"))
    assert failure.detail.startswith("RecursionError: ")
    lines = failure.detail.split("\n")[1:]
    assert len(lines) == 6
    assert set(lines) == {"line 5, in down: return down(n - 1)"}


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r", "\x0c\n", "'\x1c\x85\u2028'\n"])
def test_lines_are_counted_as_python_counts_them(separator: str) -> None:
    source = separator.join(["A = 1;", "B = 2;", "C = [][1]", ""])
    failure = failure_of(Candidate(source))
    assert failure.line == 3
    assert "line 3, in <module>: C = [][1]" in failure.detail
    code = Page(view.show_code(source)._repr_html_())
    assert re.search(r"3C = \[\]\[1\]", code.text), "and so they are shown"


def test_what_was_printed_before_a_crash_is_kept_and_only_that() -> None:
    failure = failure_of(codec("print('first')\nprint('no newline', end='')\nimport ctypes\nctypes.string_at(0)"))
    assert failure.line == 7
    assert failure.output.split() == ["first", "no", "newline"]


def test_a_row_from_before_lines_were_kept_can_still_be_read(tmp_path: Path) -> None:
    ledger = Ledger.at(tmp_path)
    number = ledger.record_proposal(1, 0, Proposal(Candidate("x = 1")), "test")
    old = {"stage": "encode", "kind": "raised", "detail": "KeyError: 1", "clip": "c", "qp": 22, "frame": 0}
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute(
            "INSERT INTO evaluations (proposal, candidate, isolation, failure, wall_s, cpu_s, warmed, output, at) "
            "VALUES (?, ?, 'sealed', ?, 1, 1, 0, '', '')",
            (number, Candidate("x = 1").hash, json.dumps(old)),
        )
    database.close()
    evaluation = ledger.entries()[0].evaluation
    ledger.close()
    assert evaluation is not None
    assert str(evaluation.failure) == "raised (encode, c, QP 22, frame 0): KeyError: 1"


# --- words that lie --------------------------------------------------------------------------------------

SHOUT = "document.documentElement.setAttribute('data-owned', 1)"
MARKUP = f'</pre></td></table><script>{SHOUT}</script><img src=x onerror="{SHOUT}"><a href="javascript:{SHOUT}">x</a>'
PAGES = "[a](javascript:a()) ![b](http://evil.example/b.png) $$\\href{javascript:b()}{c}$$ \\(d\\) {{ 7 * 7 }}"
RICH = "[red]e[/red] [link=http://evil.example]f[/link] [/] :warning:"
SCREEN = "\x1b[2J\x1b[31mg \x1b]8;;http://evil.example\x1b\\h\x1b]8;;\x1b\\ \x1b]52;c;cm0gLXJm\x07 \x9b31m \x08\x7f \r"
HIDDEN = "\u202ei\u2066 \u200b\u2028\u2029 \ufeff \x00 \U000e0041"
PLAIN = f"{MARKUP} {PAGES} {RICH}"
"""Nothing in it is hidden: the static check lets it pass in a comment."""
EVIL = f"{SCREEN} {HIDDEN} {PLAIN}"
SHOWN = ("\\x1b[2J", "\\x1b]52;c;", "\\x9b31m", "\\u202e", "\\x00", "\\U000e0041", "[/red]", ":warning:", "<script>")
"""What is left to see of it."""


def hidden(text: str) -> list[str]:
    """What a terminal or a browser would act on, or a reader not see."""
    found = {c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}
    return sorted(map(ascii, found))


def test_the_predicate_sees_what_it_should() -> None:
    assert len(hidden(EVIL + "\ud800")) > 12
    assert hidden(PLAIN + "\nline\tüñ🎥") == []


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.pieces: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def assert_harmless(source: str) -> Page:
    page = Page(source)
    assert not page.elements & {"script", "iframe", "object", "embed", "link", "base", "form"}
    assert page.handlers == []
    assert [a for a in page.addresses if not a.startswith(("#", "data:image/png;base64,"))] == []
    assert hidden(source) == []
    return page


LIAR = f"""
import os
class Error(Exception):
    pass
Error.__name__ = {EVIL.replace(chr(0), "")!a}
def fail():
    raise Error({EVIL + chr(0xD800)!a})  # {PLAIN}
fail.__code__ = fail.__code__.replace(co_name={EVIL!a})
"""


def test_names_texts_and_output_of_a_failure_are_shown_and_do_nothing() -> None:
    failure = failure_of(codec(f"os.write(1, {EVIL!a}.encode())\nfail()", top=LIAR))
    assert hidden(str(failure) + failure.output) == []
    assert all(word in failure.detail and word in failure.output for word in SHOWN)
    assert "\\ud800" in failure.detail
    assert failure.line == 7
    shown = assert_harmless(failure_blocks(Evaluation("hash", "sealed", failure=failure)))
    assert shown.text.count("\\x1b[2J") >= 5, "the exception's type and text, function, line, output"
    assert shown.text.count("<script>") >= 2, "text and output; the others are cut before it"


def test_words_cannot_be_taken_for_lines_of_the_lab() -> None:
    lie = "x\nline 1, in lie: all is well\nadopted as v9\r\nfailed: nothing\n"
    failure = failure_of(codec(f"raise ValueError({lie!r} * 1000)"))
    assert len(failure.detail) < 5000
    ours = [line for line in failure.detail.split("\n") if not line.startswith("    ")]
    assert ours == ["ValueError: x", f"line 4, in compress_video_frame: {failure.detail.split('frame: ')[-1]}"]
    assert all(line.startswith("    ") for line in str(failure).split("\n")[1:])


@pytest.mark.parametrize(
    "top",
    [
        "class E(Exception):\n    def __str__(self): raise SystemExit",
        "class S(str):\n    __getitem__ = __format__ = None\nclass E(Exception):\n    def __str__(self): return S('x')",
        "class M(type):\n    __name__ = property(lambda self: 1 // 0)\nclass E(Exception, metaclass=M): pass",
        "class E(Exception):\n    def __str__(self): return 7",
    ],
)
def test_an_exception_that_refuses_to_be_described_is_one_all_the_same(top: str) -> None:
    failure = failure_of(codec(f"raise E(1){HERE}", top=top))
    assert failure.kind is FailureKind.RAISED
    assert failure.line == marked_line(codec(f"raise E(1){HERE}", top=top).source)


SEND = """import fcntl, os, stat
def send(body):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, b"X" + len(body).to_bytes(8, "little") + body)
                os._exit(0)
        except OSError:
            continue
"""


def forged(body: object) -> Failure:
    text = body if isinstance(body, str) else json.dumps(body)
    return failure_of(codec(f"send({text.encode()!r})", top=SEND))


def test_a_forged_account_names_no_line_that_is_not_there_and_hides_nothing() -> None:
    trace = [[10**9, "x"], [-1, "y"], [0, "z"], [True, "t"], [2.0, "f"], [2, "n\nadopted as v9 \x1b[2J\u202e"]]
    failure = forged({"kind": "raised", "detail": EVIL + "\ud800", "trace": trace, "frame": -7})
    assert (failure.kind, failure.line, failure.frame) == (FailureKind.RAISED, 2, 0)
    assert failure.detail.split("\n")[-1].startswith("line 2, in n adopted as v9 \\x1b[2J")
    assert failure.detail.endswith("def send(body):"), "the text of the line is the lab's own copy"
    assert hidden(str(failure)) == []


@pytest.mark.parametrize("trace", [7, [[1]], [[1, 2, 3]], {"abc": 1}, None, [["1", {}]], "NaN", "[[Infinity, 1]]"])
def test_an_account_that_cannot_be_read_is_a_failure_too(trace: object) -> None:
    body = f'{{"kind": "raised", "detail": "", "trace": {trace if isinstance(trace, str) else json.dumps(trace)}}}'
    failure = forged(body)
    assert failure.kind in (FailureKind.BROKE_PROTOCOL, FailureKind.RAISED)
    assert failure.line is None


# --- the static check ------------------------------------------------------------------------------------


def users_of(sort: str, name: str) -> str:
    """A line that uses what a rule refuses."""
    name = name.replace("*", "njit" if sort == "keywords" else "")
    path, _, last = name.rpartition(".")
    return {
        "builtins": f"x = {name}",
        "modules": f"import {name}",
        "reached": f"import {name}",
        "names": f"import {name.partition('.')[0]}\nx = {name}",
        "keywords": f"import numba\nx = {path}({last}=True)",
        "attributes": f"x = [].{name}",
    }[sort]


RULES = [(sort, name, rule) for sort, rules in DEFAULT_RULES.refused.items() for rule in rules for name in rule.names]


def test_every_refused_name_is_found_with_line_reason_and_a_way_out() -> None:
    lines, expected = [], {}
    for sort, name, rule in RULES:
        lines += users_of(sort, name).split("\n")
        expected[len(lines)] = (name, rule)
    assert len(expected) > 200
    everything = replace(DEFAULT_RULES, findings=10_000)
    source = "\n".join(lines) + f"\n{HEAD}\n    return b''\n{BACK}\n    return None\n"
    found = {finding.line: finding for finding in check(source, everything) if "not installed" not in finding.why}
    for line, (name, rule) in expected.items():
        assert line in found, f"{name} passes"
        assert (found[line].why, found[line].instead) == (rule.why, rule.instead), name
        assert found[line].what.startswith(("imports ", "uses ", "calls "))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "defines no codec"),
        ("x = = 1\n", "syntax error in 'x = = 1'"),
        ("```python\nx = 1\n```\n", "Markdown fence"),
        ("x = '\u202e'\n", "U+202E"),
        ("x = '\0'\n", "U+0000"),
        (f"x = {'(' * 60}1{')' * 60}\n", "nests brackets"),
        ("# coding: latin-1\n", "declares the encoding"),
        ("λ = 1\n", "uses the character"),
        ("x = '" + "a" * 70_000 + "'\n", "holds a constant"),
        ("#" * 300_000, "KiB"),
        ("x = " + "-" * 5000 + "1\n", "deep"),
        ("from . import x\n", "imports relatively"),
        ("from numpy import *\n", "imports * from numpy"),
        ("import numpy as np\nnp.sum = 1\n", "sets numpy.sum"),
        ("T = type('T', (), {})\n", "three arguments"),
        (f"async {HEAD} return b''\n", "is async"),
        ("def compress_video_frame(frame): return b''\n", "takes other arguments"),
        ("class Codec:\n    def compress_video(self): pass\n", "defines no codec"),
    ],
)
def test_every_other_finding_has_a_reason_and_a_way_out_too(source: str, words: str) -> None:
    findings = check(source)
    assert any(words in finding.what for finding in findings)
    assert all(finding.what and finding.why and finding.instead for finding in findings)
    failure = refused(Candidate(source))
    assert failure is not None
    assert hidden(str(failure)) == []
    assert failure.detail.split("\n") == [str(finding) for finding in findings]
    assert failure.line == (findings[0].line or None)


def test_of_many_findings_the_first_are_shown_and_the_others_counted() -> None:
    failure = refused(Candidate("x = eval\n" * 50))
    assert failure is not None
    shown = failure.detail.split("\n")
    assert len(shown) == DEFAULT_RULES.findings == 10
    assert all(f"line {n}: uses builtin eval" in failure.detail for n in range(1, 9))
    assert "42 more findings" in shown[-1], "50 uses and no codec, less the nine that are shown"


# --- the classic -----------------------------------------------------------------------------------------

LEARNED = """
import numpy as np
import {library}
import torch

torch.manual_seed(0)
encoder = torch.nn.Conv2d(1, 1, 3, padding=1)
encoder.eval()

def compress_video_frame(frame, frame_index, config):
    with torch.no_grad():
        encoder(torch.from_numpy(frame[0].astype(np.float32))[None, None])
    return b"".join(plane.tobytes() for plane in frame)

def decompress_video_frame(data, frame_index, config):
    w, h = config["width"], config["height"]
    y, u, v = np.split(np.frombuffer(data, np.uint8), [w * h, w * h * 5 // 4])
    return y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)
"""


@pytest.mark.parametrize("library", ["torch", "torchvision"])
def test_a_network_that_is_put_into_eval_mode_runs_or_says_in_a_line_what_is_missing(library: str) -> None:
    missing = [name for name in dict.fromkeys((library, "torch")) if importlib.util.find_spec(name) is None]
    evaluation = evaluate(Candidate(LEARNED.format(library=library)), [noise()], [32])
    print(f"{library}: {'runs' if not missing else f'{missing} not installed'}")  # which of the two was tested here
    if not missing:
        assert evaluation.failure is None, evaluation.failure
        assert evaluation.points[0].psnr_db == float("inf")
        return
    assert evaluation.failure is not None
    (line,) = evaluation.failure.detail.split("\n")
    assert line.startswith(f"line 3: imports {missing[0]}: {missing[0]} is allowed, but not installed here. Instead: ")
    assert "use what is installed: numpy, cv2" in line
    assert f"pip install {missing[0]}" in line
    assert "eval" not in line


def test_a_library_that_is_missing_may_be_done_without() -> None:
    """The import is guarded: the check lets it pass, and loading must not trip over it."""
    name = next((name for name in ("torchvision", "torch") if importlib.util.find_spec(name) is None), None)
    if name is None:
        pytest.skip("every library that a candidate may ask for is installed here")
    guarded = f"try:\n    import {name}\nexcept ImportError:\n    {name} = None\n"
    assert check(codec(top=guarded).source) == ()
    assert failure_of(codec(top=guarded)).stage is DECODE, "it loads, encodes, and returns no frame"
    bare = failure_of(codec(top=f"\nimport {name}"))
    assert (bare.stage, bare.line) == (LOAD, 2)
    assert f"No module named '{name}'" in bare.detail


# --- a whole campaign of words that lie --------------------------------------------------------------------

PRINTS = f"    print({EVIL!a})\n"
SOUND = changed("    packer = ", PRINTS + "    packer = ") + f"# {PLAIN}\n"
ERROR = f"class Error(Exception):\n    pass\nError.__name__ = {EVIL.replace(chr(0), '')!a}\n"
RAISES = ERROR + changed("    packer = ", f"{PRINTS}    raise Error({EVIL!a})  # {PLAIN}\n    packer = ")
SMUGGLED = f'"""{EVIL}"""\nimport os\n# {EVIL}\n'


class Liar(Proposer):
    """Proposes programs that try to be more than text."""

    name = f"a liar {EVIL}"

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        self.brief = brief
        source = next(s for s in (SOUND, RAISES, SMUGGLED + "\ud800") if Candidate(s).hash not in brief.tried)
        return Proposal(Candidate(source, self.name, f"{EVIL}\ud800\n\nand more", brief.champion_hash))


@pytest.fixture(scope="module")
def lies(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """A recorded campaign: the start, then one that prints, one that raises, one that is refused."""
    folder = tmp_path_factory.mktemp("lies")
    clip = synthetic_clip("shapes", 64, 64, frames=2)
    write_y4m(folder / "small.y4m", [clip.frame(0), clip.frame(1)], 64, 64, clip.fps)
    asked = {
        "clips": [str(folder / "small.y4m")],
        "held_out": ("none",),
        "anchors": (),
        "generations": 1,
        "candidates": 3,
    }
    proposer = Liar()
    with Campaign.start(folder / "runs" / "lies", make_settings(asked, "test"), proposer) as campaign:
        for number in range(2):
            campaign.generation(number)
        assert [entry.outcome for entry in campaign.ledger.entries()] == ["adopted", "rejected", "failed", "failed"]
        failed = [entry.evaluation.failure for entry in campaign.ledger.entries() if entry.outcome == "failed"]
        assert [failure.stage for failure in failed if failure] == [ENCODE, Stage.CHECK]
    return folder / "runs" / "lies"


def test_the_report_shows_what_they_wrote_and_does_nothing_of_it(lies: Path, tmp_path: Path) -> None:
    with Campaign.open(lies) as campaign:
        text = write_report(campaign, tmp_path / "report.html").read_text(encoding="utf-8")
    page = assert_harmless(text)
    assert "i" not in page.elements
    assert "{{ 7 * 7 }}" in page.text, "no template is filled"
    assert all(page.text.count(word) > 8 for word in SHOWN), {word: page.text.count(word) for word in SHOWN}
    assert "\\ud800" in page.text


def test_the_proposer_reads_the_same_failure_as_the_person(lies: Path) -> None:
    with Campaign.open(lies) as campaign:
        entries, brief = campaign.ledger.entries(), campaign.brief(2, 0)
        for entry, experiment in zip(entries, brief.experiments, strict=True):
            if entry.outcome == "failed":
                assert entry.evaluation is not None
                assert experiment.reason == f"failed: {entry.evaluation.failure}"
                assert hidden(experiment.reason) == []
        raised = brief.experiments[2].reason
        assert re.match(r"failed: raised \(encode, small, QP 37, frame 0, line \d+\): ", raised)
        assert f"raise Error({ascii(EVIL)[:40]}" in raised
        assert "line 2: imports os" in brief.experiments[3].reason or "U+001B" in brief.experiments[3].reason


def on_a_terminal(*args: str | Path) -> str:
    """What a command writes to a terminal that understands no colours: every escape in it is somebody else's."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "100"}
    command = [sys.executable, "-m", "labkit", *map(str, args)]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    data = bytearray()
    with os.fdopen(ours, "rb", 0) as terminal, contextlib.suppress(OSError):  # its last writer is gone
        while got := terminal.read(65536):
            data += got
    assert process.wait(60) in (0, 3), data
    return data.decode("utf-8").replace("\r\n", "\n")


def into_a_pipe(*args: str | Path) -> str:
    done = subprocess.run([sys.executable, "-m", "labkit", *map(str, args)], capture_output=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    return (done.stdout + done.stderr).decode("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("read", [on_a_terminal, into_a_pipe])
def test_the_terminal_shows_what_they_wrote_and_does_nothing_of_it(lies: Path, read: Callable[..., str]) -> None:
    table, shown = read("show", lies), read("show", lies, 3, "--source")
    assert hidden(table + shown) == []
    assert "\\x1b[2J" in table
    assert all(shown.replace("\n", "").count(word) >= 3 for word in SHOWN), "in its hypothesis and twice in its source"
    assert "\nimport os\n# \\x1b[2J" in shown, "line by line"
    (source := lies.parents[1] / "raises.py").write_text(RAISES)
    clip = lies.parents[1] / "small.y4m"
    told = read("evaluate", source, "--clips", clip, "--anchors", "none", "--qps", "37")
    assert hidden(told) == []
    assert "raised (encode, small, QP 37, frame 0, line" in " ".join(told.split())
    assert all(word in told.replace("\n", "") for word in SHOWN)


@pytest.mark.slow
def test_one_json_value_is_plain_ascii_whatever_it_holds(lies: Path) -> None:
    records = into_a_pipe("show", lies, "--json")
    assert records.isascii()
    assert hidden(records) == []
    assert json.loads(records)[3]["hypothesis"].startswith(EVIL)


# --- slow: with a kernel, with a browser -------------------------------------------------------------------


def outputs(notebook: Path) -> dict[str, list[str]]:
    """Everything that the cells of an executed notebook hold, by kind."""
    found: dict[str, list[str]] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {"stream": output.get("text", "")})
            for kind, value in data.items():
                if kind != "image/png":
                    found.setdefault(kind, []).append("".join(value))
    return found


@pytest.mark.slow
def test_the_notebook_shows_what_they_wrote_and_does_nothing_of_it(lies: Path) -> None:
    found = outputs(run_generation(lies, 1))
    pages = [assert_harmless(text) for text in found.pop("text/html")]
    text = "".join(page.text for page in pages)
    assert all(text.count(word) > 4 for word in SHOWN), {word: text.count(word) for word in SHOWN}
    # Jupyter typesets formulas in HTML, and a formula may be a link: no piece of text may hold one
    pieces = [piece for page in pages for piece in page.pieces if re.search(r"[$\\]", piece)]
    assert set(pieces) == {"$", "\\"}
    assert set(found) <= {"text/plain", "stream"}
    assert [hidden(value) for values in found.values() for value in values if hidden(value)] == []


@pytest.mark.slow
def test_evolve_tells_in_a_line_each_and_does_nothing_of_it(lies: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(lies, tmp_path / "lies"))
    (folder / "notebooks" / "generation-001.ipynb").unlink(missing_ok=True)  # what is recorded is shown again
    shown = on_a_terminal(
        "evolve", "--name", "lies", "--runs", tmp_path, "--clips", lies.parents[1] / "small.y4m", "--anchors", "none",
        "--held-out", "none",
        "--generations", 1, "--candidates", 3,
    )  # fmt: skip
    assert hidden(shown) == []
    assert re.search(r"generation 1, candidate 2: failed, .*raised \(encode, small, QP 37, frame 0, line", shown)


def browsed(page: Path, profile: Path) -> str:
    """The page as headless Chromium has it when all its scripts have run."""
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = "--disable-component-update --disable-sync --virtual-time-budget=3000 --dump-dom"
    call = ["chromium", *options.split(), *more.split(), f"--user-data-dir={profile}", page.as_uri()]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.slow
def test_a_browser_runs_no_script_of_theirs(lies: Path, tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium")
    control = tmp_path / "control.html"
    control.write_text(f"<!DOCTYPE html><html><body><table><tr><td><pre>{MARKUP}</pre></table></body></html>")
    assert "data-owned" in browsed(control, tmp_path / "one").split("<body")[0], "unescaped, it would run"
    with Campaign.open(lies) as campaign:
        report = write_report(campaign, tmp_path / "report.html")
    seen = browsed(report, tmp_path / "two")
    assert "data-owned" not in seen.split("<body")[0]
    assert_harmless(seen)
