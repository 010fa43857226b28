"""The hostile files: their headers, parsed and checked, and the candidates that they become.

A file in tests/hostile/CLASS/ holds an attack and nothing else: a docstring that says what it tries, how the
wall answers and how that is seen from outside, and one or more of these functions, called by the candidate:

    at_load()                           while it is loaded; what it returns is KEPT for the others
    in_encoder(frame, index, config)    for frame 0 at QP 51, in the encoder's process
    in_decoder(data, index, config)     for frame 0 at QP 51, in the decoder's process

Everything else the candidate does with the honest codec of hostile_codec.py, which is put behind the file's
text, so that a later run at another QP tells whether the attack has changed anything. An OSError that a
function raises is printed as "refused NUMBER" and the run goes on; "did it" is what an attack prints that has
succeeded where no one outside could see it. A file that defines the contract's functions itself stands alone.
"""

import ast
import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from labkit.candidate import FailureKind, Stage

FOLDER = Path(__file__).with_name("hostile")
CODEC = Path(__file__).with_name("hostile_codec.py").read_text(encoding="utf-8")
ATTACK_QP, HONEST_QP = 51, 32

CLASSES = (
    "files",
    "network",
    "processes",
    "resources",
    "contract",
    "protocol",
    "stash",
    "bypass",
    "text",
    "baked",
)

SIGNS = {
    "leak": "the token of the canary or of the environment is in what came out",
    "file": "a file has appeared or changed",
    "contact": "a listener of ours has heard from it",
    "victim": "another process of the same user has died or changed",
    "alive": "a process is left when its run is over",
    "claim": "it printed 'did it'",
    "stash": "the decoder knows the clip's first samples, though the container is the same for every clip",
    "taken": "what it handed over was taken for a good result",
    "fall": "the processes that run it were brought down, and with them more than its own run",
    "hang": "its run does not end",
    "flood": "more than a mebibyte of its output arrives",
    "input": "the frames that it is measured against have changed",
    "raw": "control characters or markup reach a reader as they are",
    "none": "nothing to see: what it does is legal",
}
"""How harm shows, from outside: the same question is asked of the jail (no) and of the control (yes)."""

REQUIRED = ("class", "in the jail", "refused by check", "seen from outside", "safe control")
OPTIONAL = ("idea", "needs", "bits", "control", "not held")
NEEDS = ("root", "torch", "numba", "cv2", "x86_64")
LEVELS = ("sealed", "filtered")
LAYOUTS = ("forked", "in process", "as a file")

PLAIN_ENCODER = """
def compress_video_frame(frame, frame_index, config):
    return honest_encoder(frame, frame_index, config)
"""
PLAIN_DECODER = """
def decompress_video_frame(data, frame_index, config):
    return honest_decoder(data, frame_index, config)
"""
HOSTILE_ENCODER = f"""
def compress_video_frame(frame, frame_index, config):
    if config["qp"] != {ATTACK_QP} or frame_index:
        return honest_encoder(frame, frame_index, config)
    return attempt(in_encoder, b"", frame, frame_index, config)
"""
HOSTILE_DECODER = f"""
def decompress_video_frame(data, frame_index, config):
    if config["qp"] != {ATTACK_QP} or frame_index:
        return honest_decoder(data, frame_index, config)
    return attempt(in_decoder, painted(b"", config), data, frame_index, config)
"""
ATTEMPT = """
LOADED, KEPT = True, None

def attempt(hook, otherwise, *args):
    if LOADED:
        try:
            return hook(*args)
        except OSError as refusal:
            print("refused", refusal.errno)
    return otherwise
"""
AT_LOAD = """
try:
    KEPT = at_load()
except OSError as refusal:
    print("refused", refusal.errno)
    LOADED = False
"""


@dataclass(frozen=True)
class Attack:
    """One hostile file.

    Attributes:
        verdicts: what may come of it in the jail: "runs", or "stage: kind" of a failure.
        hears: errno numbers, one of which the kernel must have answered; empty if it need not be refused.
        bits: of the first sample, that a stash carries (all others come from elsewhere).
        control: why it is not safe to run it without the jail; "" if it is.
        layout: how it runs without the jail: "forked" as in the jail, "in process", or "as a file".
        not_held: levels at which the wall is known not to hold it.
        why_not: the reason for that; "" if it is held everywhere.
    """

    name: str
    tries: str
    text: str
    group: str
    verdicts: tuple[str, ...]
    hears: tuple[int, ...]
    refused: bool
    sign: str
    seen: str
    control: str
    idea: str
    needs: tuple[str, ...]
    bits: int
    layout: str
    not_held: tuple[str, ...]
    why_not: str

    @property
    def hooks(self) -> frozenset[str]:
        """Names of the functions that the file defines at its top level."""
        return functions(self.text)

    @property
    def alone(self) -> bool:
        """Whether the file is a whole candidate, without the honest codec."""
        return bool(self.hooks & {"compress_video_frame", "compress_video"})

    @property
    def decodes(self) -> bool:
        """Whether the attack needs a decoder's run."""
        return bool(self.hooks & {"in_decoder", "decompress_video_frame", "decompress_video"})

    def source(self, places: Mapping[str, str]) -> str:
        """Return the candidate's text, with the names between @ signs replaced."""
        text = complete(self.text)
        unknown = set(re.findall(r"@([A-Z]+)@", text)) - set(places)
        assert not unknown, f"{self.name}: unknown placeholders {unknown}"
        return re.sub(r"@([A-Z]+)@", lambda match: places[match[1]], text)


def functions(text: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))


def complete(text: str) -> str:
    """Return a candidate: the attack's text, the honest codec, and the contract's functions that call both."""
    defined = functions(text)
    if defined & {"compress_video_frame", "compress_video"}:
        return text  # it stands alone
    encoder = HOSTILE_ENCODER if "in_encoder" in defined else PLAIN_ENCODER
    decoder = HOSTILE_DECODER if "in_decoder" in defined else PLAIN_DECODER
    load = AT_LOAD if "at_load" in defined else ""
    return "\n".join((text, CODEC, ATTEMPT, load, encoder, decoder))


def honest() -> str:
    """Return the honest codec alone."""
    return "\n".join((CODEC, PLAIN_ENCODER, PLAIN_DECODER))


# --- headers ---------------------------------------------------------------------------------------------


class HeaderError(ValueError):
    """A hostile file whose header does not say what it must."""


def parse(name: str, text: str) -> Attack:
    """Return the attack that a file's text holds.

    Raises:
        HeaderError: a line is missing, unknown, given twice, or says something that has no meaning.
    """
    docstring = ast.get_docstring(ast.parse(text)) or ""
    tries, _, rest = docstring.rpartition("\n\n")
    fields = read_fields(name, rest)
    group = one_of(name, "class", fields["class"], CLASSES)
    verdicts, _, hears = fields["in the jail"].partition("; hears ")
    sign, _, seen = fields["seen from outside"].partition("; ")
    control, _, reason = fields["safe control"].partition("; ")
    if not tries or not seen or (control == "no") != bool(reason):
        raise HeaderError(f"{name}: needs a first line, words after the sign, and a reason where no control is safe")
    one_of(name, "safe control", control, ("yes", "no"))
    needs = tuple(filter(None, fields.get("needs", "").split(", ")))
    not_held, _, why_not = fields.get("not held", "").partition("; ")
    if bool(not_held) != bool(why_not):
        raise HeaderError(f"{name}: a level where it is not held needs its reason")
    for level in filter(None, not_held.split(", ")):
        one_of(name, "not held", level, LEVELS)
    for need in needs:
        one_of(name, "needs", need, NEEDS)
    return Attack(
        name=name,
        tries=" ".join(tries.split()),
        text=text,
        group=group,
        verdicts=tuple(verdict(name, word) for word in verdicts.split(", or ")),
        hears=tuple(getattr(errno, word) for word in hears.split(" or ") if word),
        refused=one_of(name, "refused by check", fields["refused by check"], ("yes", "no")) == "yes",
        sign=one_of(name, "sign", sign, SIGNS),
        seen=seen,
        control=reason,
        idea=fields.get("idea", ""),
        needs=needs,
        bits=int(fields.get("bits", "8")),
        layout=one_of(name, "control", fields.get("control", "forked"), LAYOUTS),
        not_held=tuple(filter(None, not_held.split(", "))),
        why_not=why_not,
    )


def read_fields(name: str, text: str) -> dict[str, str]:
    """Return the "key: value" lines; a line that starts with blanks goes on with the one before."""
    fields: dict[str, str] = {}
    for line in re.sub(r"\n\s+", " ", text.strip()).splitlines():
        key, colon, value = line.partition(": ")
        if not colon or key in fields or key not in REQUIRED + OPTIONAL:
            raise HeaderError(f"{name}: {line!r} is not one of the header's lines, or is there twice")
        fields[key] = value.strip()
    if missing := [key for key in REQUIRED if key not in fields]:
        raise HeaderError(f"{name}: its header does not say {missing}")
    return fields


def one_of(name: str, key: str, value: str, known: object) -> str:
    if value not in known:  # type: ignore[operator]
        raise HeaderError(f"{name}: {key} is {value!r}, expected one of {', '.join(known)}")  # type: ignore[arg-type]
    return value


def verdict(name: str, word: str) -> str:
    if word == "runs":
        return word
    stage, _, kind = word.partition(": ")
    try:
        return f"{Stage(stage)}: {FailureKind(kind)}"
    except ValueError:
        raise HeaderError(f"{name}: {word!r} is neither 'runs' nor a stage and a kind of failure") from None


@cache
def attacks() -> tuple[Attack, ...]:
    """Return every hostile file, by class and name."""
    files = sorted(FOLDER.glob("*/*.py"), key=lambda path: (CLASSES.index(path.parent.name), path.name))
    return tuple(parse(f"{path.parent.name}/{path.stem}", path.read_text(encoding="utf-8")) for path in files)
