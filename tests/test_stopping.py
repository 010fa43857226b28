"""Ctrl-C, a stop from outside, a kill: each ends at once, and no answer that was paid for is lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from claude_books import QUICK, Kept, ask_at, question, stopped
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_faults import CODE, WHOLE
from claude_server import KEY, Answer, ClaudeServer, Status

from labkit.errors import ProposerError, ProposerStop
from labkit.propose.exchange import read_journal

pytestmark = pytest.mark.usefixtures("_only_our_key")

TWO_HOURS = Status(429, "rate_limit_error", headers={"retry-after": "7200"})
PAID = "a paid answer. " * 400

CHILD = """
import sys
from pathlib import Path
from claude_books import Kept, ask_at, question

class Told(Kept):
    def say(self, text):
        print(text, flush=True)

    def record(self, exchange):
        print("recording", exchange.stop_reason, flush=True)
        if sys.argv[3] == "hangs":  # to be killed between the answer and the ledger
            sys.stdin.read()
        super().record(exchange)

def show(tokens):
    if tokens > 200:
        print(tokens, flush=True)

ask_at(sys.argv[1]).ask(question(), Told(Path(sys.argv[2])), show)
"""


@contextmanager
def child(url: str, journal: Path, record: str = "works") -> Iterator[subprocess.Popen[str]]:
    """Run a process that asks one question and tells line by line what happens."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(journal), record], text=True, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def press_ctrl_c(after_s: float) -> None:
    """Press Ctrl-C, as the kernel does it: the signal goes to the main thread."""
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(after_s, lambda: signal.pthread_kill(main, signal.SIGINT)).start()


@pytest.mark.slow
def test_ctrl_c_ends_a_pause_of_two_hours_at_once(tmp_path: Path) -> None:
    with ClaudeServer([TWO_HOURS]) as server, child(server.url, tmp_path / "journal.json") as process:
        assert "again in 7,200.0 s (attempt 2 of 3)" in line(process)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert time.monotonic() - pressed < 60
    assert process.returncode == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")
    assert KEY not in out + errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_in_mid_stream_books_what_had_arrived(tmp_path: Path) -> None:
    slow = Answer(PAID, between_s=0.02)
    with ClaudeServer([slow]) as server, child(server.url, tmp_path / "journal.json") as process:
        assert int(line(process)) > 200
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert out.endswith("recording cut\n")
    assert errors.endswith("KeyboardInterrupt\n")
    assert list(tmp_path.iterdir()) == []


def test_a_stop_from_outside_ends_a_pause_of_two_hours_at_once(books: Kept) -> None:
    with ClaudeServer([TWO_HOURS]) as server:
        messages, started = ask_at(server.url), time.monotonic()
        books.stop_when_told = True
        assert stopped(messages, books) == "stopped as asked"
        assert stopped(messages, books) == "stopped as asked"
    assert time.monotonic() - started < 30
    assert "again in 7,200.0 s (attempt 2 of 3)" in books.said[0]
    assert len(server.log) == 1


def test_a_pause_longer_than_the_system_can_wait_is_no_error(books: Kept) -> None:
    with ClaudeServer([Status(529, headers={"retry-after": "1e30"})]) as server:
        books.stop_when_told = True
        assert stopped(ask_at(server.url), books) == "stopped as asked"


@pytest.mark.parametrize("how", ["Ctrl-C", "stop", "Ctrl-C in a silence"])
def test_what_had_arrived_when_it_was_stopped_is_kept_with_its_cost(books: Kept, how: str) -> None:
    slow = Answer(CODE, between_s=60.0) if "silence" in how else Answer(CODE * 50, between_s=0.02)
    with ClaudeServer([slow]) as server:
        messages, started = ask_at(server.url, settings=replace(QUICK, timeout_s=60)), time.monotonic()
        begun = threading.Event()

        def stop_soon(tokens: int) -> None:
            """Once some of the answer is there (of a silent one: its beginning), stop while more is waited for."""
            if not begun.is_set() and (tokens or "silence" in how):
                begun.set()
                threading.Timer(0.2, books.stop.set).start() if how == "stop" else press_ctrl_c(0.2)

        with pytest.raises(ProposerStop if how == "stop" else KeyboardInterrupt):
            messages.ask(question(), books, stop_soon)
        assert time.monotonic() - started < 60
    (exchange,) = books.all
    assert (exchange.stop_reason, exchange.estimated) == ("cut", True)
    assert exchange.error == ("stopped as asked" if how == "stop" else "interrupted before its end")
    assert exchange.usage.input_tokens == server.log[0].usage["input_tokens"]
    assert exchange.usd is not None
    assert exchange.usd > 0
    assert (CODE * 50).startswith(exchange.answer)
    assert bool(exchange.answer) == ("silence" not in how)
    assert books.journal is not None
    assert not books.journal.exists()


@pytest.mark.parametrize("when", ["in mid-stream", pytest.param("before the ledger", marks=pytest.mark.slow)])
def test_a_killed_process_leaves_its_paid_answer_in_the_journal(books: Kept, when: str) -> None:
    mid = when == "in mid-stream"
    assert books.journal is not None
    first = Answer(PAID, between_s=0.02 if mid else 0.0)
    with ClaudeServer([first, WHOLE]) as server:
        with child(server.url, books.journal, record="hangs") as process:
            said = line(process)
            process.kill()
        exchange = read_journal(books.journal)
        assert exchange is not None
        if mid:
            assert int(said) > 200
            assert (exchange.stop_reason, exchange.error) == ("cut", "interrupted before its end")
            assert exchange.usage.output_tokens > 200
            assert PAID.startswith(exchange.answer)
        else:
            assert said == "recording end_turn\n"
            assert (exchange.whole, exchange.answer) == (True, PAID)
        assert KEY not in books.journal.read_text()
        # the next start books it, and its own question is another exchange
        for _ in range(2):
            books.record(exchange)
        assert ask_at(server.url).ask(question(), books).whole
        assert len(books.all) == 2
        assert abs(books.spent_usd() - float(server.billed_usd)) < (0.005 if mid else 1e-9)
    assert not books.journal.exists()


def test_a_journal_that_is_none_is_named(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.json") is None
    for text in ("", "[]", "7", '{"purpose": "plan"}', '{"usage": 3}', "{not json"):
        (tmp_path / "j.json").write_text(text)
        with pytest.raises(ProposerError, match=r"j\.json: not a journal"):
            read_journal(tmp_path / "j.json")
