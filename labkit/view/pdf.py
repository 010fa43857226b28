"""The report as a PDF: printed by a headless Chromium, where this machine has one; it asks no other host."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit.errors import LabkitError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Programs that can print a page, in the order in which they are looked for on PATH."""

VARIABLE = "LABKIT_CHROMIUM"
"""Names another program; it goes before all others."""

TIMEOUT_S = 180.0
"""A report of 10 MB prints in about ten seconds; a machine may be busy."""

_FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
    "--no-pdf-header-footer", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def find_chromium() -> Path:
    """Return the program that prints.

    Raises:
        LabkitError: there is none; the message says what to install.
    """
    named = os.environ.get(VARIABLE)
    found = next(filter(None, map(shutil.which, [named] if named else NAMES)), None)
    if found:
        return Path(found)
    if named:
        raise LabkitError(f"a PDF needs Chromium: {VARIABLE} names {named!r}, which is no program that can be run")
    raise LabkitError(
        f"a PDF needs Chromium: none of {', '.join(NAMES)} is on PATH; `apt-get install chromium`, or name it in "
        f"{VARIABLE}; the HTML report prints from any browser, too"
    )


def write_pdf(html: Path, pdf: Path, timeout_s: float = TIMEOUT_S) -> Path:
    """Print an HTML file as `pdf`, whole or not at all; return that path.

    Raises:
        LabkitError: there is no Chromium, it fails, or it needs more than `timeout_s`.
    """
    program = find_chromium()
    with TemporaryDirectory(prefix="labkit-pdf-") as folder:
        fresh = Path(folder) / "report.pdf"
        # as root Chromium refuses its own sandbox; the page holds no script, and its policy forbids every request
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        words = [str(program), *_FLAGS, *root, f"--user-data-dir={folder}/profile", f"--print-to-pdf={fresh}"]
        told = _run([*words, html.resolve().as_uri()], timeout_s)
        if not fresh.exists() or fresh.stat().st_size == 0:
            raise LabkitError(f"{program} printed no PDF: {told or 'it said nothing'}")
        try:
            pdf.parent.mkdir(parents=True, exist_ok=True)
            beside = pdf.with_name(f".{pdf.name}.{os.getpid()}.tmp")
            shutil.copyfile(fresh, beside)
            beside.replace(pdf)
        except OSError as error:
            raise LabkitError(f"cannot write {pdf}: {error.strerror}; name another place with --output") from error
    return pdf


def _run(words: Sequence[str], timeout_s: float) -> str:
    """Run Chromium to its end, its helpers with it; return the last line that it said."""
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _, told = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LabkitError(f"{words[0]} did not print the report within {timeout_s:.0f} s; it was ended") from error
        finally:
            _end(process)
    lines = told.decode("utf-8", "replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a browser: all of its helpers are in its process group."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself, and so did its helpers
