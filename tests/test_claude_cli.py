"""Claude through the command line, as a user calls it: what is seen, what is kept, and what a kill cannot lose."""

import html
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from claude_books import _only_our_key
from claude_replies import Answer, Status
from claude_server import KEY, ClaudeServer, closed_port
from claude_story import BOTH, IDEAS, Story, code, plan
from programs import DEAD_ZONE, PACKED, RAISES, REFUSED
from test_claude import verdicts
from test_cli import Call, call, lab_command

from labkit.campaign import Campaign
from labkit.jail.wire import printable

__all__ = ["_only_our_key", "call"]

HOSTILE = "Dead zone <script>alert(1)</script> \x1b]0;pwned\x07 for small luma levels"
PROSE = "Look: <script>alert(2)</script> \x1b[31mred\x1b[0m \u202e and <img src=x onerror=alert(3)>\n\n"
TWO_HOURS = Status(429, "rate_limit_error", headers={"retry-after": "7200"})
PIECES_LOST = 40
"""Of an answer that is killed, in pieces of the server's stream: a quarter of a second, and what lay in sockets."""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home without profiles of the SDK; its name is short, since a kernel's sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="home") as name:
        yield Path(name)


def environment(home: Path, key: str = KEY) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    more = {"HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "COLUMNS": "160", "TERM": "xterm"}
    return mine | more | ({"ANTHROPIC_API_KEY": key} if key else {})


def settings_file(folder: Path, url: str, claude: str = "") -> Path:
    """Write a small campaign's file."""
    folder.mkdir(exist_ok=True)
    file = folder / "campaign.toml"
    file.write_text(
        'clips = ["builtin:shapes"]\nheld_out = ["none"]\nframes = 3\nanchors = []\ncandidates = 1\n'
        f'[claude]\nbase_url = "{url}"\ntimeout_s = 20\nattempts = 3\nbatch_poll_s = 0.05\n{claude}\n'
    )
    return file


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """A folder with a campaign x that has its version 0 and that version's notebook."""
    folder = tmp_path_factory.mktemp("begun")
    command = evolve(folder, settings_file(folder, closed_port()), "--proposer", "recombine", generations=0)
    assert done(command, home).returncode == 0
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "runs", symlinks=True))


def evolve(folder: Path, settings: Path, *more: str | Path, generations: int = 1) -> list[str]:
    return lab_command(
        "evolve", "--settings", settings, "--proposer", "claude", "--generations", generations,
        "--budget-usd", "5", "--runs", folder, "--name", "x", *more,
    )  # fmt: skip


@contextmanager
def started(command: list[str], home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command while the block lasts; what is left of it at the end is killed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment(home), start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            kill_all(process)


def done(command: list[str], home: Path, key: str = KEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=environment(home, key), check=False, timeout=240)


def wait_for(words: str, process: subprocess.Popen[str]) -> None:
    assert process.stderr
    told = []
    for line in process.stderr:
        told.append(line)
        if words in line:
            return
    raise AssertionError(f"{words!r} was never said: {''.join(told)}")


def kill_all(process: subprocess.Popen[Any]) -> None:
    """Kill a process and all that it started at one stroke, as a power cut does."""
    if process.poll() is None:
        family = psutil.Process(process.pid)
        family.suspend()  # nobody may be started meanwhile
        for child in (*family.children(recursive=True), family):
            with suppress(psutil.NoSuchProcess):  # gone with its warden
                child.kill()
        process.wait(timeout=30)


# --- a whole campaign --------------------------------------------------------------------------------------


@dataclass
class Told:
    """What became of a campaign of two generations.

    Attributes:
        said: each line of stderr, with how many requests the server had seen by then.
    """

    folder: Path
    settings: Path
    server: ClaudeServer
    out: str
    said: list[tuple[int, str]]

    @property
    def run(self) -> Path:
        return self.folder / "x"

    @property
    def err(self) -> str:
        return "".join(line for _, line in self.said)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("cli")
    story: dict[int, Any] = {
        1: (plan(HOSTILE), Answer(PROSE + code(DEAD_ZONE).text)),
        2: (plan(IDEAS[1]), code(REFUSED), code(BOTH)),
    }
    with ClaudeServer(Story(story)) as server:
        settings = settings_file(folder, server.url, "lessons_every = 2")
        with started(evolve(folder, settings, "--record", folder / "answers", generations=2), home) as process:
            assert process.stderr
            assert process.stdout
            said = [(len(server.asked), line) for line in process.stderr]
            out = process.stdout.read()
            assert process.wait(timeout=60) == 0, said
        yield Told(folder, settings, server, out, said)


@pytest.mark.slow
def test_model_cost_and_cap_stand_before_the_first_request(told: Told) -> None:
    assert told.said[0] == (0, f"campaign {told.run}, proposer: Claude (claude-opus-5-5)\n")
    assert told.said[1] == (0, "model: claude-opus-5-5, effort high\n")
    asked, line = told.said[2]
    found = re.fullmatch(r"cost: about (\d\.\d\d) USD a generation, (\d\.\d\d) for the 2 to come \(.*2026-11\)\n", line)
    assert (asked, bool(found)) == (0, True), line
    assert found is not None
    assert float(found[2]) == pytest.approx(2 * float(found[1]), abs=0.011)
    assert told.said[3] == (0, "cap: 5.00 USD, checked before each request; 0.0000 USD spent so far\n")


@pytest.mark.slow
def test_plan_findings_repairs_and_money_are_shown_while_it_runs(told: Told) -> None:
    all_of_them = len(told.server.asked)
    for words in (
        r"generation 1: plan: Dead zone <script>.*\(expected -5\.0 %\)",
        r"generation 1: plan, claude-opus-5-5: end_turn, [\d,]+ tokens in, \d+ out, 0\.\d{4} USD; ",
        r"generation 1: plan, .* USD; 0\.\d{4} USD spent, 4\.\d{4} of 5\.00 left",
        r"generation 1, candidate 1: adopted",
    ):
        asked = [count for count, line in told.said if re.match(words, line)]
        assert asked, words
        assert asked[0] < all_of_them, f"{words} came only at the end"
    for words in ("slot 0: refused (check, line 1): ", "; repair 1", "generation 2: repair, claude-opus-5-5: end_turn",
                  "generation 2: lessons, claude-haiku-5-5"):  # fmt: skip
        assert words in told.err, words
    spent = [float(usd) for usd in re.findall(r"USD; (\d\.\d{4}) USD spent", told.err)]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(float(told.server.billed_usd), abs=6e-5)


@pytest.mark.slow
def test_the_table_stands_at_the_end(told: Told) -> None:
    assert [told.out.count(word) for word in ("adopted", "champion: v2", "report:", "notebook:")] == [3, 1, 1, 3]
    assert "LZMA in place of zlib" in told.out


@pytest.mark.slow
def test_words_of_a_model_do_nothing_to_terminal_notebook_or_report(told: Told) -> None:
    assert [c for c in told.out + told.err if not (c.isprintable() or c == "\n")] == []
    page = shown(told.run / "notebooks" / "generation-001.ipynb")
    for part in ("&lt;script&gt;alert(1)", "&lt;script&gt;alert(2)", "&lt;img src=x onerror=alert(3)&gt;"):
        assert part in page, part
    for text in (page, (told.run / "report.html").read_text()):
        assert "<script>alert" not in text
        assert not re.search(r"<img[^>]*onerror", text)
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def shown(notebook: Path) -> str:
    """Return what an executed notebook shows as HTML."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert [output.ename for cell in cells for output in cell.outputs if output.output_type == "error"] == []
    return "\n".join(output.get("data", {}).get("text/html", "") for cell in cells for output in cell.outputs)


@pytest.mark.slow
def test_the_notebook_holds_hypothesis_prompt_answer_repairs_and_cost(told: Told) -> None:
    text = words_of(shown(told.run / "notebooks" / "generation-002.ipynb"))
    with Campaign.open(told.run) as campaign:
        exchanges = campaign.ledger.exchanges(2)
    assert [exchange.purpose for exchange in exchanges] == ["lessons", "plan", "code", "repair"]
    assert campaign.settings.budget_usd == 5
    assert "LZMA in place of zlib behind the levels, in encoder and decoder." in text
    assert f"4 requests, {sum(exchange.usd or 0 for exchange in exchanges):.4f} USD" in text
    for exchange in exchanges:
        assert flat(exchange.answer) in text
        assert f"{exchange.usd:.4f}" in text
        for message in exchange.request["messages"]:
            for part in message["content"] if isinstance(message["content"], list) else ():
                assert flat(part["text"]) in text
    assert "# Generation 2" in text
    assert "refused (check, line 1)" in text


def words_of(page: str) -> str:
    return flat(html.unescape(re.sub(r"<[^>]*>", "", page)))


def flat(text: str) -> str:
    return " ".join(printable(text, 10**6).split())


@pytest.mark.slow
def test_the_key_is_in_no_file_and_on_no_screen(told: Told) -> None:
    files = [path for path in told.folder.rglob("*") if path.is_file()]
    assert {"report.html", "ledger.sqlite", "generation-002.ipynb", "exchanges.jsonl"} <= {path.name for path in files}
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in told.out + told.err
    assert all(logged.headers["authorization"].endswith(KEY) for logged in told.server.log), "it was used"


@pytest.mark.slow
def test_called_again_it_asks_nothing_and_the_money_agrees(told: Told, home: Path) -> None:
    before = len(told.server.log)
    again = done(evolve(told.folder, told.settings, "--record", told.folder / "answers", generations=2), home)
    assert (again.returncode, len(told.server.log)) == (0, before)
    with Campaign.open(told.run) as campaign:
        assert campaign.ledger.cost_usd() == pytest.approx(float(told.server.billed_usd), abs=1e-9)


@pytest.mark.slow
def test_a_recording_gives_the_same_verdicts_byte_for_byte_and_needs_no_key(
    told: Told, tmp_path: Path, home: Path
) -> None:
    before = len(told.server.log)
    command = evolve(tmp_path, told.settings, "--proposer", f"replay:{told.folder / 'answers'}", generations=2)
    replayed = done(command, home, key="")
    assert replayed.returncode == 0, replayed.stderr
    assert len(told.server.log) == before
    with Campaign.open(tmp_path / "x") as again, Campaign.open(told.run) as campaign:
        assert verdicts(again) == verdicts(campaign)
        assert len(verdicts(again)) == 3
        assert again.ledger.cost_usd() == 0


# --- the other commands ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_brief_prints_the_prompt_and_its_sizes(told: Told, call: Call) -> None:
    status, out, err = call("brief", "x", "--runs", told.folder)
    assert status == 0
    assert "def compress_video_frame" in out
    assert "A dead zone in luma pays at every QP." in out
    assert re.search(r"^champion: .*: [\d,]+ bytes, about [\d,]+ tokens$", err, re.MULTILINE)
    record = json.loads(call("brief", "x", "--runs", told.folder, "--json")[1])
    assert record["text"] == out.removesuffix("\n")
    assert sum(section["bytes"] for section in record["sections"]) <= len(record["text"].encode())


@pytest.mark.slow
def test_lessons_are_shown_and_handed_to_the_next_campaign(told: Told, call: Call, tmp_path: Path, home: Path) -> None:
    status, out, _ = call("lessons", "x", "--runs", told.folder)
    assert (status, out.splitlines()[0]) == (0, "from experiments 0 to 1:")
    assert "- LZMA beats zlib where levels are sparse." in out
    with ClaudeServer(Story({1: (plan(IDEAS[0]), code(DEAD_ZONE))})) as server:
        settings = settings_file(tmp_path, server.url)
        assert done(evolve(tmp_path, settings, "--lessons-from", told.run), home).returncode == 0
        sent = json.dumps(server.asked[0].body)
        assert "LZMA beats zlib where levels are sparse." in sent
    assert "from campaign x:" in call("lessons", "x", "--runs", tmp_path)[1]


@pytest.mark.slow
def test_a_persons_codec_stands_in_the_ledger_as_theirs(
    told: Told, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is needed for it, and no model is asked."""
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    shutil.copytree(told.run, tmp_path / "x", symlinks=True)
    before = len(told.server.log)
    (tmp_path / "mine.py").write_text(PACKED)
    args = ("propose", "x", "--runs", tmp_path, "--manual", tmp_path / "mine.py", "--hypothesis", "LZMA <b>alone</b>")
    status, out, err = call(*args)
    assert (status, len(told.server.log)) == (0, before), err
    assert "rejected: " in out
    with Campaign.open(tmp_path / "x") as campaign:
        entry = campaign.entry(3)
        assert (entry.candidate.proposer, entry.candidate.source) == ("a person", PACKED)
        assert (entry.generation, entry.outcome) == (3, "rejected")
        assert campaign.ledger.exchanges(3) == []
    text = shown(tmp_path / "x" / "notebooks" / "generation-003.ipynb")
    assert "LZMA &lt;b&gt;alone&lt;/b&gt;" in text
    assert "No model was asked in this generation." in text
    status, _, err = call(*args)
    assert (status, err.splitlines()[-1]) == (
        1, "labkit: this very program has been tried in this campaign already; change it first"
    )  # fmt: skip
    (tmp_path / "mine.py").write_text(RAISES)
    status, out, _ = call(*args)
    assert status == 3
    assert "the decoder gave up" in out


# --- what goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_only_our_key")
def test_without_a_key_one_line_says_where_one_can_come_from(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    settings = settings_file(tmp_path, closed_port())
    status, out, err = call("evolve", "--settings", settings, "--proposer", "claude", "--runs", tmp_path / "runs")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    for words in ("export ANTHROPIC_API_KEY", "ANTHROPIC_PROFILE", "--proposer recombine needs none"):
        assert words in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("_only_our_key")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('modle = "claude-opus-5-5"', "[claude]: unknown key 'modle'; did you mean 'model'?"),
        ('effort = "hihg"', "effort = 'hihg': needs one of"),
        ('headers = {x-api-key = "secret-of-mine"}', "looks like a key, and settings are stored and shown"),
    ],
)
def test_a_mistake_in_the_claude_section_is_one_line(call: Call, tmp_path: Path, line: str, words: str) -> None:
    settings = settings_file(tmp_path, closed_port(), line)
    status, out, err = call("evolve", "--settings", settings, "--proposer", "claude", "--runs", tmp_path / "runs")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err
    assert "secret-of-mine" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_dead_server_is_one_line_and_no_generation(folder: Path, home: Path) -> None:
    settings = settings_file(folder, closed_port())
    dead = done(evolve(folder, settings, generations=3), home)
    assert dead.returncode == 1
    (line,) = dead.stderr.splitlines()
    assert re.match(r"labkit: .*nobody answers at http://127\.0\.0\.1:\d+ .*nothing was spent: start the server", line)
    assert "Traceback" not in dead.stderr
    with Campaign.open(folder / "x") as campaign:
        assert (campaign.next_number, len(campaign.ledger.entries()), campaign.ledger.cost_usd()) == (1, 1, 0)


def ledger_of(folder: Path, read: Callable[[Campaign], Any]) -> Any:
    with closing(Campaign.open(folder / "x")) as campaign:
        return read(campaign)


@pytest.mark.slow
def test_ctrl_c_ends_a_pause_of_two_hours_at_once_and_nothing_is_asked_twice(folder: Path, home: Path) -> None:
    with ClaudeServer(Story({1: (plan(IDEAS[0]), TWO_HOURS, code(DEAD_ZONE))})) as server:
        command = evolve(folder, settings_file(folder, server.url))
        with started(command, home) as process:
            wait_for("asking again in 7,200.0 s (attempt 2 of 3)", process)
            children = psutil.Process(process.pid).children(recursive=True)
            began = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 30
        assert (process.returncode, "Traceback" in err) == (130, False), err
        assert err.endswith("labkit: interrupted; nothing recorded is lost, the same command goes on from here\n")
        assert psutil.wait_procs(children, timeout=60)[1] == []
        assert done(command, home).returncode == 0
        assert len(server.asked) == 3
        assert [e.purpose for e in ledger_of(folder, lambda c: c.ledger.exchanges())] == ["plan", "code"]
        assert ledger_of(folder, lambda c: c.entry(1).outcome) == "adopted"
        assert ledger_of(folder, lambda c: c.ledger.cost_usd()) == pytest.approx(float(server.billed_usd), abs=1e-9)


@pytest.mark.slow
def test_a_kill_in_mid_stream_loses_nothing_that_is_paid(folder: Path, home: Path) -> None:
    """On a terminal, where the answer is seen to arrive; the killed part is booked from its journal."""
    slow = Answer(code(DEAD_ZONE).text, between_s=0.05)
    with ClaudeServer(Story({1: (plan(IDEAS[0]), slow, code(DEAD_ZONE))})) as server:
        command = evolve(folder, settings_file(folder, server.url))
        kill_on_screen(command, home, r"code of slot 0 is arriving: [1-9]\d\d tokens")
        assert ledger_of(folder, lambda c: [e.purpose for e in c.ledger.exchanges()]) == ["plan"]
        resumed = done(command, home)
        assert resumed.returncode == 0, resumed.stderr
        assert "generation 1: code, claude-opus-5-5: cut, " in resumed.stderr, "the part that was paid is told"
        assert len(server.asked) == 3
        first, killed, again = ledger_of(folder, lambda c: c.ledger.exchanges())
    assert [first.purpose, killed.purpose, again.purpose] == ["plan", "code", "code"]
    assert (killed.stop_reason, killed.estimated, killed.error) == ("cut", True, "interrupted before its end")
    assert code(DEAD_ZONE).text.startswith(killed.answer)
    for exchange, logged in zip((first, again), (server.asked[0], server.asked[2]), strict=True):
        assert exchange.usd == pytest.approx(float(logged.usd), abs=1e-9)
    piece_usd = 24 / 3 * 20 / 1e6
    over = killed.usd - float(server.asked[1].usd)
    # counted at three bytes a token, where this server counts four; less what the journal had not seen yet
    assert -PIECES_LOST * piece_usd <= over <= killed.usage.output_tokens / 4 * 20 / 1e6 + piece_usd
    assert not (folder / "x" / "answer-in-flight.json").exists()


def kill_on_screen(command: list[str], home: Path, words: str) -> None:
    """Run a command on a terminal of its own until it shows `words`; kill it and all that it started."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(home), start_new_session=True
    )
    os.close(theirs)
    screen, deadline = "", time.monotonic() + 120
    try:
        while not re.search(words, screen):
            assert time.monotonic() < deadline, screen[-2000:]
            try:
                screen += os.read(ours, 4096).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"it ended before {words!r} was shown: {screen[-2000:]}") from error
    finally:
        kill_all(process)
        os.close(ours)


@pytest.mark.slow
def test_a_kill_while_a_batch_is_pending_sends_nothing_again(folder: Path, home: Path) -> None:
    with ClaudeServer(Story({1: (plan(IDEAS[0]), code(DEAD_ZONE))})) as server:
        server.batch_polls = 10**9
        command = evolve(folder, settings_file(folder, server.url), "--batch")
        for waited in ("msgbatch_000", "msgbatch_001"):
            with started(command, home) as process:
                wait_for(f"batch {waited}: 1 questions are waiting for their answers", process)
            assert [*server.batches][-1] == waited
            server.batches[waited]["polls"] = 1
        finished = done(command, home)
        assert finished.returncode == 0, finished.stderr
        assert len(server.batches) == len([logged for logged in server.log if logged.path == "batch"]) == 2
        assert server.asked == []
        assert [e.purpose for e in ledger_of(folder, lambda c: c.ledger.exchanges())] == ["plan", "code"]
        assert ledger_of(folder, lambda c: c.entry(1).outcome) == "adopted"
        assert ledger_of(folder, lambda c: c.ledger.cost_usd()) == pytest.approx(float(server.billed_usd), abs=1e-9)
