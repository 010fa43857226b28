"""Templates beside this file, and pages that are written whole or not at all."""

import contextlib
import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from labkit.errors import LabkitError
from labkit.view.fragment import text
from labkit.view.from_html import escaped, fenced, to_markdown


def template(name: str) -> Template:
    """Return a template that stops at an unknown name; HTML escapes every text, Markdown uses `words` and `md`."""
    environment = Environment(
        autoescape=name.endswith(".html.jinja"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FileSystemLoader(Path(__file__).parent),
    )  # fmt: skip
    environment.filters |= {"shown": text, "words": lambda value: escaped(str(text(value).unescape())),
                            "md": to_markdown, "fenced": fenced}  # fmt: skip
    return environment.get_template(name)


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file in one step; return its path.

    Raises:
        LabkitError: it cannot be written there.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        raise LabkitError(
            f"cannot write the report {path}: {error.strerror}; name another place with --output"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # what cannot be written cannot be removed either
            fresh.unlink()
    return path
