"""Numbers that cannot fool us: what wins on paper and nowhere else is not adopted, and nothing is measured twice."""

import base64
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from programs import DEAD_ZONE, INTRA, PACKED, WASTEFUL, changed
from test_campaign import Scripted, settings

from labkit import vmaf
from labkit.campaign import Campaign, alerts
from labkit.candidate import FailureKind
from labkit.cli import main
from labkit.errors import CampaignError, SettingsError
from labkit.footage.library import find_clips
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.ledger import HELD_OUT_ROLE
from labkit.propose.prompt import prompt
from labkit.settings import ALERTS
from labkit.view import show_metrics

CLIP, FRAMES = "builtin:shapes", 2

LEARNT = """
import base64, zlib
import numpy as np
KNOWN = np.frombuffer(zlib.decompress(base64.b64decode("{text}")), np.uint8).reshape({frames}, -1)
"""


def run(folder: Path, *sources: str, generations: int | None = None, **asked: object) -> Campaign:
    """Run a campaign whose proposer gives these programs, one a generation."""
    count = len(sources) if generations is None else generations
    checked = {"held_out": ["auto"], "robustness": "reject", "cache": True} | asked
    wanted = settings(clips=[CLIP], frames=FRAMES, anchors=[], generations=count, **checked)
    campaign = Campaign.start(folder, wanted, Scripted(*sources))
    for number in range(count + 1):
        campaign.generation(number)
    return campaign


def memory() -> str:
    """Return a program that knows the development clip by heart, and codes any other clip as version 0 does."""
    (clip,) = find_clips([CLIP], FRAMES)
    coarse = clip.data & 0xF0  # what it remembers must fit into a source
    text = base64.b64encode(zlib.compress(coarse.tobytes(), 9)).decode()
    source = LEARNT.format(text=text, frames=FRAMES) + INTRA
    source = source.replace("def compress_video_frame(", "def compress_other(")
    source = source.replace("def decompress_video_frame(", "def decompress_other(")
    return (
        source
        + """

def compress_video_frame(frame, frame_index, config):
    flat = np.concatenate([plane.ravel() for plane in frame])
    known = flat.size == KNOWN.shape[1] and frame_index < len(KNOWN) and ((flat & 0xF0) == KNOWN[frame_index]).all()
    return b"k" + bytes(60 - config["qp"]) if known else b"o" + compress_other(frame, frame_index, config)


def decompress_video_frame(data, frame_index, config):
    if data[:1] == b"o":
        return decompress_other(data[1:], frame_index, config)
    h, w = config["height"], config["width"]
    flat = KNOWN[frame_index] // config["qp"] * config["qp"] + 8
    sizes = np.cumsum([h * w, h * w // 4])
    y, u, v = np.split(flat.astype(np.uint8), sizes)
    return y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)
"""
    )


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A gain, and a loss."""
    campaign = run(tmp_path_factory.mktemp("truth") / "honest", DEAD_ZONE, WASTEFUL)
    yield campaign
    campaign.close()


# --- before anything -----------------------------------------------------------------------------------


def test_canaries_are_measured_before_the_first_generation_and_recorded(honest: Campaign) -> None:
    rows = honest.ledger.canaries()
    assert {"raw copy", "intra dct", "grey", "stash", "forged reply", "all differ"} <= {row.name for row in rows}
    assert all(row.passed for row in rows)
    assert max(row.at for row in rows) < min(row.at for row in honest.ledger.generations().values())


# --- held-out clips -------------------------------------------------------------------------------------


def test_a_gain_is_measured_on_clips_that_nobody_tuned_to(honest: Campaign) -> None:
    adopted = honest.entry(1)
    assert adopted.version == 1
    assert set(honest.ledger.clips(HELD_OUT_ROLE)) == {"photo_pan@101", "shapes@101"}
    assert honest.held_out_gain(adopted) < -10
    assert any(reason.startswith("held out: ") for reason in adopted.verdict.reasons)
    assert honest.held_out_decisions == 1
    assert honest.held_out_gain(honest.entry(2)) is None, "one that lost at home is not tried abroad"


@pytest.mark.slow
def test_what_is_known_by_heart_is_no_codec(tmp_path: Path) -> None:
    campaign = run(tmp_path / "x", memory())
    entry = campaign.entry(1)
    assert entry.verdict.bd_rate_pct is None or entry.verdict.bd_rate_pct < -90
    assert entry.outcome == "rejected"
    assert campaign.champion.number == 0
    campaign.close()


@pytest.mark.slow
def test_a_loss_on_held_out_clips_rejects_with_the_number_and_the_use_is_counted(tmp_path: Path) -> None:
    # 2,000 bytes more wherever the first frame is not that of the development clip; fewer levels everywhere
    (clip,) = find_clips([CLIP], FRAMES)
    first = int(clip.frame(0)[0].astype(np.int64).sum())
    worse = changed("    packer = ", "    _STATE['more'] = 1 - _mine(frame, frame_index)\n    packer = ", DEAD_ZONE)
    worse = changed("+ packer.flush()", "+ packer.flush() + bytes(9000 * _STATE['more'])", worse)
    worse = changed("zlib.decompress(data)", "zlib.decompressobj().decompress(data)", worse)
    worse += f"""

_STATE = {{"mine": 0}}


def _mine(frame, frame_index):
    if frame_index == 0:
        _STATE["mine"] = int(int(frame[0].astype("int64").sum()) == {first})
    return _STATE["mine"]
"""
    campaign = run(tmp_path / "x", worse)
    entry = campaign.entry(1)
    assert entry.verdict.bd_rate_pct < -10
    assert entry.outcome == "rejected"
    (reason,) = entry.verdict.reasons
    assert re.match(r"held out: \+\d+.\d+ % rate at equal PSNR on average", reason)
    assert campaign.held_out_decisions == 1
    told = prompt(campaign.brief(2)).text
    assert "did not do as well on clips that nobody tunes to" in told
    campaign.close()


def test_nothing_of_held_out_clips_reaches_a_proposer(honest: Campaign) -> None:
    told = prompt(honest.brief(3)).text
    for name, row in honest.ledger.clips(HELD_OUT_ROLE).items():
        assert name not in told
        assert row.hash[:8] not in told
    for evaluation in honest.ledger.held_out().values():
        for point in evaluation.points:
            for number in (f"{point.bytes}", f"{point.bytes:,}", f"{point.rate_kbps:.1f}", f"{point.psnr_db:.3f}"):
                assert not re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d])", told), f"{point.clip}: {number}"
    gain = honest.held_out_gain(honest.entry(1))
    assert f"{gain:+.2f}" not in told
    assert "shapes" in told, "the development clip is told"


def test_a_held_out_clip_that_is_a_development_clip_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["evolve", "--runs", str(tmp_path), "--clips", CLIP, "--held-out", CLIP, "--anchors", "none"])
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert "held-out clip 'shapes-2' and development clip 'shapes' share frames" in err
    assert list(tmp_path.iterdir()) == []


# --- confirmation and robustness -----------------------------------------------------------------------------


@pytest.mark.slow
def test_what_differs_from_nursery_to_nursery_is_not_adopted(tmp_path: Path) -> None:
    moody = changed("+ packer.flush()", "+ packer.flush() + _MOOD", DEAD_ZONE)
    moody = changed("zlib.decompress(data)", "zlib.decompressobj().decompress(data)", moody)
    campaign = run(tmp_path / "x", moody + "\n\nimport random\n_MOOD = random.randbytes(4)\n")
    entry = campaign.entry(1)
    assert entry.verdict.bd_rate_pct < -10
    assert entry.outcome == "rejected"
    (check,) = (check for check in campaign.ledger.checks()[1] if check.kind == "confirmation")
    assert (check.passed, check.failure.kind, check.failure.frame) == (False, FailureKind.VARIES, 0)
    assert any(reason.startswith("confirmation: differs from run to run") for reason in entry.verdict.reasons)
    campaign.close()


BRITTLE = changed("    packer = ", "    assert frame[0].max() > 16, 'there is no light'\n    packer = ", DEAD_ZONE)


@pytest.mark.slow
def test_what_fails_in_the_dark_is_rejected_by_default(tmp_path: Path) -> None:
    campaign = run(tmp_path / "x", BRITTLE)
    assert campaign.entry(1).outcome == "rejected"
    assert "robustness: raised (encode, black" in "; ".join(campaign.entry(1).verdict.reasons)
    campaign.close()


@pytest.mark.slow
def test_what_fails_in_the_dark_may_be_adopted_with_a_warning(tmp_path: Path) -> None:
    campaign = run(tmp_path / "x", BRITTLE, robustness="warn")
    assert campaign.entry(1).outcome == "adopted"
    assert any("there is no light" in row.text for row in campaign.ledger.alerts() if row.kind == "robustness")
    campaign.close()


# --- early stop, never twice -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_stopping_early_changes_no_verdict_over_forty_candidates(tmp_path: Path) -> None:
    steps = np.concatenate([np.linspace(0.2, 0.5, 14), np.linspace(0.5, 1.4, 12)])
    rounded = "np.trunc(coefficients / step + np.sign(coefficients) * {:.3f})"
    sources = [changed("np.rint(coefficients / step)", rounded.format(share)) for share in steps]
    sources += [
        changed("+ packer.flush()", f"+ packer.flush() + bytes({n})").replace(
            "zlib.decompress(data)", f"zlib.decompress(data[:-{n}])"
        )
        for n in (1, 5, 20, 60, 200, 500, 1000, 3000, 9000)
    ]
    sources += [PACKED, DEAD_ZONE.replace("0.3", "0.25"), WASTEFUL, DEAD_ZONE + "\n# again\n"]
    sources += [
        changed("    return 2.0 ** ((qp - 4) / 6)", f"    return {k} * 2.0 ** ((qp - 4) / 6)") for k in (1, 2, 3)
    ]
    assert len(set(sources)) >= 40
    small = [str(tmp_path / f"{name}.y4m") for name in ("shapes", "photo_pan")]
    for path in map(Path, small):
        clip = synthetic_clip(path.stem, 160, 96, FRAMES)
        write_y4m(path, (clip.frame(i) for i in range(FRAMES)), clip.width, clip.height, clip.fps)
    asked = {
        "clips": small, "frames": FRAMES, "anchors": [], "held_out": ["none"], "candidates": 4,
        "generations": 11, "cache": False, "robustness": "off",
    }  # fmt: skip
    outcomes, spent = [], []
    for early_stop in (False, True):
        wanted = settings(**asked, early_stop=early_stop)
        with Campaign.start(tmp_path / str(early_stop), wanted, Scripted(*sources)) as campaign:
            for number in range(wanted.generations + 1):
                campaign.generation(number)
            entries = campaign.ledger.entries()
        outcomes.append([(entry.candidate.hash, entry.outcome, entry.version) for entry in entries])
        spent.append({entry.number: len(entry.evaluation.points) for entry in entries})
    assert len(outcomes[0]) >= 40
    assert outcomes[0] == outcomes[1]
    whole, stopped = spent
    hopeless = [number for number in whole if 0 < stopped[number] < whole[number]]
    assert len(hopeless) >= 10
    assert sum(stopped[number] for number in hopeless) <= sum(whole[number] for number in hopeless) / 2


@pytest.mark.slow
def test_a_campaign_that_is_run_again_encodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    first = run(tmp_path / "first", DEAD_ZONE, WASTEFUL)
    again = run(tmp_path / "again", DEAD_ZONE, WASTEFUL)
    for one, other in zip(first.ledger.entries(), again.ledger.entries(), strict=True):
        assert one.evaluation.cpu_s > 0
        assert (other.evaluation.cpu_s, other.evaluation.cached) == (0, len(other.evaluation.points))
        assert other.evaluation.points == one.evaluation.points
        assert (other.outcome, other.verdict.by_clip) == (one.outcome, one.verdict.by_clip)
    assert all(evaluation.cpu_s == 0 for evaluation in again.ledger.held_out().values())
    assert all(check.cpu_s == 0 for checks in again.ledger.checks().values() for check in checks)
    kept = [sorted(path.relative_to(c.folder) for path in c.folder.glob("bitstreams/*/*")) for c in (first, again)]
    assert kept[0] == kept[1]
    fresh = run(tmp_path / "fresh", DEAD_ZONE, cache=False)
    assert fresh.entry(1).evaluation.cpu_s > 0
    for campaign in (first, again, fresh):
        campaign.close()


# --- alerts and the goal ---------------------------------------------------------------------------------------


def test_a_campaign_can_be_told_to_pause_on_every_alert_that_there_is() -> None:
    assert set(alerts.KINDS) <= set(ALERTS)


@pytest.mark.slow
def test_a_campaign_pauses_on_an_alert_and_goes_on_when_called_again(tmp_path: Path) -> None:
    campaign = run(tmp_path / "x", WASTEFUL, DEAD_ZONE, pause_on=["worse than version 0"])
    assert [bool(campaign.pausing(number)) for number in range(3)] == [False, True, False]
    campaign.close()


@pytest.mark.slow
def test_the_distance_to_the_goal_is_told_by_clip(tmp_path: Path) -> None:
    wanted = settings(clips=[CLIP], frames=9, anchors=["x265-medium"], generations=1)
    with Campaign.start(tmp_path / "x", wanted, Scripted(DEAD_ZONE)) as campaign:
        for number in range(2):
            campaign.generation(number)
        first, second = (campaign.distances(campaign.entry(number)) for number in range(2))
        assert [found.clip for found in first] == ["shapes"]
        assert first[0].wanted_psnr_db == pytest.approx(0.95 * first[0].anchor_psnr_db)
        assert second[0].rate_ratio < first[0].rate_ratio


@pytest.mark.slow
def test_a_goal_that_no_encoder_reaches_is_refused_with_both_sides(tmp_path: Path) -> None:
    wanted = settings(clips=[CLIP], frames=FRAMES, anchors=["x265-medium"], goal={"mbps": 0.001})
    with (
        Campaign.start(tmp_path / "x", wanted, Scripted()) as campaign,
        pytest.raises(SettingsError, match=r"\[goal\] asks for 0.001 Mbps .* x265-medium has .* raise mbps"),
    ):
        campaign.generation(0)
    with pytest.raises(SettingsError, match="held against x265-medium, and anchors are none"):
        settings(anchors=[], goal={"mbps": 2.0})


def test_an_unknown_alert_to_pause_on_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown alert 'stagnaton'; did you mean 'stagnation'"):
        settings(pause_on=["stagnaton"])


def test_the_start_that_fails_is_still_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1\n")
    with (
        Campaign.start(tmp_path / "x", settings(start=str(bad), anchors=[]), Scripted()) as campaign,
        pytest.raises(CampaignError, match="the starting program failed"),
    ):
        campaign.generation(0)


@pytest.mark.slow
def test_the_command_leaves_with_4_on_an_alert_and_the_same_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, source in enumerate((WASTEFUL, DEAD_ZONE), 1):
        (tmp_path / f"{number}.py").write_text(source)
    args = ["evolve", "--runs", str(tmp_path / "runs"), "--name", "x", "--clips", CLIP, "--frames", "2", "--held-out",
            "none", "--anchors", "none", "--generations", "2", "--candidates", "1", "--proposer", f"replay:{tmp_path}",
            "--pause-on", "worse than version 0"]  # fmt: skip
    with pytest.raises(SystemExit) as paused:
        main(args)
    err = " ".join(capsys.readouterr().err.split())
    assert paused.value.code == 4
    assert "paused after generation 1: worse than version 0: " in err
    assert "the same command goes on from here" in err
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 0
    with Campaign.open(tmp_path / "runs" / "x") as campaign:
        assert [entry.outcome for entry in campaign.ledger.entries()] == ["adopted", "rejected", "adopted"]


@pytest.mark.slow
@pytest.mark.skipif(vmaf.find() is None, reason=vmaf.MISSING)
def test_vmaf_stands_in_the_ledger_and_the_report_and_decides_nothing(tmp_path: Path) -> None:
    wanted = settings(frames=9, anchors=["x265-medium"], generations=1, vmaf=True, cache=True)
    with Campaign.start(tmp_path / "x", wanted, Scripted(DEAD_ZONE)) as campaign:
        for number in range(2):
            campaign.generation(number)
        known = campaign.ledger.vmaf()
        assert set(known) == {0, 1, "x265-medium"}
        assert all(0 < value <= 100 for values in known.values() for value in values.values())
        assert known[1]["shapes", 22] > known[1]["shapes", 37]
        assert "VMAF" in str(show_metrics(campaign).html)
