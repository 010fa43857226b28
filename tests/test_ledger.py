"""The ledger: rows come back exactly, nothing can be changed, and a crash loses nothing that was recorded."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from fractions import Fraction
from math import inf
from pathlib import Path

import numpy as np
import pytest

from labkit.adopt import BdRateRule, Decision, ParetoRule, ThresholdRule, Verdict
from labkit.candidate import Candidate, Check, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import LedgerError
from labkit.ledger import GOAL, HELD_OUT_ROLE, Ledger
from labkit.propose.exchange import Exchange, Usage
from labkit.propose.proposer import Proposal
from labkit.rd import Comparison, RDPoint

CANDIDATE = Candidate("print('ünïcödé')\r\n# no newline at the end", "offline", "Halve the rate: why not?", "f" * 64)
POINT = RDPoint(
    "foreman", "c" * 64, 32, 1234, 98.72, 41.25, inf, 0.1 + 0.2, 0.987654321, -inf, 0.25, 0.125,
    CANDIDATE.hash, "b" * 64, 1.5, 0.75, 123.4, 10_000_000_000, (1000, 0, 212), (40.0, inf, 39.5),
    (("vectors", 200.5), ("levels", 1000.0)), 0.98, ("0123456789abcdef", "1" * 16),
)  # fmt: skip
MEASURED = Evaluation(
    CANDIDATE.hash, "none", (POINT, replace(POINT, qp=37, bytes=999, ms_ssim=None)), None, 1.5, 0.5, True, "out\n",
    "cannot win", 1,
)  # fmt: skip
FAILURE = Failure(Stage.DECODE, FailureKind.WRONG_SHAPE, "got (3, 4)\nexpected (4, 4)", "foreman", 32, 7, "said \x1b")
FAILED = Evaluation(CANDIDATE.hash, "none", (), FAILURE, 2.0, 1.0, False, "")
EXCHANGE = Exchange(
    "code", "claude-opus-5-5", {"messages": [{"role": "user", "content": "ünïcödé"}]}, "an answer \ud800", None,
    "end_turn", Usage(1000, 0, 20, 300, 4000), 0.0853, "2026-11", "req_1", id="one", generation=1, slot=1,
)  # fmt: skip
CHECK = Check("robustness", False, "a black clip fails", FAILURE, 1.5, 0.5)
VERDICT = Verdict(
    Decision.REJECTED, ("one reason", "another: ü"), None, (Comparison("a", -1.5), Comparison("b", None, "no overlap"))
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.at(tmp_path)) as ledger:
        yield ledger


def proposed(ledger: Ledger, slot: int = 0, candidate: Candidate = CANDIDATE, generation: int = 1) -> int:
    return ledger.record_proposal(generation, slot, Proposal(candidate, 0.25), "offline proposer (no LLM)")


def filled(ledger: Ledger) -> None:
    """Leave a row or more in every table."""
    ledger.record_settings({"seed": 1}, {"numpy": "2"})
    ledger.record_clips([clip()])
    ledger.begin_generation(1, None, "none")
    number = proposed(ledger)
    ledger.record_evaluation(number, MEASURED)
    ledger.record_anchor("x265-medium", [POINT])
    ledger.record_verdicts({number: VERDICT}, {}, BdRateRule())
    ledger.record_alert(1, "odd", "a person should look")
    ledger.record_held_out(number, MEASURED, "adoption of candidate 0")
    ledger.record_check(number, CHECK)
    ledger.record_goal_points(number, [replace(POINT, qp=47)])
    ledger.record_canary("raw copy", "1 byte", "1 byte", True, "none")
    ledger.record_vmaf(number, "foreman", 32, 91.5, "vmaf_v0.6.1", "ffmpeg 9")
    ledger.record_exchange(EXCHANGE)
    ledger.record_batch("1/0/code/0", "msgbatch_1")
    ledger.record_lessons(10, ["larger blocks cost more than they save"], "experiments 0 to 9")
    ledger.end_generation(1, 12.5)


def clip(name: str = "small", value: int = 0) -> Clip:
    data = np.full((3, 16 * 8 * 3 // 2), value, np.uint8)
    return Clip(name, data, 16, 8, Fraction(30000, 1001), "bt709", ("cropped 17x9 to 16x8",), "somewhere/ü.mp4")


def test_an_exchange_comes_back_as_it_was_and_is_booked_once(ledger: Ledger) -> None:
    ledger.record_exchange(EXCHANGE)
    ledger.record_exchange(EXCHANGE)
    ledger.record_exchange(replace(EXCHANGE, id="two", generation=2, usd=None))
    assert ledger.exchanges(1) == [EXCHANGE]
    assert [exchange.id for exchange in ledger.exchanges()] == ["one", "two"]
    assert ledger.cost_usd() == EXCHANGE.usd


# --- there and back ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "evaluation", [MEASURED, FAILED, replace(FAILED, failure=Failure(Stage.CHECK, FailureKind.REFUSED, ""))]
)
@pytest.mark.parametrize("verdict", [
    VERDICT, Verdict(Decision.ADOPTED, ("won",), -12.345678901234567, ()), Verdict(Decision.REJECTED, ("x",), inf),
])  # fmt: skip
def test_what_is_recorded_comes_back(tmp_path: Path, evaluation: Evaluation, verdict: Verdict) -> None:
    with closing(Ledger.at(tmp_path)) as ledger:
        number = proposed(ledger)
        ledger.record_evaluation(number, evaluation)
        version = 3 if verdict.adopted else None
        ledger.record_verdicts({number: verdict}, {number: version}, ParetoRule())
    with closing(Ledger.at(tmp_path)) as again:
        (entry,) = again.entries()
    assert (entry.number, entry.generation, entry.slot, entry.version) == (0, 1, 0, version)
    assert entry.candidate == CANDIDATE
    assert entry.candidate.hash == CANDIDATE.hash
    assert entry.evaluation == evaluation
    assert entry.evaluation.output == evaluation.output
    assert entry.verdict == verdict
    assert [type(v) for v in asdict(entry.evaluation).values()] == [type(v) for v in asdict(evaluation).values()]


def test_an_entry_says_where_it_stands(ledger: Ledger) -> None:
    outcomes = []
    for slot, (evaluation, decision) in enumerate(
        [
            (None, None),
            (MEASURED, None),
            (FAILED, Decision.REJECTED),
            (MEASURED, Decision.REJECTED),
            (MEASURED, Decision.ADOPTED),
        ]
    ):
        number = proposed(ledger, slot)
        assert number == slot
        if evaluation:
            ledger.record_evaluation(number, evaluation)
        if decision:
            ledger.record_verdicts({number: Verdict(decision, ("why",))}, {}, ThresholdRule())
        outcomes.append(ledger.entries()[number].outcome)
    assert outcomes == ["proposed", "measured", "failed", "rejected", "adopted"]
    assert ledger.entries(1) == ledger.entries()
    assert ledger.entries(2) == []


@pytest.mark.parametrize(
    "source", ["", "x = 'a\0b'", "x = '\ud800'", "\ufeff# bom", "a\rb\r\nc\n", "\U0001f3a5" * 1000]
)
def test_no_paid_answer_is_lost_whatever_it_holds(ledger: Ledger, source: str) -> None:
    odd = Candidate(source, "someone", f"because {source[:9]}")
    proposed(ledger, candidate=odd)
    (entry,) = ledger.entries()
    assert entry.candidate == odd
    assert entry.candidate.hash == odd.hash


def test_settings_clips_generations_and_alerts_come_back(ledger: Ledger) -> None:
    assert (ledger.settings(), ledger.versions(), ledger.clips(), ledger.generations()) == (None, {}, {}, {})
    filled(ledger)
    assert (ledger.settings(), ledger.versions()) == ({"seed": 1}, {"numpy": "2"})
    ledger.record_settings({"seed": 2}, {"numpy": "3"})
    assert (ledger.settings(), ledger.versions()) == ({"seed": 2}, {"numpy": "3"})
    row = ledger.clips()["small"]
    assert (row.hash, row.width, row.height, row.frames) == (clip().hash, 16, 8, 3)
    assert (Fraction(row.fps), row.matrix, row.origin) == (Fraction(30000, 1001), "bt709", "somewhere/ü.mp4")
    assert row.notes == ["cropped 17x9 to 16x8"]
    assert ledger.generations()[1].champion_version is None
    assert ledger.ended() == {1: 12.5}
    assert [(alert.generation, alert.kind, alert.text) for alert in ledger.alerts()] == [
        (1, "odd", "a person should look")
    ]
    assert ledger.cost_usd() == pytest.approx(0.25 + 0.0853)


def test_what_is_held_out_stands_apart(ledger: Ledger) -> None:
    number = proposed(ledger)
    ledger.record_clips([clip()])
    ledger.record_clips([clip("secret", 3)], HELD_OUT_ROLE)
    ledger.record_evaluation(number, MEASURED)
    point = replace(POINT, clip="secret", reported=())
    held_out = replace(MEASURED, points=(point,))
    ledger.record_held_out(number, held_out, "adoption of candidate 0")
    ledger.record_anchor("vp9", [point], HELD_OUT_ROLE)
    assert (set(ledger.clips()), set(ledger.clips(HELD_OUT_ROLE))) == ({"small"}, {"secret"})
    assert (ledger.anchors(), ledger.anchors(HELD_OUT_ROLE)) == ({}, {"vp9": {"secret": (point,)}})
    assert ledger.held_out() == {number: held_out}
    assert [(use.proposal, use.purpose) for use in ledger.held_out_uses()] == [(number, "adoption of candidate 0")]
    assert ledger.entries()[0].evaluation == MEASURED
    with pytest.raises(ValueError, match="entry 7"):
        ledger.record_held_out(7, held_out, "none")


def test_points_on_the_way_to_the_goal_stand_apart(ledger: Ledger) -> None:
    point = replace(POINT, qp=47, reported=())
    for _ in range(2):
        ledger.record_goal_points(0, [point])
        ledger.record_anchor("x265-medium", [point], GOAL)
    assert (ledger.goal_points(), ledger.anchors(GOAL)) == ({0: (point,)}, {"x265-medium": {"foreman": (point,)}})
    assert ledger.anchors() == {}


def test_vmaf_is_of_an_entry_or_of_an_anchor(ledger: Ledger) -> None:
    ledger.record_vmaf(3, "foreman", 32, 91.5, "m", "f")
    ledger.record_vmaf("x265-medium", "foreman", 32, 93.5, "m", "f")
    assert ledger.vmaf() == {3: {("foreman", 32): 91.5}, "x265-medium": {("foreman", 32): 93.5}}


def test_checks_and_canaries_come_back_as_they_were(ledger: Ledger) -> None:
    filled(ledger)
    assert ledger.checks() == {0: [CHECK]}
    (row,) = ledger.canaries()
    assert (row.name, row.expected, row.came, row.passed) == ("raw copy", "1 byte", "1 byte", True)
    with pytest.raises(LedgerError):
        ledger.record_check(0, CHECK)


def test_an_older_ledger_is_read_and_added_to(tmp_path: Path) -> None:
    with closing(Ledger.at(tmp_path)) as ledger:
        filled(ledger)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as raw:
        for table, column in (("rate_points", "ms_ssim"), ("rate_points", "frame_hashes"), ("evaluations", "stopped"),
                              ("evaluations", "cached"), ("clips", "role")):  # fmt: skip
            raw.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    with closing(Ledger.at(tmp_path)) as ledger:
        (entry,) = ledger.entries()
        assert entry.evaluation is not None
        assert entry.evaluation.points[0] == replace(POINT, ms_ssim=None, frame_hashes=())
        assert (entry.evaluation.stopped, entry.evaluation.cached, set(ledger.clips())) == ("", 0, {"small"})
        ledger.record_evaluation(proposed(ledger, 1), MEASURED)
        assert ledger.entries()[1].evaluation == MEASURED


def test_an_anchor_is_recorded_once(ledger: Ledger) -> None:
    points = [replace(POINT, qp=qp, candidate="x265 4.2", reported=()) for qp in (22, 27)]
    ledger.record_anchor("x265-medium", points)
    ledger.record_anchor("x265-medium", [replace(point, bytes=1) for point in points])
    ledger.record_anchor("x265-medium", [replace(points[0], qp=32)])
    ledger.record_anchor("x264-medium", points[:1])
    ledger.record_anchor("vp9", [])
    assert ledger.anchors() == {
        "x265-medium": {"foreman": (*points, replace(points[0], qp=32))},
        "x264-medium": {"foreman": (points[0],)},
    }
    assert ledger.entries() == [], "an anchor is no candidate"


def test_a_clip_that_changed_is_refused_with_both_hashes(ledger: Ledger) -> None:
    ledger.record_clips([clip(), clip("other")])
    ledger.record_clips([clip()])
    with pytest.raises(LedgerError) as caught:
        ledger.record_clips([clip("third"), clip(value=9)])
    for part in ("'small'", clip().hash[:12], clip(value=9).hash[:12], "new campaign"):
        assert part in str(caught.value)
    assert set(ledger.clips()) == {"small", "other"}, "all or none"


# --- another program's numbers -----------------------------------------------------------------------


@pytest.mark.parametrize("evaluation", [
    replace(MEASURED, candidate="0" * 64),
    replace(FAILED, candidate="0" * 64),
    replace(MEASURED, points=(POINT, replace(POINT, qp=37, candidate="0" * 64))),
])  # fmt: skip
def test_no_row_takes_another_programs_numbers(ledger: Ledger, evaluation: Evaluation) -> None:
    number = proposed(ledger)
    with pytest.raises(ValueError, match="0000"):
        ledger.record_evaluation(number, evaluation)
    with pytest.raises(ValueError, match="entry 5"):
        ledger.record_evaluation(5, MEASURED)
    assert ledger.entries()[0].evaluation is None
    ledger.record_evaluation(number, MEASURED)


# --- the database refuses ----------------------------------------------------------------------------

TABLES = ("campaign", "clips", "generations", "proposals", "evaluations", "rate_points", "verdicts", "costs", "alerts",
          "generation_ends", "reported_bytes", "programs", "exchanges", "batches", "lessons", "held_out_evaluations",
          "held_out_points", "checks", "canaries", "vmaf", "goal_points")  # fmt: skip


def test_these_are_all_tables(ledger: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as raw:
        names = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_the_database_refuses_every_change(ledger: Ledger, tmp_path: Path, table: str) -> None:
    filled(ledger)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as raw:
        before = raw.execute(f"SELECT * FROM {table}").fetchall()
        assert before
        names = [column[1] for column in raw.execute(f"PRAGMA table_info({table})")]
        keys = {column[1] for column in raw.execute(f"PRAGMA table_info({table})") if column[5]}
        same = ", ".join(names)
        for statement in (
            f"UPDATE {table} SET at = 'yesterday'",
            f"DELETE FROM {table}",
            f"INSERT OR REPLACE INTO {table} ({same}) SELECT {same} FROM {table}",
            f"REPLACE INTO {table} ({same}) SELECT {same} FROM {table}",
            f"UPDATE OR REPLACE {table} SET at = 'yesterday'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match=f"the ledger only grows: no .* of {table}"):
                raw.execute(statement)
            raw.rollback()
        assert raw.execute(f"SELECT * FROM {table}").fetchall() == before
        # positive control: a new row goes in by the same connection
        fresh = ", ".join("9" if name in keys else name for name in names)
        others = {"rate_points": fresh.replace("qp", "99"), "proposals": fresh.replace("slot", "99"),
                  "reported_bytes": fresh.replace("qp", "99"), "exchanges": fresh.replace(" id,", " 'new',"),
                  "batches": fresh.replace("key", "'new'"),
                  "held_out_points": fresh.replace("qp", "99"), "checks": fresh.replace("kind", "'new'"),
                  "vmaf": fresh.replace("qp", "99"), "goal_points": fresh.replace("qp", "99")}  # fmt: skip
        raw.execute(f"INSERT INTO {table} ({same}) SELECT {others.get(table, fresh)} FROM {table} LIMIT 1")
        raw.commit()
        assert len(raw.execute(f"SELECT * FROM {table}").fetchall()) == len(before) + 1


def test_a_version_cannot_be_replaced(ledger: Ledger, tmp_path: Path) -> None:
    for slot in (0, 1):
        proposed(ledger, slot)
    ledger.record_verdicts({0: Verdict(Decision.ADOPTED, ("won",))}, {0: 1}, BdRateRule())
    with pytest.raises(LedgerError, match="only grows"):
        ledger.record_verdicts({1: Verdict(Decision.ADOPTED, ("won too",))}, {1: 1}, BdRateRule())
    with pytest.raises(LedgerError, match="only grows"):
        ledger.record_verdicts({0: VERDICT}, {}, BdRateRule())
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("REPLACE INTO verdicts SELECT 1, decision, version, 0, by_clip, reasons, rule, at FROM verdicts")
    assert [entry.version for entry in ledger.entries()] == [1, None]


def test_what_stands_is_not_recorded_twice(ledger: Ledger) -> None:
    filled(ledger)
    before = ledger.entries()
    for again in (
        lambda: proposed(ledger),  # the same generation and slot
        lambda: ledger.record_evaluation(0, FAILED),
        lambda: ledger.begin_generation(1, 0, "none"),
        lambda: ledger.end_generation(1, 1.0),
    ):
        with pytest.raises(LedgerError, match="the ledger only grows") as caught:
            again()
        assert "\n" not in str(caught.value)
    assert ledger.entries() == before
    assert ledger.cost_usd() == pytest.approx(0.25 + 0.0853), "the second proposal's cost must not stand without it"


def test_a_proposal_and_its_cost_are_recorded_together_or_not_at_all(ledger: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as raw:
        raw.execute("CREATE TRIGGER broken BEFORE INSERT ON costs BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        raw.commit()
        with pytest.raises(LedgerError, match="disk full"):
            proposed(ledger)
        assert ledger.entries() == []
        raw.execute("DROP TRIGGER broken")
        raw.commit()
    assert proposed(ledger) == 0
    assert ledger.cost_usd() == 0.25


def test_points_without_their_evaluation_are_not_recorded(ledger: Ledger) -> None:
    proposed(ledger)
    with pytest.raises(LedgerError):
        ledger.record_evaluation(0, replace(MEASURED, points=(POINT, replace(POINT, bytes=1))))  # one QP twice
    assert ledger.entries()[0].evaluation is None
    ledger.record_evaluation(0, MEASURED)
    assert ledger.entries()[0].evaluation == MEASURED


# --- the world ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["50% off?", "a#b&c=d", "ü ö", "a'b", ":memory:"])
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with closing(Ledger.at(folder)) as ledger:
        proposed(ledger)
    assert (folder / "ledger.sqlite").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("no database at all, but long enough to be looked at\n" * 100)
    with pytest.raises(LedgerError, match=r"cannot open the ledger .*ledger\.sqlite: file is not a database") as caught:
        Ledger.at(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "ledger.sqlite").read_text().startswith("no database"), "left as it was"


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/ledger.sqlite", "nodatabase://x", "rubbish", ""])
def test_a_ledger_that_cannot_be_opened_is_told_in_one_line(url: str) -> None:
    with pytest.raises(LedgerError, match="cannot open the ledger") as caught:
        Ledger(url)
    assert "\n" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger("nodatabase://lab:opensesame@127.0.0.1/lab")
    assert "opensesame" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be nobody for a while: root may write anywhere, so a read-only folder would prove nothing."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_folder_is_told_in_one_line() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # tmp_path lies below a folder that only its owner may enter
        folder = Path(name)
        with closing(Ledger.at(folder)) as ledger:
            filled(ledger)
            Path(name, "new").mkdir()
            for path in (folder / "new", folder / "ledger.sqlite", folder):
                path.chmod(0o555)
        with ordinary_user():
            with pytest.raises(LedgerError, match="unable to open database file") as caught:
                Ledger.at(folder / "new")
            assert "\n" not in str(caught.value)
            told = pytest.raises(LedgerError, match=r"cannot (open|write to) the ledger.*readonly")
            with told as caught, closing(Ledger.at(folder)) as ledger:
                proposed(ledger, slot=7)
            assert "\n" not in str(caught.value)
        folder.chmod(0o755)
        with closing(Ledger.at(folder)) as ledger:
            assert len(ledger.entries()) == 1


WRITER = """
import sys
from pathlib import Path
from labkit.candidate import Candidate
from labkit.ledger import GOAL, HELD_OUT_ROLE, Ledger
from labkit.propose.proposer import Proposal

ledger = Ledger.at(Path(sys.argv[1]))
for number in range(100_000):
    recorded = ledger.record_proposal(1, number, Proposal(Candidate(f"x = {number}" + " " * 9000), 0.5), "writer")
    print(recorded, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_that_it_reported(tmp_path: Path) -> None:
    for kill_after in (1, 17, 40):
        folder = tmp_path / str(kill_after)
        folder.mkdir()
        with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as writer:
            reported = [int(writer.stdout.readline()) for _ in range(kill_after)]
            writer.send_signal(signal.SIGKILL)
            reported += [int(line) for line in writer.stdout if line.endswith("\n")]
        assert writer.returncode == -signal.SIGKILL
        with closing(Ledger.at(folder)) as ledger:
            entries = ledger.entries()
            assert [entry.number for entry in entries][: len(reported)] == reported
            assert len(entries) - len(reported) in (0, 1), "one more may stand that was not reported yet"
            assert ledger.cost_usd() == 0.5 * len(entries)
            assert ledger.record_proposal(2, 0, Proposal(CANDIDATE), "next") == len(entries), "and it goes on"


def test_reader_and_writer_do_not_wait_for_each_other(ledger: Ledger, tmp_path: Path) -> None:
    proposed(ledger)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as raw:
        raw.execute("BEGIN")
        assert raw.execute("SELECT count(*) FROM proposals").fetchone() == (1,)
        assert proposed(ledger, slot=1) == 1  # a reader in the middle of its reading does not stop it
        assert raw.execute("SELECT count(*) FROM proposals").fetchone() == (1,)
        raw.execute("COMMIT")
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO alerts (generation, kind, text, at) VALUES (1, 'half', 'written', '')")
        assert ledger.alerts() == []
        raw.execute("ROLLBACK")


def test_a_reader_sees_whole_rows_while_a_writer_writes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        try:
            seen = []
            with closing(Ledger.at(tmp_path)) as ledger:
                for _ in range(15):
                    reported = int(writer.stdout.readline())
                    entries = ledger.entries()
                    assert len(entries) > reported
                    assert all(entry.candidate.source.startswith(f"x = {entry.number} ") for entry in entries)
                    seen.append(len(entries))
        finally:
            writer.kill()
    assert seen == sorted(seen)


@pytest.mark.slow
def test_two_processes_may_open_a_new_ledger_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from labkit.ledger import Ledger; Ledger.at(Path(sys.argv[1])).close()"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in both] == [0, 0, 0]
