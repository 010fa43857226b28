"""papermill with its gaps closed: parameters checked, output written whole or not at all, success from the ledger."""

import difflib
import os
import sys
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labkit.errors import CampaignError, SettingsError
from labkit.settings import ROOT

NOTEBOOKS = ROOT / "notebooks"
_FIRST_CELLS = 6
_START_S = 300
"""How long a kernel may take to answer first: a busy machine needs more than papermill's minute."""


def run_notebook(notebook: Path, output: Path, parameters: Mapping[str, object]) -> Path:
    """Execute a parameterised notebook in a fresh kernel; return `output`, which is replaced in one step.

    When a cell fails, what was executed so far is kept as `output` too.

    Raises:
        SettingsError: the notebook is missing, or has no parameter of a given name (papermill would ignore it).
        CampaignError: a cell failed, its error's text is in the message; or the kernel died or never answered.
    """
    spare_the_grammar()
    import papermill  # seconds that a notebook's own kernel need not spend
    from traitlets.config import Config

    if not notebook.is_file():
        raise SettingsError(f"{notebook}: no such notebook")
    known = papermill.inspect_notebook(str(notebook))
    _refuse_unknown(parameters, known, notebook.name)
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_name(f".{output.stem}.{os.getpid()}.ipynb")
    try:
        with warnings.catch_warnings(), TemporaryDirectory(prefix="labkit-") as sockets:
            warnings.simplefilter("ignore")  # of papermill's and jupyter's own making; nothing of ours runs in here
            papermill.execute_notebook(
                str(notebook), str(fresh), parameters=dict(parameters), kernel_name="python3", progress_bar=False,
                cwd=str(notebook.parent), config=Config(KernelManager=_over_ipc(sockets)), start_timeout=_START_S,
            )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise CampaignError(f"{output.name}, cell {error.exec_count}: {error.evalue}") from error
    except RuntimeError as error:  # what nbclient says of a kernel that is dead or does not answer
        raise CampaignError(f"{output.name}: {error}; the same command goes on from here") from error
    finally:
        if fresh.exists():
            fresh.replace(output)
    return output


def spare_the_grammar() -> None:
    """Keep what reads notebooks from building a grammar of web addresses, a second or more, that no notebook asks for.

    To be called before the first import of nbformat: the jsonschema below it does without where there is none.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: "cannot be imported"


def _over_ipc(folder: str) -> dict[str, str]:
    """Return how a kernel is spoken to: over TCP two may race for a port, in its working folder sockets would stay."""
    return {"transport": "ipc", "ip": f"{folder}/kernel"}


def refuse_unknown_parameters(namespace: Mapping[str, Any], *known: str) -> None:
    """Refuse what somebody else's `papermill -p` has set in a notebook that has no such parameter.

    Args:
        namespace: `globals()` in one of the first cells; later, names of the user's own may stand in it.
        known: the notebook's parameters.

    Raises:
        SettingsError: papermill would only have warned, and the run would not be what was asked for.
    """
    if len(namespace.get("In", ())) <= _FIRST_CELLS:
        plain = (str, bool, int, float, list, dict, type(None))
        given = [n for n, v in namespace.items() if type(v) in plain and n not in ("In", "Out") and n[0] != "_"]
        _refuse_unknown(given, known, "this notebook")


def _refuse_unknown(given: Collection[str], known: Collection[str], notebook: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
            raise SettingsError(f"{notebook} has no parameter {name!r}; {hint}")


def generation_notebook(campaign: Path, number: int) -> Path:
    """Return where a campaign keeps the executed notebook of a generation."""
    return campaign / "notebooks" / f"generation-{number:03d}.ipynb"


def run_generation(campaign: Path, number: int) -> Path:
    """Run (or show again) one generation through `notebooks/generation.ipynb`; return the executed notebook."""
    parameters = {"campaign": str(campaign.resolve()), "generation": number}
    return run_notebook(NOTEBOOKS / "generation.ipynb", generation_notebook(campaign, number), parameters)
