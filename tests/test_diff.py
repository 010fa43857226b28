"""`labkit diff`: two generations' notebooks as nbdime's page, two programs as a unified diff."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener

import nbformat
import psutil
import pytest
from programs import DEAD_ZONE, INTRA

from labkit.adopt import Decision, Verdict
from labkit.campaign import Campaign
from labkit.candidate import Candidate
from labkit.cli import main
from labkit.propose.proposer import Proposal
from labkit.settings import make_settings

HOSTILE = INTRA + "# \x1b[31mred\u202e\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A campaign of three generations: v0, v1, a rejected one; two of them have left notebooks with noise in them."""
    folder = tmp_path / "runs" / "tiny"
    with Campaign.start(folder, make_settings({"clips": ["builtin:shapes"], "generations": 2}, "test")) as campaign:
        for number, source in enumerate((INTRA, DEAD_ZONE, HOSTILE)):
            campaign.ledger.begin_generation(number, number - 1 if number else None, "none")
            entry = campaign.ledger.record_proposal(number, 0, Proposal(Candidate(source)), "test")
            decision = Decision.REJECTED if number == 2 else Decision.ADOPTED
            versions = {} if number == 2 else {entry: number}
            campaign.ledger.record_verdicts({entry: Verdict(decision, ("as said",))}, versions, campaign.settings.rule)
            campaign.ledger.end_generation(number, 1.0)
    (folder / "notebooks").mkdir()
    for number in (0, 1):
        cell = nbformat.v4.new_code_cell(f"generation = {number}", execution_count=number + 3)
        cell.metadata["papermill"] = {"start_time": f"noon {number}"}
        notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("the_same")])
        notebook.metadata["papermill"] = {"duration": number}
        nbformat.write(notebook, folder / "notebooks" / f"generation-00{number}.ipynb")
    return folder


def called(run: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["diff", str(run), *words])
    told = capsys.readouterr()
    return int(left.value.code or 0), told.out, told.err


# --- code ------------------------------------------------------------------------------------------------


def test_the_code_of_two_versions_is_a_unified_diff_in_a_pipe(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(run, "v0", "v1", "--code", capsys=capsys)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["--- v0", "+++ v1"]
    old, new = ({line.rstrip() for line in source.splitlines()} for source in (INTRA, DEAD_ZONE))
    added = {line[1:].rstrip() for line in lines[2:] if line.startswith("+")}
    assert added
    assert added <= new
    assert not added & (old - {""})


def test_candidates_have_numbers_and_hostile_text_does_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(run, "0", "2", "--code", capsys=capsys)
    assert code == 0
    assert out.splitlines()[1] == "+++ candidate 2"
    assert "+# \\x1b[31mred\\u202e" in out
    assert "\x1b" not in out


def test_programs_that_are_the_same_are_said_to_be(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(run, "v1", "1", "--code", capsys=capsys) == (0, "", "v1 and candidate 1 are the same, line by line\n")


def test_code_comes_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = called(run, "v0", "v1", "--code", "--json", capsys=capsys)
    told = json.loads(out)
    assert (told["old"], told["new"]) == ("v0", "v1")
    assert told["diff"][0] == "--- v0"


@pytest.mark.slow
def test_a_terminal_gets_colours(run: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "labkit", "diff", str(run), "v0", "v1", "--code"]
    environment = os.environ | {"TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(words, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:
            pass  # Linux says so that the other side is closed
        assert process.wait(120) == 0
    os.close(ours)
    assert re.search(rb"\x1b\[9?[0-9;]*[39][12][0-9;]*m[+-]", shown), "red or green lines"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("0", "7"), "no generation '7'; there are generations 0-2"),
        (("0", "2"), "generation 2 left no notebook; there are those of 0-1"),
        (("v0", "v1"), "'v0' is a version: add --code for its code, or name generations; there are generations 0-2"),
        (("0", "../x"), "no generation '../x'"),
        (("v0", "v9", "--code"), "no version or candidate 'v9'; there are versions v0-v1 and candidates 0-2"),
        (("0", "-1x", "--code"), ""),
        (("0", "x", "--code"), "no version or candidate 'x'"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(
    run: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called(run, *words, capsys=capsys)
    assert code in (1, 2)
    assert out == ""
    assert told in err
    if told:
        assert err.count("\n") == 1


# --- notebooks -------------------------------------------------------------------------------------------


@contextmanager
def served(run: Path, place: Path, *more: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Serve the notebooks of generations 0 and 1 from a process in another folder; give it and the page's address."""
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root, "BROWSER": "false"}
    words = [sys.executable, "-m", "labkit", "diff", str(run), "0", "1", *more]
    with subprocess.Popen(
        words, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.match(r"(http://127\.0\.0\.1:\d+/difftool)\b", line)
            assert found, line or process.communicate(timeout=60)[1]
            yield process, found[1]
        finally:
            process.kill()


class Browser:
    """Asks as the page itself does: with the cookie that the page gave."""

    def __init__(self) -> None:
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def asked(self, address: str, body: object = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "_xsrf"), "")
        request = Request(address, data, {"Content-Type": "application/json", "X-XSRFToken": token})
        with self._opener.open(request, timeout=60) as answer:
            return str(answer.read().decode())


@pytest.mark.slow
def test_nbdimes_page_shows_the_two_notebooks_without_noise_from_any_folder(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "secret.ipynb").write_text(json.dumps(nbformat.v4.new_notebook(metadata={"secret": 1})))
    with served(run, tmp_path / "elsewhere", "--no-browser") as (process, address):
        browser = Browser()
        page = browser.asked(address)
        assert "generation-000.ipynb" in page
        assert re.findall(r'(?:src|href)="(?!/)[^"]*', page) == [], "nothing of another host"
        other = {"base": str(tmp_path / "secret.ipynb"), "remote": "http://127.0.0.1:9/x.ipynb"}
        diff = json.loads(browser.asked(address.replace("/difftool", "/api/diff"), other))
        assert "secret" not in json.dumps(diff), "no other file is read, whatever is asked for"
        assert [step["key"] for step in diff["diff"]] == ["cells"], "the notebook's own metadata is noise"
        (cell,) = diff["diff"][0]["diff"]
        assert [step["key"] for step in cell["diff"]] == ["source"], "so are counts, ids and times"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert (process.returncode, told) == (0, "")
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(run) in (p.info["cmdline"] or [])]


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_in_a_line(run: Path, tmp_path: Path) -> None:
    with served(run, tmp_path, "--no-browser") as (_, address):
        port = address.split(":")[2].split("/")[0]
        words = [sys.executable, "-m", "labkit", "diff", str(run), "0", "1", "--no-browser", "--port", port]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 1
        assert re.fullmatch(rf"labkit: cannot listen on port {port} of 127.0.0.1: .*\n", done.stderr)
