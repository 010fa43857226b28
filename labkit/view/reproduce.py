"""The command that runs a campaign again."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labkit.settings import ROOT, Settings

_SECTIONS = ("rule", "limits", "claude", "goal", "robustness", "stagnation")
"""What stands in a campaign file: there is no flag for it."""


def command(settings: Settings, folder: Path) -> str:
    """Return the command that runs the same campaign again."""
    return shlex.join(["./lab", *arguments(settings, folder)])


def arguments(settings: Settings, folder: Path, file: str = "campaign.toml") -> list[str]:
    """Return its words after `./lab`.

    Args:
        file: that holds the text of `settings_file`, if there is any.
    """
    words = ["evolve", "--name", folder.name]
    if folder.resolve().parent != ROOT / "runs":
        words += ["--runs", str(folder.resolve().parent)]
    default = Settings()
    if settings_file(settings):
        words += ["--settings", file]
    for key in Settings.model_fields:
        value = getattr(settings, key)
        if key not in _SECTIONS and value != getattr(default, key):
            words += [f"--{'no-' if value is False else ''}{key.replace('_', '-')}", *_words(key, value)]
    return words


def _words(key: str, value: Any) -> list[str]:
    if key in ("clips", "held_out", "pause_on"):
        return list(value)
    if isinstance(value, tuple):
        return [",".join(map(str, value)) or "none"]
    return [] if isinstance(value, bool) else [str(value)]


def settings_file(settings: Settings) -> str:
    """Return as TOML what the command needs besides its flags; "" if nothing."""
    default = Settings()
    single = {name: getattr(settings, name) for name in ("robustness", "stagnation")}
    lines = _toml({name: value for name, value in single.items() if value != getattr(default, name)})
    for name in ("rule", "limits", "goal"):
        if (section := getattr(settings, name)) != getattr(default, name):
            lines += [f"[{name}]", *_toml(asdict(section))]
    given, usual = asdict(settings.claude), asdict(default.claude)
    if changed := {key: value for key, value in given.items() if value != usual[key]}:
        tables = {key: changed.pop(key) for key in ("headers", "prices") if key in changed}
        lines += ["[claude]", *_toml(changed)]
        if headers := tables.get("headers"):
            lines += ["[claude.headers]", *_toml(headers)]
        for model, price in tables.get("prices", {}).items():
            lines += [f"[claude.prices.{_key(model)}]", *_toml(price)]
    return "\n".join(lines)


def _toml(values: Mapping[str, Any]) -> list[str]:
    """Return keys and values as lines; JSON's texts, numbers and truth values are TOML's."""
    return [f"{_key(key)} = {json.dumps(value)}" for key, value in values.items() if value is not None]


def _key(text: str) -> str:
    return text if text.isidentifier() and text.isascii() else json.dumps(text)
