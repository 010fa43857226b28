"""The audit: an honest campaign passes; one thing changed by hand is found, and named."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from programs import DEAD_ZONE, PACKED, RAISES, REFUSED, WASTEFUL

from labkit.audit import AuditReport, Kind, audit
from labkit.campaign import Campaign
from labkit.candidate import Candidate
from labkit.errors import NoCampaignError, ProposerError
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.lock import stepping
from labkit.notebook import run_notebook
from labkit.propose.brief import Brief
from labkit.propose.exchange import Exchange, Usage
from labkit.propose.prices import PRICES, PRICES_DATE, cost_usd
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.settings import ROOT, make_settings
from labkit.view import show_audit

MODEL = "claude-opus-5-5"
USAGE = Usage(input_tokens=1000, cache_read_tokens=500, output_tokens=2000)


class Author(Proposer):
    """Proposes the given sources in order, and asks a model about each, as far as the books go."""

    name = "an author"

    def __init__(self, *sources: str) -> None:
        self.sources = sources

    def propose(self, brief: Brief, desk: Desk) -> Proposal:
        for number, source in enumerate(self.sources):
            candidate = Candidate(source, self.name, f"idea {number}", brief.champion_hash)
            if candidate.hash not in brief.tried:
                desk.record(answer(number, brief))
                return Proposal(candidate, cost_usd=0.25)
        raise ProposerError("the author has ended")


def answer(number: int, brief: Brief) -> Exchange:
    usage = {"input_tokens": 1000, "cache_read_input_tokens": 500, "output_tokens": 2000}
    return Exchange(
        "code", MODEL, {"messages": []}, "an answer", {"usage": usage}, "end_turn", USAGE,
        cost_usd(USAGE, PRICES[MODEL]), PRICES_DATE, f"request {number}", id=f"id {number}",
        generation=brief.generation, slot=brief.slot,
    )  # fmt: skip


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """A campaign with two gains, a failure, a refusal and a loss; its clip lies beside it."""
    folder = tmp_path_factory.mktemp("audited")
    for name, seed in (("small", 0), ("hidden", 1)):
        clip = synthetic_clip("shapes", 96, 64, frames=2, seed=seed)
        write_y4m(folder / f"{name}.y4m", [clip.frame(0), clip.frame(1)], 96, 64, clip.fps)
    asked = {"clips": [str(folder / "small.y4m")], "anchors": ["x265-medium"], "generations": 3, "candidates": 2}
    asked |= {"held_out": [str(folder / "hidden.y4m")], "cache": False}
    author = Author(DEAD_ZONE, PACKED, RAISES, REFUSED, WASTEFUL)
    with Campaign.start(folder / "runs" / "honest", make_settings(asked, "test"), author) as campaign:
        for number in range(4):
            campaign.generation(number)
    return folder / "runs" / "honest"


@pytest.fixture
def run(honest: Path, tmp_path: Path) -> Path:
    """A copy of that campaign, to be changed by hand."""
    return Path(shutil.copytree(honest, tmp_path / "honest", symlinks=True))


@contextmanager
def by_hand(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger as somebody would who means to change it: without its triggers, which are put back."""
    with closing(sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN")  # all at once: each change alone would wait for the disk
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")


def changed(folder: Path, *statements: str) -> None:
    with by_hand(folder) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, f"changes nothing: {statement}"


def found(report: AuditReport, kind: Kind, what: str, detail: str = "") -> bool:
    return any(f.what == what and re.search(detail, f.detail) for f in report.of(kind))


def assert_fails(report: AuditReport, what: str, detail: str) -> None:
    assert not report.passed
    assert found(report, Kind.FAILED, what, detail), f"not among the failures:\n{report}"


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


# --- an honest campaign ------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_honest_campaign_passes_and_nothing_in_it_is_touched(honest: Path) -> None:
    before = files_of(honest)
    report = audit(honest)
    assert report.passed, report
    assert re.fullmatch(r"proven: \d+, stated: \d+, failed: 0", report.summary)
    assert str(report).splitlines()[-1] == report.summary
    for name in ("v0 (entry 0)", "v1 (entry 1)"):
        assert found(report, Kind.PROVEN, name, "8 containers .* decode to the stated figures$")  # 4 held out
    assert found(report, Kind.PROVEN, "entry 5", "decode to the stated figures$")  # it was stopped early
    assert found(report, Kind.PROVEN, "checks", "1 adoptions, .*: confirmation, robustness, held out")
    assert found(report, Kind.PROVEN, "requests", "5: usage as the server reported it")
    assert found(report, Kind.STATED, "entry 2", "containers are not kept")
    assert found(report, Kind.STATED, "costs", "1.2500 USD for 6 proposals")
    assert files_of(honest) == before


def test_the_anchors_are_encoded_again_if_asked(honest: Path) -> None:
    report = audit(honest, anchors=True, decode=False)
    assert report.passed, report
    assert found(report, Kind.PROVEN, "x265-medium on small", "5 points encoded again: the same bytes")
    assert found(report, Kind.STATED, "containers", "none was decoded: no candidate was run, as asked")


def test_rows_of_a_ledger_that_another_process_holds_open_are_read(run: Path) -> None:
    with Campaign.open(run) as campaign:
        campaign.ledger.record_alert(3, "odd", "not yet in the database's main file")
        kept = {name: (run / name).read_bytes() for name in ("ledger.sqlite", "ledger.sqlite-wal")}
        assert b"not yet" not in kept["ledger.sqlite"]
        count = len(campaign.ledger.alerts())
        assert found(audit(run, decode=False), Kind.STATED, "alerts", f"^{count}, as")
        assert {name: (run / name).read_bytes() for name in kept} == kept


def test_a_campaign_that_runs_is_audited_as_far_as_it_is_recorded(run: Path) -> None:
    changed(run, "DELETE FROM generation_ends WHERE number = 3")
    with stepping(run):
        report = audit(run, decode=False)
    assert report.passed, report
    assert found(report, Kind.STATED, "generation 3", "is being run now")


class BreaksOff(Campaign):
    """Dies when its second generation is to be judged."""

    def _judge(self, number: int, *more: object) -> None:
        if number == 1:
            raise KeyboardInterrupt
        super()._judge(number, *more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_campaign_that_broke_off_passes_as_far_as_it_came(honest: Path, tmp_path: Path) -> None:
    with Campaign.open(honest) as campaign:
        settings = campaign.settings
    with BreaksOff.start(tmp_path / "broken", settings, Author(DEAD_ZONE)) as campaign:
        campaign.generation(0)
        with pytest.raises(KeyboardInterrupt):
            campaign.generation(1)
    report = audit(tmp_path / "broken", decode=False)
    assert report.passed, report
    assert found(report, Kind.STATED, "generation 1", "broke off before its end")
    assert found(report, Kind.PROVEN, "entries", "2 candidates")


@pytest.mark.slow
def test_candidates_without_a_wall_are_a_warning(tmp_path: Path) -> None:
    asked = {"clips": ["builtin:shapes"], "frames": 1, "anchors": [], "generations": 0, "held_out": ["none"]}
    settings = make_settings({**asked, "run_candidates_without_isolation": True}, "test")
    with Campaign.start(tmp_path / "open", settings) as campaign:
        campaign.generation(0)
    report = audit(tmp_path / "open", decode=False)
    assert report.passed, report
    assert found(report, Kind.STATED, "isolation", "WARNING: candidates ran without any wall")


def test_where_there_is_no_campaign_the_audit_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoCampaignError, match="holds no campaign"):
        audit(tmp_path)


# --- one row changed ---------------------------------------------------------------------------------

USD = "json_set(exchange, '$.usd', 0.01)"
CHANGES = {
    "the size of a file": (
        "UPDATE rate_points SET bytes = bytes - 1 WHERE proposal = 2 AND qp = 27",
        "rate point of entry 2, small at 27", "rate_kbps is .*, the rest of the row makes it",
    ),
    "a rate": (
        "UPDATE rate_points SET rate_kbps = rate_kbps * 0.9 WHERE proposal = 2 AND qp = 27",
        "rate point of entry 2, small at 27", "rate_kbps is",
    ),
    "the PSNR of one whose bitstreams are gone": (
        "UPDATE rate_points SET psnr_db = psnr_db + 0.01 WHERE proposal = 2 AND qp = 27",
        "verdict on entry 2", "bd_rate_pct follows as",
    ),
    "who made a rate point": (
        "UPDATE rate_points SET candidate = (SELECT candidate FROM proposals WHERE number = 0) WHERE proposal = 2",
        "rate point of entry 2, small at 22", "made by .*, expected",
    ),
    "the clip of a rate point": (
        "UPDATE rate_points SET clip_hash = upper(clip_hash) WHERE proposal = 2 AND qp = 37",
        "rate point of entry 2, small at 37", "measured on .*, the clip is",
    ),
    "no evidence": (
        "UPDATE rate_points SET bitstream_sha256 = '' WHERE proposal = 2 AND qp = 37",
        "rate point of entry 2, small at 37", "no hash of its bitstream",
    ),
    "a real encoder's rate": (
        "UPDATE rate_points SET bytes = bytes * 2, rate_kbps = rate_kbps * 2 WHERE anchor IS NOT NULL AND qp = 22",
        "rate point of x265-medium, small at 22", "bytes is",
    ),
    "a real encoder's PSNR": (
        "UPDATE rate_points SET psnr_db = psnr_db - 1 WHERE anchor IS NOT NULL", "tag v1", "BD-rate-x265-medium",
    ),
    "a decision": (
        "UPDATE verdicts SET decision = 'adopted', version = 2 WHERE proposal = 5",
        "verdict on entry 5", "decision follows as .*rejected",
    ),
    "a gain": (
        "UPDATE verdicts SET bd_rate_pct = -40.0 WHERE proposal = 1", "verdict on entry 1", "bd_rate_pct follows",
    ),
    "a gain on one clip": (
        "UPDATE verdicts SET by_clip = replace(by_clip, '-13.', '-43.') WHERE proposal = 1",
        "verdict on entry 1", "by_clip follows",
    ),
    "a reason": (
        "UPDATE verdicts SET reasons = replace(reasons, '10.00', '30.00') WHERE proposal = 1",
        "verdict on entry 1", "reasons follows",
    ),
    "the rule that was applied": (
        "UPDATE verdicts SET rule = json_set(rule, '$.min_gain_pct', 1.0) WHERE proposal = 1",
        "verdict on entry 1", "the settings' rule is another",
    ),
    "the rule in the settings": (
        "UPDATE campaign SET settings = json_set(settings, '$.rule.min_gain_pct', 1.0)",
        "verdict on entry 1", "the settings' rule is another",
    ),
    "a source": (
        "UPDATE proposals SET source = source || '# better' WHERE number = 1",
        "entry 1", "proposals names candidate .*, its stored source is",
    ),
    "a source and its hash": (
        "UPDATE proposals SET (source, candidate) = (SELECT source, candidate FROM proposals WHERE number = 0) "  # noqa: ISC004
        "WHERE number = 1",
        "tag v1", "points at another text than entry 1",
    ),
    "what a refused source was refused for": (
        "UPDATE evaluations SET failure = replace(failure, 'imports os', 'imports all') WHERE proposal = 4",
        "entry 4", "the static check finds",
    ),
    "what failed": (
        "UPDATE evaluations SET failure = replace(failure, 'gave up', 'went on') WHERE proposal = 3",
        "verdict on entry 3", "reasons follows",
    ),
    "a hypothesis": (
        "UPDATE proposals SET hypothesis = 'a great idea' WHERE number = 1", "tag v1", "says Subject: v1: idea 0",
    ),
    "the wall": (
        "UPDATE evaluations SET isolation = 'none (not comparable)' WHERE proposal = 2",
        "evaluations, entry 2", "isolation none; the campaign began at",
    ),
    "who was champion": (
        "UPDATE generations SET champion_version = NULL WHERE number = 2",
        "generation 2", "began with champion none; the verdicts before make it v1",
    ),
    "a cost": (
        "UPDATE costs SET usd = usd / 2 WHERE id = (SELECT min(id) FROM costs WHERE proposal IS NULL)",
        "costs, row 2", "the request of that place is",
    ),
    "a request's cost, everywhere": (
        f"UPDATE exchanges SET usd = 0.01, exchange = {USD} WHERE number = 1",
        "exchange 1 (code, claude-opus-5-5)", "make it 0.0441",
    ),
    "a request's tokens": (
        "UPDATE exchanges SET exchange = json_set(exchange, '$.usage.output_tokens', 1) WHERE number = 2",
        "exchange 2 (code, claude-opus-5-5)", "the answer as it came",
    ),
    "a clip's width, to nothing": (
        "UPDATE clips SET width = NULL WHERE name = 'small'", "table clips, name small", "width is None",
    ),
    "how often held-out clips decided": (
        "UPDATE held_out_evaluations SET purpose = 'to compare with: version 1' WHERE proposal = 1",
        "held-out clips", "entry 1: a decision was made there",
    ),
    "a clip's size": ("UPDATE clips SET frames = 3", "clip small", "frames is 2, the ledger says 3"),
    "something that is no number": (
        "UPDATE rate_points SET bytes = 'few' WHERE id = 7", "table rate_points, row 7", "bytes = 'few'",
    ),
    "something that is no level": (
        "UPDATE generations SET isolation = 'strong'", "table generations, number 0", "'strong'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_is_found_and_named(run: Path, change: str) -> None:
    statement, what, detail = CHANGES[change]
    changed(run, statement)
    assert_fails(audit(run, decode=False), what, detail)


REMOVALS = {
    "rate_points WHERE proposal = 2 AND qp = 22": ("entry 2", "has no point of small at 22"),
    "rate_points WHERE anchor IS NOT NULL": ("x265-medium on small", "has no point of small at 17"),
    "rate_points WHERE proposal = 2": ("table evaluations, proposal 2", "a failure and rate points, or neither"),
    "costs WHERE id = 3": ("table costs", "row 3 is gone"),
    "exchanges WHERE number = 2": ("table exchanges", "row 2 is gone"),
    "evaluations WHERE proposal = 3": ("entry 3", "has no evaluation"),
    "verdicts WHERE proposal = 5": ("entry 5", "has no verdict, and its generation has ended"),
    "verdicts WHERE proposal = 1": ("versions/v1.py", "is of no version that the ledger has"),
    "programs WHERE proposal = 5": ("entry 5", "has 0 rows in programs"),
    "proposals WHERE number = 3": ("entry 3", "is gone: later ones stand"),
    "clips": ("rate point of entry 0, small at 22", "the clip is not recorded"),
    "campaign": ("table campaign", "holds no settings"),
    "generations WHERE number = 2": ("generation 2", "has no beginning"),
    "generation_ends WHERE number = 1": ("generation 1", "has no end, and a later one began"),
    "generation_ends WHERE number = 3": ("generation 3", "all its verdicts stand and its end does not"),
}


@pytest.mark.parametrize("row", REMOVALS)
def test_a_row_that_was_taken_out_is_missed(run: Path, row: str) -> None:
    changed(run, f"DELETE FROM {row}")
    assert_fails(audit(run, decode=False), *REMOVALS[row])


def test_an_entry_that_was_taken_out_everywhere_has_left_its_files(run: Path) -> None:
    tables = ("evaluations", "rate_points", "programs", "verdicts", "costs")
    changed(run, "DELETE FROM proposals WHERE number = 5", *(f"DELETE FROM {t} WHERE proposal = 5" for t in tables))
    report = audit(run, decode=False)
    assert_fails(report, "rejected/0005.py", "is of no entry that the ledger has")
    assert_fails(report, "bitstreams/0005", "is of no entry that the ledger has")


# --- what adoptions had to stand ---------------------------------------------------------------------


def test_a_check_that_an_adoption_did_not_stand_is_found(run: Path) -> None:
    changed(
        run, "UPDATE checks SET passed = 0, detail = 'frame 1 differs' WHERE proposal = 1 AND kind = 'confirmation'"
    )
    report = audit(run, decode=False)
    assert_fails(report, "entry 1", "did not stand a check and was adopted")
    assert_fails(report, "verdict on entry 1", "reasons follows as .*confirmation: frame 1 differs")


def test_an_adoption_without_a_check_that_the_settings_ask_for_is_found(run: Path) -> None:
    changed(run, "DELETE FROM checks WHERE kind = 'robustness'")
    assert_fails(audit(run, decode=False), "v1 (entry 1)", "was adopted without a passed check: robustness")


def test_a_gain_on_held_out_clips_that_does_not_follow_is_found(run: Path) -> None:
    changed(run, "UPDATE checks SET detail = replace(detail, '-', '-9') WHERE proposal = 1 AND kind = 'held out'")
    assert_fails(audit(run, decode=False), "check of entry 1, held out", "follows as .*, the ledger says")


def test_figures_on_held_out_clips_are_looked_at_like_all_others(run: Path) -> None:
    changed(
        run, "UPDATE held_out_points SET rate_kbps = rate_kbps / 2 WHERE proposal = 1 AND qp = 22",
        "UPDATE held_out_points SET psnr_db = psnr_db + 1 WHERE proposal = 1 AND qp = 37",
        "DELETE FROM held_out_points WHERE proposal = 0 AND qp = 22",
        "UPDATE held_out_points SET ssim = ssim + 0.001 WHERE proposal = 1 AND qp = 32",
    )  # fmt: skip
    report = audit(run)
    assert_fails(report, "bitstreams/0001-held-out/hidden-qp32.lkv", "ssim is")
    assert_fails(report, "rate point of entry 1, held out, hidden at 22", "rate_kbps is")
    assert_fails(report, "entry 0, held out", "has no point of hidden at 22")
    assert_fails(report, "check of entry 1, held out", "follows as")


def test_a_canary_that_came_out_wrong_is_found(run: Path) -> None:
    changed(run, "UPDATE canaries SET passed = 0, came = 'won' WHERE id = 2")
    report = audit(run, decode=False)
    assert any(f.what.startswith("canary ") and "came out as won" in f.detail for f in report.of(Kind.FAILED))


# --- the database itself -----------------------------------------------------------------------------


def test_a_dropped_trigger_is_missed(run: Path) -> None:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        connection.execute("DROP TRIGGER verdicts_no_update")
    assert_fails(audit(run, decode=False), "trigger verdicts_no_update", "is gone: rows of verdicts could be changed")


def test_a_trigger_that_forbids_nothing_is_seen_through(run: Path) -> None:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        connection.execute("DROP TRIGGER verdicts_no_update")
        connection.execute("CREATE TRIGGER verdicts_no_update BEFORE UPDATE ON verdicts BEGIN SELECT 1; END")
        connection.execute("CREATE TRIGGER helper AFTER INSERT ON alerts BEGIN SELECT 1; END")
    report = audit(run, decode=False)
    assert_fails(report, "trigger verdicts_no_update", "is not the one that protects verdicts")
    assert_fails(report, "trigger helper", "is none of ours")


def test_a_dropped_table_is_missed(run: Path) -> None:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        connection.execute("DROP TABLE checks")
    assert_fails(audit(run, decode=False), "table checks", "is missing")


def test_a_damaged_database_is_told_and_not_believed(run: Path) -> None:
    path = run / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[4096 * 10 : 4096 * 40] = bytes(4096 * 30)
    path.write_bytes(data)
    report = audit(run)
    assert_fails(report, "ledger.sqlite", "the database is damaged")
    assert_fails(report, "ledger", "nothing more was looked at")


def test_what_is_no_database_is_told(run: Path) -> None:
    (run / "ledger.sqlite").write_text("dear diary, " * 1000)
    assert_fails(audit(run), "ledger.sqlite", "the database is damaged: file is not a database")


# --- git, files --------------------------------------------------------------------------------------


def git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=some@body")
    place = (f"--git-dir={folder / '.git'}", f"--work-tree={folder}")
    subprocess.run(["git", *who, *place, *args], cwd=folder, check=True, capture_output=True)


def test_a_changed_working_file_is_found(run: Path) -> None:
    (run / "versions" / "v1.py").write_text(DEAD_ZONE + "# better\n")
    assert_fails(audit(run, decode=False), "versions/v1.py", "holds another text than entry 1")


def test_a_moved_tag_is_found(run: Path) -> None:
    (run / "versions" / "v1.py").write_text(PACKED)
    git(run, "commit", "--quiet", "-m", "v1: better", "--", "versions/v1.py")
    git(run, "tag", "--force", "v1")
    (run / "versions" / "v1.py").write_text(DEAD_ZONE)
    report = audit(run, decode=False)
    assert_fails(report, "tag v1", "points at another text than entry 1")
    assert_fails(report, "tag v1", "its commit says Candidate: None")
    assert not found(report, Kind.FAILED, "versions/v1.py")


def test_the_same_text_committed_by_another_is_found(run: Path) -> None:
    git(run, "commit", "--quiet", "--amend", "--no-edit", "--reset-author")
    git(run, "tag", "--force", "v1")
    assert_fails(audit(run, decode=False), "tag v1", "by somebody <some@body>, not by labkit <labkit@localhost>")


def test_a_removed_tag_a_tag_too_many_and_no_repository_are_found(run: Path) -> None:
    git(run, "tag", "v7", "v1")
    git(run, "tag", "--delete", "v1")
    report = audit(run, decode=False)
    assert_fails(report, "tag v1", "git log failed")
    assert_fails(report, "tag v7", "is of no version that the ledger has")
    shutil.rmtree(run / ".git")
    assert_fails(audit(run, decode=False), "tag v0", "git log failed: .*not a git repository")


def test_a_changed_file_of_a_rejected_candidate_is_found_and_a_missing_one_is_no_harm(run: Path) -> None:
    (run / "rejected" / "0002.txt").write_text("it was the best of all\n")
    (run / "rejected" / "0003.py").unlink()
    report = audit(run, decode=False)
    assert_fails(report, "rejected/0002.txt", "holds something else than the ledger says of entry 2")
    assert found(report, Kind.STATED, "rejected/", "1 files are gone")


# --- containers and clips ----------------------------------------------------------------------------


def test_containers_that_are_swapped_cut_changed_or_gone_are_found(run: Path) -> None:
    folder = run / "bitstreams" / "0000"
    a, b, c = (folder / f"small-qp{qp}.lkv" for qp in (22, 27, 32))
    a_data, b_data, c_data = (path.read_bytes() for path in (a, b, c))
    a.write_bytes(b_data)
    b.write_bytes(b_data[:-1] + bytes([b_data[-1] ^ 1]))
    c.unlink()
    report = audit(run, decode=False)
    assert_fails(
        report, "bitstreams/0000/small-qp22.lkv", f"has {len(b_data):,} bytes, the ledger says {len(a_data):,}"
    )
    assert_fails(report, "bitstreams/0000/small-qp27.lkv", "has SHA-256 .*, the ledger says")
    assert_fails(report, "bitstreams/0000/small-qp32.lkv", r"is gone: nothing proves the figures of v0 \(entry 0\)")
    assert c_data


def test_figures_that_do_not_come_out_of_the_decoder_are_found(run: Path) -> None:
    """Only decoding tells: the row agrees with itself, the verdict does not ask about SSIM."""
    changed(
        run, "UPDATE rate_points SET ssim = ssim + 1e-5 WHERE proposal = 1 AND qp = 22",
        "UPDATE rate_points SET worst_block_db = worst_block_db + 1 WHERE proposal = 1 AND qp = 37",
    )  # fmt: skip
    assert audit(run, decode=False).passed
    report = audit(run)
    assert_fails(
        report, "bitstreams/0001/small-qp22.lkv", r"with the source of v1 \(entry 1\): ssim is .*, the ledger says"
    )
    assert_fails(report, "bitstreams/0001/small-qp37.lkv", "worst_block_db is")
    assert found(report, Kind.PROVEN, "v0 (entry 0)")
    assert not found(report, Kind.PROVEN, "v1 (entry 1)")


def test_a_container_of_another_program_is_found_though_its_row_was_made_to_fit(run: Path) -> None:
    """Version 1's smaller file stands for version 0's: size, hash, rate and sums agree, and so does the verdict."""
    theirs, ours = (run / "bitstreams" / name / "small-qp22.lkv" for name in ("0001", "0000"))
    ours.write_bytes(theirs.read_bytes())
    figures = "bitstream_sha256, bytes, rate_kbps, frame_bytes"
    changed(
        run,
        f"UPDATE rate_points SET ({figures}) = (SELECT {figures} FROM rate_points WHERE proposal = 1 AND qp = 22) "
        "WHERE proposal = 0 AND qp = 22",
    )
    report = audit(run)
    assert_fails(report, "bitstreams/0000/small-qp22.lkv", r"with the source of v0 \(entry 0\): psnr_db is")
    assert not found(report, Kind.FAILED, "rate point of entry 0, small at 22")


def test_a_picture_that_shows_something_else_is_found(run: Path) -> None:
    ours, theirs = (next((run / "bitstreams" / name).glob("*.npz")) for name in ("0000", "0001"))
    theirs.write_bytes(ours.read_bytes())
    name = theirs.with_suffix(".lkv").relative_to(run)
    assert_fails(audit(run), str(name), "npz shows another picture than frame 1")


def test_a_picture_with_another_bit_is_named(run: Path) -> None:
    path = next((run / "bitstreams" / "0001").glob("*.npz"))
    name, data = str(path.with_suffix(".lkv").relative_to(run)), path.read_bytes()
    start = data.index(b"{'descr'") if b"{'descr'" in data else len(data) // 2
    for changed_byte in (start, len(data) // 2):
        path.write_bytes(data[:changed_byte] + bytes([data[changed_byte] ^ 4]) + data[changed_byte + 1 :])
        assert_fails(audit(run), name, "npz cannot be read")


def test_a_missing_canary_is_told(run: Path) -> None:
    changed(run, "DELETE FROM canaries WHERE id = (SELECT max(id) FROM canaries)")
    assert found(audit(run, decode=False), Kind.STATED, "canaries", "9 came out as they must; not recorded: all differ")


def test_other_libraries_may_change_the_last_digits_and_nothing_else_may(run: Path) -> None:
    changed(run, "UPDATE rate_points SET ssim = ssim + 1e-9 WHERE proposal = 1 AND qp = 22")
    assert_fails(audit(run), "bitstreams/0001/small-qp22.lkv", "by less than a millionth")
    changed(run, "UPDATE campaign SET versions = json_set(versions, '$.numpy', '1.0')")
    report = audit(run)
    assert report.passed, report
    assert found(report, Kind.PROVEN, "v1 (entry 1)", "within a millionth")
    assert found(report, Kind.STATED, "other versions", "numpy 1.0 then")


@contextmanager
def replaced(path: Path, data: bytes | None) -> Iterator[None]:
    before = path.read_bytes()
    path.unlink()
    try:
        if data is not None:
            path.write_bytes(data)
        yield
    finally:
        path.write_bytes(before)


def test_clips_that_are_gone_leave_figures_stated_and_changed_ones_fail(honest: Path) -> None:
    clip = honest.parents[1] / "small.y4m"
    with replaced(clip, None):
        report = audit(honest)
    assert report.passed, report
    assert found(report, Kind.STATED, "clip small", "cannot be read again: no clip")
    assert found(report, Kind.STATED, "bitstreams/0001/small-qp22.lkv", "not decoded: clip small is gone")
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1
    with replaced(clip, bytes(data)):
        assert_fails(audit(honest), "clip small", "its frames hash to .* now, to .* when the campaign began")


# --- every cell --------------------------------------------------------------------------------------

CLOCKS = {"encode_s", "decode_s", "encode_cpu_s", "decode_cpu_s", "peak_mib"}
DECODED = {"psnr_yuv_db", "ssim", "worst_block_db", "ms_ssim", "frame_hashes", "bitstream_sha256"}
ONLY_STATED = {
    "alerts": {"generation", "kind", "text"},
    "campaign": {"settings", "versions"},  # the path of the clip is changed: then it is gone
    "canaries": {"name", "expected", "came", "isolation"},
    "checks": {"wall_s", "cpu_s"},
    "clips": {"origin", "notes"},
    "costs": {"proposer", "usd"},  # of a proposal: nobody else knows
    "evaluations": {"isolation", "wall_s", "cpu_s", "warmed", "output", "stopped", "cached"},
    "generation_ends": {"wall_s"},
    "generations": {"isolation"},  # what the probes saw; another level is found
    "held_out_evaluations": {"isolation", "wall_s", "cpu_s", "warmed", "output", "cached", "purpose"},
    "goal_points": {"qp", "psnr_db", *DECODED, *CLOCKS},
    "held_out_points": CLOCKS,
    "proposals": {"proposer", "hypothesis"},
    "rate_points": CLOCKS,
}
"""What may be changed alone without being found, in some row at least; `at` of every table besides."""


@pytest.mark.slow
@pytest.mark.parametrize("table", [
    "alerts", "campaign", "canaries", "checks", "clips", "costs", "evaluations", "exchanges", "generation_ends",
    "generations", "goal_points", "held_out_evaluations", "held_out_points", "programs", "proposals", "rate_points",
    "verdicts",
])  # fmt: skip
def test_any_changed_cell_is_found_unless_the_report_says_that_it_is_only_stated(run: Path, table: str) -> None:
    ledger = run / "ledger.sqlite"
    pristine = ledger.read_bytes()
    with closing(sqlite3.connect(ledger)) as connection:
        connection.row_factory = sqlite3.Row
        last = connection.execute(f"SELECT rowid AS row, * FROM {table} ORDER BY rowid DESC LIMIT 1").fetchone()
        assert last, f"the campaign has left no row in {table}"
    missed = set()
    for column in set(last.keys()) - {"row", "at"}:
        ledger.write_bytes(pristine)
        value = other(last[column])
        if value is None:
            continue
        try:
            with by_hand(run) as connection:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, last["row"]))
        except sqlite3.IntegrityError:
            continue  # the database itself does not take it
        if audit(run, decode=table in ("rate_points", "held_out_points")).passed:
            missed.add(column)
    assert missed <= ONLY_STATED.get(table, set())


def other(value: object) -> object:
    """Return another value of the same kind; None for nothing."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.dumps(other_leaf(json.loads(value)))
    if isinstance(value, str):
        return value[::-1] if re.fullmatch("[0-9a-f]{64}", value) else value + "x"
    return value * 1.5 + 1 if isinstance(value, float) else value + 1 if isinstance(value, int) else None


def other_leaf(value: object) -> object:
    if isinstance(value, dict):
        key = next((key for key in value if value[key] not in (None, [], {}, "")), "new")
        return value | {key: other_leaf(value.get(key))}
    if isinstance(value, list):
        return [other_leaf(value[0]), *value[1:]] if value else [1]
    return value + "x" if isinstance(value, str) else (value or 0) + 1  # type: ignore[operator]


# --- how it is shown ---------------------------------------------------------------------------------


def labkit_audit(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labkit", "audit", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.slow
def test_the_command_line_finds_a_run_by_its_name_and_prints_json(honest: Path) -> None:
    good = labkit_audit(honest.name, "--runs", str(honest.parent), "--json", "--anchors")
    told = json.loads(good.stdout)
    assert (good.returncode, told["failed"], told["passed"]) == (0, [], True)
    assert {"what", "detail"} == set(told["proven"][0])
    assert labkit_audit("nobody", "--runs", str(honest.parent)).returncode == 2


@pytest.mark.slow
def test_the_command_line_prints_three_lists_and_its_exit_code_tells(run: Path) -> None:
    changed(run, "UPDATE proposals SET source = '\x1b[2J<b>' || source WHERE number = 1")
    bad = labkit_audit(str(run))
    assert bad.returncode == 1
    assert "only stated (nothing that is kept proves it):\n  " in bad.stdout
    assert "failed:\n  " in bad.stdout
    assert re.search(r"^proven: \d+, stated: \d+, failed: \d+$", bad.stdout, re.MULTILINE)
    assert "\x1b" not in bad.stdout


def test_the_report_as_html_escapes_and_shows_failures_first(run: Path) -> None:
    changed(run, "UPDATE verdicts SET reasons = '[\"<script>alert(1)</script>\"]' WHERE proposal = 1")
    html = show_audit(audit(run, decode=False))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    order = [html.index(words) for words in ("verdict on entry 1", "What is only stated", "What is proven")]
    assert order == sorted(order)


@pytest.mark.slow
def test_the_notebook_shows_the_report_of_a_fresh_campaign(honest: Path, tmp_path: Path) -> None:
    made = run_notebook(ROOT / "notebooks" / "audit.ipynb", tmp_path / "audit.ipynb", {"campaign": str(honest)})
    shown = made.read_text(encoding="utf-8")
    assert "decode to the stated figures" in shown
    assert "failed: 0" in shown
