"""The loop: what is proposed is measured, judged with reasons and recorded; nothing is run twice, lost or doubled."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from programs import DEAD_ZONE, IGNORES_QP, INTRA, PACKED, RAISES, RAW, REFUSED, WASTEFUL
from programs import SLOW as VERY_SLOW

from labkit.campaign import Campaign
from labkit.candidate import Candidate, Stage
from labkit.errors import BusyError, CampaignError, ProposerError
from labkit.propose.brief import Brief
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.settings import Settings, make_settings

SMALL = {"clips": ["builtin:shapes"], "held_out": ["none"], "robustness": "off", "frames": 3,
         "anchors": ["x265-medium"], "generations": 3, "candidates": 1, "cache": False}  # fmt: skip
"""Without the checks that tests/test_truth.py is about: they take longer than all the rest."""


class Scripted(Proposer):
    """Proposes the given sources in order; counts how often it was asked."""

    name = "a script"

    def __init__(self, *sources: str) -> None:
        self.sources = sources
        self.briefs: list[Brief] = []

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        self.briefs.append(brief)
        for number, source in enumerate(self.sources):
            candidate = Candidate(source, self.name, f"idea {number}", brief.champion_hash)
            if candidate.hash not in brief.tried:
                return Proposal(candidate, cost_usd=0.25)
        raise ProposerError("the script has ended")


def settings(**changes: object) -> Settings:
    return make_settings(SMALL | changes, "test")


def run_all(folder: Path, *sources: str, **changes: object) -> tuple[Campaign, Scripted]:
    script = Scripted(*sources)
    campaign = Campaign.start(folder, settings(**changes), script)
    for number in range(campaign.settings.generations + 1):
        campaign.generation(number)
    return campaign, script


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A campaign whose script holds a gain, a loss, a failure, a refusal, one that ignores the QP."""
    folder = tmp_path_factory.mktemp("runs") / "five"
    campaign, _ = run_all(folder, WASTEFUL, DEAD_ZONE, RAISES, REFUSED, IGNORES_QP, generations=5)
    yield campaign
    campaign.close()


def test_each_candidate_gets_the_verdict_that_it_earned(finished: Campaign) -> None:
    entries = finished.ledger.entries()
    assert [entry.outcome for entry in entries] == ["adopted", "rejected", "adopted", "failed", "failed", "rejected"]
    assert [entry.version for entry in entries] == [0, None, 1, None, None, None]
    _, wasteful, better, raises, refused, flat = entries
    assert wasteful.verdict.bd_rate_pct > 2
    assert "got worse" in wasteful.verdict.reasons[1]
    assert better.verdict.bd_rate_pct < -10
    line = RAISES.split("\n").index("    raise OSError('the decoder gave up')") + 1
    assert raises.verdict.reasons[0].startswith(
        f"failed: raised (decode, shapes, QP 37, frame 0, line {line}): OSError: the decoder gave up\n    line {line}"
    )
    assert "os" in refused.verdict.reasons[0]
    assert refused.evaluation.failure.stage is Stage.CHECK
    assert "does not rise" in flat.verdict.reasons[0]


def test_a_candidate_that_failed_has_no_rate_point_and_nobody_elses_number(finished: Campaign) -> None:
    for entry in finished.ledger.entries():
        assert entry.evaluation is not None
        assert bool(entry.evaluation.points) == (entry.outcome != "failed")
        assert {point.candidate for point in entry.evaluation.points} <= {entry.candidate.hash}


def test_three_codecs_have_three_bitstreams_and_three_rates(finished: Campaign) -> None:
    three = [finished.entry(number).evaluation.points for number in (0, 1, 2)]
    for at_qp in zip(*three, strict=True):
        assert len({point.bitstream_sha256 for point in at_qp}) == 3
        assert len({point.bytes for point in at_qp}) == 3


def test_the_kept_bitstreams_are_the_versions_and_the_latest_generation(finished: Campaign) -> None:
    assert sorted(path.name for path in (finished.folder / "bitstreams").iterdir()) == ["0000", "0002", "0005"]
    import hashlib

    for number in (0, 2, 5):
        for point in finished.entry(number).evaluation.points:
            data = finished.keep(number).path(point.clip, point.qp, ".lkv").read_bytes()
            assert hashlib.sha256(data).hexdigest() == point.bitstream_sha256
            assert len(data) == point.bytes


def test_versions_are_files_commits_and_tags_and_the_rejected_stay_with_their_reasons(finished: Campaign) -> None:
    assert (finished.folder / "versions" / "v1.py").read_text() == DEAD_ZONE
    git = ["git", "-C", str(finished.folder)]
    assert subprocess.check_output([*git, "tag"], text=True).split() == ["v0", "v1"]
    message = subprocess.check_output([*git, "log", "-1", "--format=%B"], text=True)
    assert f"Candidate: {finished.entry(2).candidate.hash}" in message
    assert f"BD-rate-champion: {finished.entry(2).verdict.bd_rate_pct:+.2f} %" in message
    assert (finished.folder / "rejected" / "0003.py").read_text() == RAISES
    assert "the decoder gave up" in (finished.folder / "rejected" / "0003.txt").read_text()


def test_the_table_has_a_row_for_each_candidate(finished: Campaign) -> None:
    table = finished.table()
    assert list(table["verdict"]) == [entry.outcome for entry in finished.ledger.entries()]
    assert table.loc[2, "bd_rate_pct"] < -10
    assert table.loc[0, "bd_rate_x265_pct"] > 100
    assert table.loc[3, "bytes"] is None or table.loc[3, "bytes"] != table.loc[3, "bytes"]
    assert finished.ledger.cost_usd() == 5 * 0.25


def test_the_brief_tells_what_was_tried_and_why_it_failed(finished: Campaign) -> None:
    brief = finished.brief(6, 0)
    assert (brief.champion_version, brief.champion.source) == (1, DEAD_ZONE)
    assert len(brief.tried) == 6
    assert "the decoder gave up" in brief.experiments[3].reason


def test_a_recorded_generation_is_never_run_again(finished: Campaign) -> None:
    class Nobody(Proposer):
        name = "nobody"

        def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
            raise AssertionError("was asked again")

    with Campaign.open(finished.folder, Nobody()) as again:
        for number in range(6):
            assert again.generation(number) == finished.recorded(number)
        assert again.complete


def test_a_generation_that_is_not_the_next_is_refused(finished: Campaign) -> None:
    with pytest.raises(CampaignError, match="generation 9 cannot run, the next one is 6"):
        finished.generation(9)


@pytest.mark.slow
def test_the_best_of_a_generation_is_adopted_and_the_other_is_told_so(tmp_path: Path) -> None:
    campaign, _ = run_all(tmp_path / "two", DEAD_ZONE, PACKED, generations=1, candidates=2)
    with campaign:
        first, second = campaign.recorded(1).entries
        winner, loser = (first, second) if first.version is not None else (second, first)
        assert (winner.version, loser.version) == (1, None)
        assert winner.verdict.bd_rate_pct < loser.verdict.bd_rate_pct < -10
        assert f"candidate {winner.number} of the same generation was better" in loser.verdict.reasons[0]


@pytest.mark.slow
def test_a_slot_that_nobody_fills_is_an_alert(tmp_path: Path) -> None:
    campaign, _ = run_all(tmp_path / "short", DEAD_ZONE, generations=1, candidates=3, anchors=[])
    with campaign:
        assert len(campaign.recorded(1).entries) == 1
        assert "slot 1: the script has ended" in [alert.text for alert in campaign.ledger.alerts()]


@pytest.mark.slow
def test_a_campaign_can_begin_without_a_champion(tmp_path: Path) -> None:
    campaign, script = run_all(tmp_path / "none", INTRA, DEAD_ZONE, start="", generations=2)
    with campaign:
        assert script.briefs[0].champion is None
        assert [entry.version for entry in campaign.ledger.entries()] == [0, 1]
        assert "no champion to beat" in campaign.entry(0).verdict.reasons[0]


@pytest.mark.slow
def test_a_raw_copy_is_measured_and_loses_with_the_reason(tmp_path: Path) -> None:
    campaign, _ = run_all(tmp_path / "raw", RAW, generations=1)
    with campaign:
        entry = campaign.entry(1)
        assert entry.evaluation.points[0].bytes > entry.evaluation.points[0].raw_bytes
        assert entry.outcome == "rejected"
        assert "lossless" in entry.verdict.reasons[0]


def test_a_start_that_fails_stops_the_campaign_and_says_why(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(RAISES)
    with (
        Campaign.start(tmp_path / "run", settings(start=str(bad)), Scripted()) as campaign,
        pytest.raises(CampaignError, match=r"starting program failed: raised .*the decoder gave up"),
    ):
        campaign.generation(0)


def test_other_settings_are_refused_with_both_sides_and_more_generations_are_not(finished: Campaign) -> None:
    with pytest.raises(CampaignError, match=r"frames: 5 now, 3 there"):
        Campaign.start(finished.folder, settings(frames=5, generations=5))
    with Campaign.start(finished.folder, settings(generations=9)) as more:
        assert not more.complete


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear diary")
    with pytest.raises(CampaignError, match="exists and holds no campaign"):
        Campaign.start(tmp_path, settings())
    with pytest.raises(CampaignError, match="holds no campaign"):
        Campaign.open(tmp_path / "nowhere")


# --- killed, interrupted, doubled ------------------------------------------------------------------------

SLOW = VERY_SLOW.replace("5_000_000", "1_500_000")
STEP = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us with & has it ignored
sys.path[:0] = [{tests!r}]
from test_campaign import SLOW, Scripted, settings
from labkit.campaign import Campaign
with Campaign.start(Path(sys.argv[1]), settings(generations=1, anchors=[]), Scripted(SLOW)) as campaign:
    campaign.generation(0)
    campaign.generation(1)
"""


def start_slow(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that runs a slow generation 1; return when its candidate is being measured."""
    process = subprocess.Popen([sys.executable, "-c", STEP.format(tests=str(Path(__file__).parent)), str(folder)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the campaign ended before it could be disturbed"
        progress = folder / "progress.json"
        if progress.exists() and '"candidate 1"' in progress.read_text() and "QP" in progress.read_text():
            return process
        time.sleep(0.05)
    raise AssertionError("the slow candidate never ran")


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def assert_all_end(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == [], "processes of a killed campaign stayed behind"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda n: n.name)
def test_a_killed_generation_resumes_with_nothing_lost_or_doubled(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "run"
    process = start_slow(folder)
    workers = below(process.pid)
    assert workers, "no candidate's process was seen"
    process.send_signal(number)
    process.wait(30)
    assert_all_end(workers)
    script = Scripted(SLOW)
    with Campaign.open(folder, script) as campaign:
        before = campaign.ledger.entries()
        assert [entry.outcome for entry in before] == ["adopted", "proposed"]
        turn = campaign.generation(1)
        assert script.briefs == []  # the proposal was recorded: nobody is asked (or paid) again
        assert [entry.candidate.source for entry in turn.entries] == [SLOW]
        assert len(turn.entries[0].evaluation.points) == 4
        assert campaign.ledger.entries()[0] == before[0]


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start_slow(folder)
    try:
        with Campaign.open(folder, Scripted(SLOW)) as campaign:
            with pytest.raises(BusyError, match=f"process {process.pid}"):
                campaign.generation(1)
            assert campaign.ledger.entries()[1].outcome == "proposed"  # reading is no harm
    finally:
        workers = below(process.pid)
        process.kill()
        process.wait()
        assert_all_end(workers)


class Crashes(Campaign):
    """Dies after the verdicts of a generation were recorded, before a file or tag of it stands."""

    def _settle(self, number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt
        super()._settle(number)


@pytest.mark.slow
def test_a_crash_between_verdicts_and_git_is_mended_by_the_next_process(tmp_path: Path) -> None:
    folder, both = tmp_path / "run", Scripted(DEAD_ZONE, PACKED)
    asked = settings(generations=1, candidates=2, anchors=[])
    with Crashes.start(folder, asked, both) as campaign:
        campaign.generation(0)
        with pytest.raises(KeyboardInterrupt):
            campaign.generation(1)
        judged = campaign.ledger.entries(1)
        assert sorted(entry.outcome for entry in judged) == ["adopted", "rejected"]
        assert not (folder / "versions" / "v1.py").exists()
    with Campaign.open(folder, Scripted()) as campaign:
        turn = campaign.generation(1)
        assert list(turn.entries) == judged  # nothing is proposed, measured or judged again
        show = ["git", "-C", str(folder), "show", "v1:versions/v1.py"]
        assert subprocess.check_output(show, text=True) == turn.adopted.candidate.source
        loser = next(entry for entry in turn.entries if entry.version is None)
        assert (folder / "rejected" / f"{loser.number:04d}.py").read_text() == loser.candidate.source


def test_a_changed_clip_is_refused(finished: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    with Campaign.open(finished.folder, Scripted()) as campaign:
        clip = campaign.clips[0]
        other = dataclasses.replace(clip, data=255 - clip.data)
        with pytest.raises(Exception, match="has changed since the campaign began"):
            campaign.ledger.record_clips([other])


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(CampaignError, match="cannot"):
        Campaign.start(tmp_path / "run", settings())
