"""The command that runs a campaign again."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labkit.settings import ROOT, Settings


def command(settings: Settings, folder: Path) -> str:
    """Return the command that runs the same campaign again."""
    words = ["./lab", "evolve", "--name", folder.name]
    if folder.resolve().parent != ROOT / "runs":
        words += ["--runs", str(folder.resolve().parent)]
    default = Settings()
    if settings_file(settings):
        words += ["--settings", "campaign.toml"]
    for key in Settings.model_fields:
        value = getattr(settings, key)
        if key not in ("rule", "limits") and value != getattr(default, key):
            words += [f"--{key.replace('_', '-')}", *_words(key, value)]
    return shlex.join(words)


def _words(key: str, value: Any) -> list[str]:
    if key == "clips":
        return list(value)
    if isinstance(value, tuple):
        return [",".join(map(str, value)) or "none"]
    return [] if value is True else [str(value)]


def settings_file(settings: Settings) -> str:
    """Return as TOML what the command needs besides its flags; "" if nothing."""
    default, lines = Settings(), []
    for name in ("rule", "limits"):
        if (section := getattr(settings, name)) != getattr(default, name):
            values = [f'{key} = "{v}"' if isinstance(v, str) else f"{key} = {v}" for key, v in asdict(section).items()]
            lines += [f"[{name}]", *values]
    return "\n".join(lines)
