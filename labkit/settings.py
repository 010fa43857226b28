"""What a campaign was asked to do: one file or a few flags, checked before anything runs."""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from labkit.adopt import BdRateRule, ParetoRule, Rule, ThresholdRule
from labkit.anchors import ANCHORS
from labkit.container import MAX_QP
from labkit.errors import SettingsError
from labkit.jail import Limits
from labkit.rd import QPS

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: codecs/, notebooks/ and runs/ lie in it."""

CHANGEABLE = ("generations", "workers", "remote")
"""What may differ when a campaign is resumed; all else decides what its numbers mean."""


class Settings(BaseModel):
    """A campaign's configuration.

    Attributes:
        clips: what `labkit clips` understands: builtin, builtin:NAME, paths, folders, URLs, library names.
        frames: the first so many of each clip; None for all.
        qps: four or more, so that there is a curve.
        start: the program that is version 0; "" to begin with no champion.
        proposer: who writes: "recombine" or "replay:FOLDER".
        generations: in all, the start (generation 0) not counted.
        candidates: proposals in each generation.
        workers: candidates or anchors measured at once; 0 for one a core.
        remote: a git remote that adopted versions are pushed to; "" for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clips: tuple[str, ...] = ("builtin",)
    frames: Annotated[int, Field(ge=1)] | None = 17
    qps: tuple[Annotated[int, Field(ge=0, le=MAX_QP)], ...] = QPS
    anchors: tuple[str, ...] = tuple(ANCHORS)
    start: str = "codecs/intra_dct.py"
    proposer: str = "recombine"
    seed: int = 0
    generations: Annotated[int, Field(ge=0, le=100_000)] = 6
    candidates: Annotated[int, Field(ge=1, le=64)] = 2
    rule: Annotated[Rule, Field(discriminator="kind")] = BdRateRule()
    limits: Limits = Limits()
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    remote: str = ""

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
        return names

    @property
    def parallel(self) -> int:
        """How many candidates or anchors are measured at once."""
        return self.workers or os.cpu_count() or 1

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


def make_settings(values: dict[str, Any], origin: str) -> Settings:
    """Return checked settings.

    Raises:
        SettingsError: an unknown key (the nearest name is offered) or a value that makes no sense.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(f"{origin}{_explain(item)}" for item in error.errors())) from error


def _explain(item: Any) -> str:
    *above, key = [str(part) for part in item["loc"] if part not in ("bd_rate", "threshold", "pareto")] or ["settings"]
    section = f", [{'.'.join(above)}]" if above else ""
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{section}: unknown key {key!r}{_did_you_mean(key, _keys(above))}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{section}: {key} = {item['input']!r}: {message}"


def _keys(above: list[str]) -> list[str]:
    classes = {"rule": (BdRateRule, ThresholdRule, ParetoRule), "limits": (Limits,)}.get(above[0] if above else "", ())
    names = [name for cls in classes for name in cls.__dataclass_fields__]
    return names or list(Settings.model_fields)


def _did_you_mean(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(set(known)))}"


def cache_folder() -> Path:
    """Return where results that can be made again are kept: LABKIT_HOME/cache, or the user's cache folder."""
    home = os.environ.get("LABKIT_HOME")
    return Path(home) / "cache" if home else platformdirs.user_cache_path("labkit")
