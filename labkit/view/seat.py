"""Whether a person sits before the notebook: only then is a widget worth more than a picture."""

import os

import psutil

SESSION = "JPY_SESSION_NAME"
"""What a Jupyter server tells the kernels of its notebooks; papermill and nbconvert set nothing of the kind."""


def person_sits() -> bool:
    """Return whether this kernel belongs to a notebook that is open in a browser, or to a Voila dashboard.

    A campaign that was started from such a notebook hands its environment on to the kernels of its own
    generations; nobody sits there, which shows in that their parent has the same session.
    """
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return True
    session = os.environ.get(SESSION)
    if not session:
        return False
    try:
        return bool(psutil.Process(os.getppid()).environ().get(SESSION) != session)
    except psutil.Error:  # the parent is another user's: a server's, as JupyterHub has them
        return True
