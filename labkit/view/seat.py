"""Whether a person sits before the notebook: only then is a widget worth more than a picture."""

import os
import sys


def person_watches() -> bool:
    """Return whether the running cell was sent by a front end that draws widgets.

    papermill and nbconvert run cells, too, and would leave a hole where the widget is. What tells them apart:
    JupyterLab and its kin name the cell in each request. Voilà names itself.
    """
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return True
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    parent = shell.get_parent() if shell is not None and hasattr(shell, "get_parent") else {}
    return "cellId" in (parent or {}).get("metadata", {})
