"""nbdime's page of two executed notebooks, served to this machine only; nothing is fetched from another host."""

import contextlib
import logging
import os
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from labkit.errors import LabkitError
from labkit.notebook import spare_the_grammar
from labkit.settings import ROOT

HOST = "127.0.0.1"


def serve_diff(old: Path, new: Path, tell: Callable[[str], None], browser: bool = True, port: int = 0) -> None:
    """Serve the difference of two notebooks until the process is interrupted.

    What papermill and a kernel add (times, counts, ids) is passed over, as `nbdime_config.json` says, wherever this is
    called from.

    Args:
        tell: given the page's address once it can be opened.
        browser: open the page in the user's browser.
        port: to listen on; 0 for any that is free.

    Raises:
        LabkitError: the port cannot be listened on.
    """
    spare_the_grammar()
    from nbdime.webapp.nbdimeserver import main_server  # seconds that other commands need not spend

    logging.getLogger("nbdime").setLevel(logging.WARNING)
    pair = {"base": str(old.resolve()), "remote": str(new.resolve())}  # no other file is read, whatever is asked for
    ignore_noise()

    def listening(number: int) -> None:
        address = f"http://{HOST}:{number}/difftool"
        tell(address)
        if browser:  # in a thread: a browser in the terminal waits for the page, which is served after this
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    try:
        with contextlib.suppress(KeyboardInterrupt):  # that is how a person ends it
            main_server(on_port=listening, ip=HOST, port=port, difftool_args=pair, cwd=os.curdir, hide_unchanged=True)
    except OSError as error:
        raise LabkitError(f"cannot listen on port {port} of {HOST}: {error.strerror}; name another --port") from error


def ignore_noise() -> None:
    """Let nbdime pass over what the repository's nbdime_config.json names; it looks in the working folder only."""
    from nbdime.config import build_config
    from nbdime.diffing.notebooks import set_notebook_diff_ignores

    with contextlib.chdir(ROOT):
        set_notebook_diff_ignores(build_config("nbdiff-web")["Ignore"])
