"""The monitor as a page for people without JupyterLab. Imports stand inside: a command pays only for what it uses."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit.commands.given import campaign_folder, print_json, runs_folder

TEMPLATES = Path(__file__).parents[1] / "view"
"""Holds voila/templates/labkit, as one of Jupyter's data folders does."""


def dashboard(args: argparse.Namespace) -> int:
    """Serve the monitor of a campaign (the newest) on this machine, by Voila, until it is interrupted."""
    from labkit.errors import LabkitError, NoCampaignError

    if importlib.util.find_spec("voila") is None:
        raise LabkitError("the dashboard needs voila, an extra: install the project with [voila]")
    folder = campaign_folder(args, args.run).resolve() if args.run else None
    if folder is not None and not (folder / "ledger.sqlite").exists():
        raise NoCampaignError(f"{folder} holds no campaign; `labkit evolve --name {folder.name}` makes one")
    runs, name = (folder.parent, folder.name) if folder else (runs_folder(args).resolve(), "")
    with TemporaryDirectory(prefix="labkit-") as place:
        notebook = _with_parameters(Path(place), {"runs": str(runs), "campaign": name})
        address = f"http://127.0.0.1:{args.port}/"
        print_json({"address": address}) if args.json else print(f"the monitor: {address} (Ctrl-C ends it)", flush=True)
        return subprocess.run(_voila(notebook, args.port), env=_environment(), check=False).returncode


def _with_parameters(folder: Path, parameters: dict[str, str]) -> Path:
    from labkit.notebook import NOTEBOOKS, spare_the_grammar

    spare_the_grammar()
    import nbformat
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    original = load_notebook_node(str(NOTEBOOKS / "04_monitor.ipynb"))
    path = folder / "04_monitor.ipynb"
    nbformat.write(parameterize_notebook(original, parameters), path)  # type: ignore[no-untyped-call]
    return path


def _voila(notebook: Path, port: int) -> list[str]:
    return [
        sys.executable, "-m", "voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}",
        "--template=labkit", "--Voila.log_level=ERROR",
        # it asks for parts of JupyterLab that are not there
        "--VoilaConfiguration.extension_denylist=nbdime-jupyterlab",
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    paths = [str(TEMPLATES), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return os.environ | {"JUPYTER_PATH": os.pathsep.join(paths)}
