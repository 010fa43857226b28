"""What a candidate may use, as data: the shipped `rules.toml`, or a file like it."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.errors import SettingsError

_TABLES = ("limits", "switches", "allowed", "refused")
_IMAGE_CODECS = ("cv2.imencode*", "cv2.imdecode*")


@dataclass(frozen=True)
class Refusal:
    """Names that share one reason and one alternative; `*` stands for any part of one component."""

    names: tuple[str, ...]
    why: str
    instead: str


@dataclass(frozen=True)
class Rules:
    """The limits, the allow-list and the refused names; all of it can be shown to a proposer.

    Attributes:
        source_kib: limit of a source as UTF-8, in KiB; `constant_kib` that of one literal.
        brackets: limit of nested brackets; `depth` that of nested syntax.
        findings: how many are returned at most.
        cv2_image_codecs: whether cv2.imencode and cv2.imdecode may be used.
        modules: top-level modules that may be imported.
        settable: dotted paths of modules whose attributes may be set.
        dunders: names of the form __x__ that may be read or defined.
        refused: refusals by sort: builtins, modules (hints only), reached (modules that may not be
            reached through another), names (dotted paths), keywords (dotted path and keyword), attributes
            (of any object).
    """

    source_kib: int
    constant_kib: int
    brackets: int
    depth: int
    findings: int
    cv2_image_codecs: bool
    modules: tuple[str, ...]
    settable: tuple[str, ...]
    dunders: tuple[str, ...]
    refused: dict[str, tuple[Refusal, ...]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Rules":
        """Return the rules of a TOML file.

        Raises:
            SettingsError: the file cannot be read, or a key is missing, unknown or of the wrong type.
        """
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: cannot be read as rules: {error}") from error
        _known(str(path), tables, _TABLES)
        values = {name: value for table in _TABLES[:3] for name, value in tables.get(table, {}).items()}
        return cls.of(values | {"refused": tables.get("refused", {})}, str(path))

    @classmethod
    def of(cls, values: dict[str, Any], origin: str) -> "Rules":
        """Return rules from plain data (TOML or JSON); `origin` is named in errors.

        Raises:
            SettingsError: a key is missing, unknown or of the wrong type.
        """
        expected = {item.name: item.type for item in fields(cls)}
        _known(origin, values, expected)
        missing = [name for name in expected if name not in values]
        if missing:
            raise SettingsError(f"{origin}: {missing[0]!r} is missing")
        checked = {name: _typed(origin, name, values[name], kind) for name, kind in expected.items()}
        return cls(**checked)

    def refusal(self, sort: str, name: str) -> tuple[str, Refusal] | None:
        """Return the part of `name` that a rule of this sort covers, with the rule; None if none does."""
        if sort not in self._patterns:
            return None
        pattern, refusals = self._patterns[sort]
        found = pattern.match(name)
        return (found[0], refusals[found.lastindex - 1]) if found and found.lastindex else None

    @cached_property
    def _patterns(self) -> dict[str, tuple[re.Pattern[str], tuple[Refusal, ...]]]:
        """One pattern for each sort, with a group for each refusal."""
        sorts = dict(self.refused)
        if not self.cv2_image_codecs:
            sorts["names"] = (*sorts.get("names", ()), _NO_IMAGE_CODECS)
        return {sort: (_compiled(refusals), refusals) for sort, refusals in sorts.items() if refusals}


_NO_IMAGE_CODECS = Refusal(
    _IMAGE_CODECS,
    "a wrapped JPEG is not a new codec (the switch cv2_image_codecs is off)",
    "transform and entropy-code the samples yourself: cv2.dct, zlib, constriction",
)

_SORTS = ("builtins", "modules", "reached", "names", "keywords", "attributes")


def _compiled(refusals: Iterable[Refusal]) -> re.Pattern[str]:
    groups = ("|".join(re.escape(name).replace(r"\*", "[^.]*") for name in part.names) for part in refusals)
    return re.compile("(?:" + "|".join(f"({group})" for group in groups) + r")(?![^.])")


def _known(origin: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise SettingsError for the first name that is not known, with the nearest one."""
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise SettingsError(f"{origin}: unknown key {name!r}; {hint}")


def _typed(origin: str, name: str, value: Any, kind: Any) -> Any:
    """Return `value` as the field wants it; lists become tuples."""
    if name == "refused" and isinstance(value, dict):
        _known(f"{origin}, [refused]", value, _SORTS)
        return {
            sort: tuple(_refusal(f"{origin}, [[refused.{sort}]]", entry) for entry in entries)
            for sort, entries in value.items()
        }
    if kind in (int, bool):
        if type(value) is not kind or (kind is int and value < 1):
            wanted = "true or false" if kind is bool else "a whole number above 0"
            raise SettingsError(f"{origin}: {name} is {value!r}; it must be {wanted}")
        return value
    return _strings(origin, name, value)


def _strings(origin: str, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise SettingsError(f"{origin}: {name} is {value!r}; it must be a list of strings")
    return tuple(value)


def _refusal(origin: str, entry: Any) -> Refusal:
    if not isinstance(entry, dict):
        raise SettingsError(f"{origin}: {entry!r} is no table with names, why and instead")
    _known(origin, entry, ("names", "why", "instead"))
    why, instead = (_text(origin, key, entry.get(key)) for key in ("why", "instead"))
    return Refusal(_strings(origin, "names", entry.get("names")), why, instead)


def _text(origin: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{origin}: {key} is {value!r}; it must be a text")
    return value
