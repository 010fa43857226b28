"""What a campaign was asked to do: one file or a few flags, checked before anything runs."""

import difflib
import math
import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from labkit.adopt import REFERENCE, BdRateRule, ParetoRule, Rule, ThresholdRule
from labkit.anchors import ANCHORS
from labkit.container import MAX_QP
from labkit.errors import SettingsError
from labkit.footage.split import AUTO, NONE
from labkit.goal import Goal
from labkit.jail import Limits
from labkit.propose.choice import Asking
from labkit.propose.claude_settings import ClaudeSettings
from labkit.rd import QPS

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: codecs/, notebooks/ and runs/ lie in it."""

CHANGEABLE = (
    "generations", "candidates", "proposer", "claude", "budget_usd", "batch", "record", "workers", "remote",
    "min_isolation", "cache", "pause_on", "stagnation", "vmaf",
)  # fmt: skip
"""What may differ when a campaign is resumed; all else decides what its numbers mean."""

ALERTS = (
    "identical bitstreams", "identical rates", "worse than version 0", "stagnation", "failures", "time-outs",
    "overfitting", "no curve", "robustness", "metrics disagree",
)  # fmt: skip
"""Kinds of alerts that a campaign can be told to pause on."""

_RULES: dict[str, type[BdRateRule | ThresholdRule | ParetoRule]] = {
    "bd_rate": BdRateRule,
    "threshold": ThresholdRule,
    "pareto": ParetoRule,
}

_SWITCHES = ("charge_source",)
"""Keys of [rule] that are true or false."""

_Whole = Annotated[int, Field(strict=True)]  # else "17" and true would pass for numbers
_Switch = Annotated[bool, Field(strict=True)]  # else "yes" and 1 would pass for true


class Settings(BaseModel):
    """A campaign's configuration.

    Attributes:
        clips: what `labkit clips` understands: builtin, builtin:NAME, paths, folders, URLs, library names.
        held_out: clips that decide about adoptions and that nobody tunes to: "auto" for a part of `clips` (or built-in
            scenes with other seeds), "none", or what `clips` understands.
        frames: the first so many of each clip; 0 for all.
        qps: four or more, so that there is a curve.
        start: the program that is version 0; "" to begin with no champion.
        proposer: who writes: "recombine", "claude", "replay:FOLDER" or "manual:FILE.py".
        claude: which model is asked, where, how, and what it costs; see `ClaudeSettings`.
        budget_usd: the hard cap on all that is spent; none if left out.
        batch: ask by message batches: half the price, up to a day for each round.
        record: a folder that keeps every answer of a model, for `replay:FOLDER`.
        generations: in all, the start (generation 0) not counted.
        candidates: proposals in each generation.
        goal: what the campaign is for; every version's distance to it is shown.
        robustness: what happens to a codec that fails on odd clips (one frame, black, noise): "reject", "warn", "off".
        early_stop: end an evaluation as soon as it is proven that the candidate cannot be adopted.
        cache: take a rate point that was measured before from the cache.
        vmaf: measure VMAF of versions for the report; needs an ffmpeg with libvmaf.
        pause_on: kinds of alerts after which the campaign pauses; a call of the same command goes on.
        stagnation: an alert after so many generations without an adoption.
        workers: candidates or anchors measured at once; 0 for one a core.
        remote: a git remote that adopted versions are pushed to; "" for none.
        min_isolation: the weakest wall to begin with: "filtered" or "sealed"; the strongest of the machine is used.
        run_candidates_without_isolation: no wall at all; only for code that you would run yourself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clips: tuple[str, ...] = ("builtin",)
    held_out: tuple[str, ...] = (AUTO,)
    frames: Annotated[_Whole, Field(ge=0)] = 9
    qps: tuple[Annotated[_Whole, Field(ge=0, le=MAX_QP)], ...] = QPS
    anchors: tuple[str, ...] = tuple(ANCHORS)
    start: str = "codecs/intra_dct.py"
    proposer: str = "recombine"
    claude: ClaudeSettings = ClaudeSettings()
    budget_usd: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = None
    batch: _Switch = False
    record: str = ""
    seed: _Whole = 0
    generations: Annotated[_Whole, Field(ge=0, le=100_000)] = 5
    candidates: Annotated[_Whole, Field(ge=1, le=64)] = 2
    rule: Annotated[Rule, Field(discriminator="kind")] = BdRateRule()
    limits: Limits = Limits()
    goal: Goal = Goal()
    robustness: Literal["reject", "warn", "off"] = "reject"
    early_stop: _Switch = True
    cache: _Switch = True
    vmaf: _Switch = False
    pause_on: tuple[str, ...] = ()
    stagnation: Annotated[_Whole, Field(ge=1)] = 5
    workers: Annotated[_Whole, Field(ge=0, le=1024)] = 0
    remote: str = ""
    min_isolation: Literal["sealed", "filtered"] = "filtered"
    run_candidates_without_isolation: _Switch = False

    @field_validator("clips")
    @classmethod
    def _at_least_one(cls, clips: tuple[str, ...]) -> tuple[str, ...]:
        if not clips:
            raise ValueError("needs at least one clip")
        return clips

    @field_validator("held_out")
    @classmethod
    def _held_out_or_not(cls, specs: tuple[str, ...]) -> tuple[str, ...]:
        if not specs or (len(specs) > 1 and {AUTO, NONE} & set(specs)):
            raise ValueError(f"names clips, or is [{AUTO!r}] or [{NONE!r}] alone")
        return specs

    @field_validator("pause_on")
    @classmethod
    def _known_alerts(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in ALERTS:
                raise ValueError(f"unknown alert {kind!r}{_did_you_mean(kind, ALERTS)}")
        return kinds

    @field_validator("qps")
    @classmethod
    def _a_curve(cls, qps: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(qps)) < 4 or len(set(qps)) < len(qps):
            raise ValueError(f"needs at least four different QPs for a curve, got {list(qps)}")
        return tuple(sorted(qps))

    @field_validator("anchors")
    @classmethod
    def _known_anchors(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ANCHORS:
                raise ValueError(f"unknown anchor {name!r}{_did_you_mean(name, ANCHORS)}")
        if len(set(names)) < len(names):
            raise ValueError("names an anchor twice")
        return names

    @field_validator("rule", "limits", "goal", mode="before")
    @classmethod
    def _real_numbers(cls, section: Any) -> Any:
        for key, value in section.items() if isinstance(section, dict) else ():
            if key in _SWITCHES and type(value) is not bool:
                raise ValueError(f"{key} = {value!r}: needs true or false")
            # true would pass for 1 and "3" for 3; against nan nothing is ever too slow or too bad
            if key not in ("kind", "anchor", *_SWITCHES) and (
                type(value) not in (int, float) or not math.isfinite(value)
            ):
                raise ValueError(f"{key} = {value!r}: needs a number")
        return section

    @field_validator("limits")
    @classmethod
    def _above_zero(cls, limits: Limits) -> Limits:
        for key, value in vars(limits).items():
            if value <= 0:
                raise ValueError(f"{key} = {value!r}: must be above 0")
        return limits

    @model_validator(mode="after")
    def _a_floor_to_hold(self) -> "Settings":
        if isinstance(self.rule, ThresholdRule):
            crfs = ANCHORS[REFERENCE].crfs
            if REFERENCE not in self.anchors or not set(self.qps) <= set(crfs):
                raise ValueError(
                    f"[rule] kind = 'threshold' compares with {REFERENCE} at the same QPs: "
                    f"it needs that anchor and QPs out of {', '.join(map(str, crfs))}"
                )
        return self

    @model_validator(mode="after")
    def _a_goal_to_measure(self) -> "Settings":
        if self.goal != Goal() and self.goal.anchor not in self.anchors:
            named = ", ".join(self.anchors) or "none"
            raise ValueError(f"[goal] is held against {self.goal.anchor}, and anchors are {named}: add it to them")
        return self

    @property
    def parallel(self) -> int:
        """How many candidates or anchors are measured at once."""
        return self.workers or os.cpu_count() or 1

    @property
    def asking(self) -> Asking:
        """How a model is asked."""
        return Asking(self.claude, self.budget_usd, self.candidates, self.batch, self.record)

    @property
    def checks(self) -> tuple[str, ...]:
        """The kinds of check that an adoption has to stand; held-out clips come last, for each use counts."""
        kinds = {
            "confirmation": True,
            "robustness": self.robustness != "off",
            "held out": self.held_out != (NONE,),
        }
        return tuple(kind for kind, asked in kinds.items() if asked)

    def differences(self, other: "Settings") -> list[str]:
        """Return the keys that decide what numbers mean and differ, as "key: ours, theirs"."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [
            f"{k}: {ours[k]!r} now, {theirs[k]!r} there" for k in ours if k not in CHANGEABLE and ours[k] != theirs[k]
        ]


def load_settings(path: Path) -> dict[str, Any]:
    """Return the keys of a campaign file (TOML), not yet checked.

    Raises:
        SettingsError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a campaign file in TOML") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error


def with_absolute_paths(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose paths mean the same in every process: a notebook's kernel runs in another folder."""

    def absolute(spec: Any) -> Any:
        return str(Path(spec).resolve()) if isinstance(spec, str) and spec and Path(spec).exists() else spec

    paths: dict[str, Any] = {}
    if record := values.get("record"):
        paths["record"] = str(Path(str(record)).resolve())
    for key in ("clips", "held_out"):
        if isinstance(clips := values.get(key), (list, tuple)):
            paths[key] = [absolute(spec) for spec in clips]
    if "start" in values:
        paths["start"] = absolute(values["start"])
    if isinstance(proposer := values.get("proposer"), str):
        kind, colon, rest = proposer.partition(":")
        paths["proposer"] = f"{kind}{colon}{absolute(rest)}"
    return values | paths


def make_settings(values: dict[str, Any], origin: str) -> Settings:
    """Return checked settings.

    Raises:
        SettingsError: an unknown key (the nearest name is offered) or a value that makes no sense.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(f"{origin}{_explain(item)}" for item in error.errors())) from error


_PLAIN_WORDS = {
    "int": "needs a whole number",
    "float": "needs a number",
    "finite_number": "needs a number",
    "string": "needs a text in quotes",
    "tuple": "needs a list in [ ]",
    "literal_error": "needs one of {expected}",
    "bool": "needs true or false",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "dataclass": "needs a section of its own with keys in it",
    "model_attributes": "needs a section of its own with keys in it",
    "union_tag_not_found": "needs a kind: " + ", ".join(_RULES),
}
"""What to say, by how pydantic's error types begin."""


def _explain(item: Any) -> str:
    place, value, kind = list(item["loc"]), item["input"], item["type"]
    if kind == "union_tag_invalid":
        return f", [rule]: unknown kind {value['kind']!r}{_did_you_mean(str(value['kind']), _RULES)}"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        section = f", [{place[0]}]" if len(place) > 1 else ""
        return f"{section}: unknown key {place[-1]!r}{_did_you_mean(str(place[-1]), _keys(place))}"
    plain = next((text for start, text in _PLAIN_WORDS.items() if kind.startswith(start)), None)
    said = plain.format(**item.get("ctx", {})) if plain else item["msg"].removeprefix("Value error, ")
    if not place:
        return f": {said}"
    if place[0] in ("rule", "limits", "claude", "goal") and isinstance(
        value, dict | Limits
    ):  # not shown: it may hold a key
        return f", [{place[0]}]: {said}"
    section, key = (f", [{place[0]}]", place[-1]) if isinstance(place[-1], str) and place[1:] else ("", place[0])
    return f"{section}: {key} = {value!r}: {said}"


def _keys(place: list[Any]) -> list[str]:
    """Return the keys that are known where the unknown one stands."""
    if len(place) == 1:
        return list(Settings.model_fields)
    section: Any = {"claude": ClaudeSettings, "limits": Limits, "goal": Goal}.get(place[0]) or _RULES[place[1]]
    return [field.name for field in fields(section)]


def _did_you_mean(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(set(known)))}"


def cache_folder() -> Path:
    """Return where results that can be made again are kept: LABKIT_HOME/cache, or the user's cache folder."""
    home = os.environ.get("LABKIT_HOME")
    return Path(home) / "cache" if home else platformdirs.user_cache_path("labkit")
