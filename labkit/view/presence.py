"""Whether a person sits before this notebook: only then are there widgets, which a kept notebook cannot show."""

import os


def attended() -> bool:
    """Return whether a notebook program or Voila runs this cell; False under papermill, nbconvert and in a script."""
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        return True
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    request = shell.kernel.get_parent("shell") or {}
    return "cellId" in request.get("metadata", {})  # those with a person name the cell; executors send code alone
