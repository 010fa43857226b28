"""Real JupyterLab in real headless Chromium, for tests and for people who want to look."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
START_S = 120
RUN_S = 180


def chromium() -> str | None:
    """Return the browser's path; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Watch:
    """What a page did that it should not.

    Attributes:
        errors: what its console says, and exceptions that nobody caught.
        elsewhere: requests to another host.
    """

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def look_at(self, page: Page) -> None:
        """Note from now on what `page` does."""
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: None if _near(request.url) else self.elsewhere.append(request.url))


def _near(url: str) -> bool:
    near = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "file:", "about:", "chrome:")
    return url.startswith(near)


@contextlib.contextmanager
def browser(dark: bool = False, width: int = 1500, height: int = 1000) -> Iterator[BrowserContext]:
    """Start headless Chromium with a profile of its own."""
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium(), headless=True, args=_FLAGS,
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
        )  # fmt: skip
        context.set_default_timeout(RUN_S * 1000)  # a busy machine may take its time
        try:
            yield context
        finally:
            context.close()


@dataclass
class Lab:
    """JupyterLab's page, and how to work with it.

    Attributes:
        folder: JupyterLab's root: a copy, tests write into it.
    """

    folder: Path
    page: Page
    watch: Watch
    url: str
    token: str

    def open(self, notebook: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.page.goto(f"{self.url}/lab/tree/{notebook}?token={self.token}&reset")
        self.page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=START_S * 1000)
        self.page.wait_for_function(_CONNECTED, polling=100, timeout=START_S * 1000)

    def run_all(self, seconds: float = RUN_S) -> float:
        """Run all cells; return the seconds until the last one was done.

        Raises:
            AssertionError: a cell ended in an error; its text is told.
        """
        started = time.monotonic()
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        came = self.page.wait_for_function(_ALL_RUN, polling=250, timeout=seconds * 1000).json_value()
        took = time.monotonic() - started
        assert came == "done", came
        return took

    def bare(self) -> None:
        """Fold the side bars away, so that a picture shows the notebook."""
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")


_CONNECTED = """async () => {
    const context = window.jupyterapp.shell.currentWidget?.sessionContext;
    await context?.ready;
    const kernel = context?.session?.kernel;
    await kernel?.info;
    return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""

_ALL_RUN = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells
        .filter(cell => cell.cell_type === 'code' && [cell.source].flat().join('').trim());
    const failed = cells.flatMap(cell => cell.outputs).find(output => output.output_type === 'error');
    if (failed) return `${failed.ename}: ${failed.evalue}`;
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(one => one.innerText);
    return cells.length > 0 && cells.every(cell => cell.execution_count) && !prompts.some(p => p.includes('*'))
        ? 'done' : '';
}"""


@contextlib.contextmanager
def lab_server(folder: Path) -> Iterator[tuple[str, str]]:
    """Start JupyterLab on a folder; give its address and token."""
    with tempfile.TemporaryDirectory() as home:
        settings, token, port_file = Path(home) / "app", secrets.token_hex(16), Path(home) / "runtime"
        settings.mkdir()
        (settings / "overrides.json").write_text(json.dumps(_OVERRIDES))
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": f"{home}/config", "JUPYTERLAB_SETTINGS_DIR": f"{home}/settings",
            "JUPYTERLAB_WORKSPACES_DIR": f"{home}/workspaces", "JUPYTER_RUNTIME_DIR": str(port_file),
            "JUPYTER_PLATFORM_DIRS": "1",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root",
            f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
            f"--LabApp.app_settings_dir={settings}", "--expose-app-in-browser",
        ]  # fmt: skip
        log = (Path(home) / "log").open("w+")
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True)
        try:
            yield _address(port_file, process, log.name), token
        finally:
            process.terminate()
            process.wait(30)
            log.close()


def _address(runtime: Path, process: "subprocess.Popen[bytes]", log: str) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, Path(log).read_text()
        for path in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError, OSError):
                told = json.loads(path.read_text())
                url = f"http://127.0.0.1:{told['port']}"
                urllib.request.urlopen(f"{url}/api?token={told['token']}", timeout=5).close()
                return url
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab does not answer: {Path(log).read_text()}")


@contextlib.contextmanager
def lab_page(folder: Path, dark: bool = False, width: int = 1500, height: int = 1000) -> Iterator[Lab]:
    """Start JupyterLab on `folder` and a browser that looks at it."""
    with lab_server(folder) as (url, token), browser(dark, width, height) as context:
        page, watch = context.pages[0], Watch()
        watch.look_at(page)
        yield Lab(folder, page, watch, url, token)
