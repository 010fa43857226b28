"""Settings: what is valid, and one clear line for everything that is not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from labkit.adopt import BdRateRule, ParetoRule, ThresholdRule
from labkit.anchors import ANCHORS
from labkit.container import MAX_QP
from labkit.errors import SettingsError
from labkit.jail import Limits
from labkit.rd import QPS
from labkit.settings import (
    CHANGEABLE,
    ROOT,
    Settings,
    cache_folder,
    load_settings,
    make_settings,
    with_absolute_paths,
)

JARGON = re.compile(r"[Ii]nput|pydantic|tuple|tag|discriminator|dictionar|dataclass|instance of|parse|value_error|\n")


def from_toml(folder: Path, text: str) -> Settings:
    path = folder / "demo.toml"
    path.write_text(text, encoding="utf-8")
    return make_settings(load_settings(path), path.name)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        from_toml(folder, text)
    return str(caught.value)


def test_the_defaults_are_valid_and_survive_the_ledger() -> None:
    settings = make_settings({}, "defaults")
    assert settings == Settings()
    assert settings.qps == QPS
    assert settings.rule == BdRateRule(min_gain_pct=10.0, max_clip_loss_pct=2.0)
    assert settings.limits == Limits()
    assert set(settings.anchors) == set(ANCHORS)
    assert (ROOT / settings.start).is_file()
    assert make_settings(json.loads(json.dumps(settings.model_dump(mode="json"))), "ledger") == settings


def test_a_whole_campaign_file(tmp_path: Path) -> None:
    settings = from_toml(
        tmp_path,
        """
        clips = ["builtin", "clips/föreman.mp4"]
        frames = 9
        qps = [37, 22, 32, 27, 17]
        anchors = ["x265-medium"]
        start = ""
        proposer = "replay:answers"
        seed = -3
        generations = 0
        candidates = 4
        workers = 1
        remote = "git@example.org:codecs.git"
        [rule]
        kind = "bd_rate"
        min_gain_pct = 5
        [limits]
        encode_s = 2
        memory_mib = 512
        """,
    )
    assert settings.clips == ("builtin", "clips/föreman.mp4")
    assert settings.qps == (17, 22, 27, 32, 37)
    assert settings.rule == BdRateRule(min_gain_pct=5.0)
    assert settings.limits == Limits(encode_s=2.0, memory_mib=512)
    assert (settings.frames, settings.seed, settings.generations, settings.parallel) == (9, -3, 0, 1)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('kind = "bd_rate"\nmin_worst_block_db = 0', BdRateRule(min_worst_block_db=0.0)),
        ('kind = "threshold"\nfirst_chance_ratio = 2', ThresholdRule(first_chance_ratio=2.0)),
        ('kind = "pareto"\ntime_margin_pct = 5.5', ParetoRule(time_margin_pct=5.5)),
        ('kind = "bd_rate"\ncharge_source = true', BdRateRule(charge_source=True)),
    ],
)
def test_every_kind_of_rule(tmp_path: Path, text: str, rule: BdRateRule | ThresholdRule | ParetoRule) -> None:
    settings = from_toml(tmp_path, f"[rule]\n{text}")
    assert settings.rule == rule
    assert type(settings.rule) is type(rule)
    assert make_settings(json.loads(settings.model_dump_json()), "ledger") == settings


def test_workers_follow_the_machine_unless_told() -> None:
    assert Settings().parallel >= 1
    assert Settings(workers=7).parallel == 7


# --- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("generatons = 3", "demo.toml: unknown key 'generatons'; did you mean 'generations'?"),
        (
            '[rule]\nkind = "bd_rate"\nmin_gian_pct = 5',
            "demo.toml, [rule]: unknown key 'min_gian_pct'; did you mean 'min_gain_pct'?",
        ),
        ("[limits]\nencod_s = 3", "demo.toml, [limits]: unknown key 'encod_s'; did you mean 'encode_s'?"),
        (
            '[rule]\nkind = "pareto"\nmin_gain_pct = 5',  # a key of another kind of rule is not offered as its own
            "demo.toml, [rule]: unknown key 'min_gain_pct'; did you mean 'time_margin_pct'?",
        ),
        (
            "[limits]\nxyz = 3",
            "demo.toml, [limits]: unknown key 'xyz'; known are " + ", ".join(sorted(vars(Limits()))),
        ),
        ('[rule]\nkind = "bdrate"', "demo.toml, [rule]: unknown kind 'bdrate'; did you mean 'bd_rate'?"),
        ("[rule]\nkind = 3", "demo.toml, [rule]: unknown kind 3; known are bd_rate, pareto, threshold"),
        ("[rule]\nmin_gain_pct = 3", "demo.toml, [rule]: needs a kind: bd_rate, threshold, pareto"),
        ('rule = "bd_rate"', "demo.toml: rule = 'bd_rate': needs a section of its own with keys in it"),
        ("limits = 3", "demo.toml: limits = 3: needs a section of its own with keys in it"),
        ('frames = "17"', "demo.toml: frames = '17': needs a whole number"),
        ("frames = true", "demo.toml: frames = True: needs a whole number"),
        ("frames = -1", "demo.toml: frames = -1: must be at least 0"),
        ("generations = -1", "demo.toml: generations = -1: must be at least 0"),
        ("generations = 1.0", "demo.toml: generations = 1.0: needs a whole number"),
        ("generations = 100001", "demo.toml: generations = 100001: must be at most 100000"),
        ("candidates = 0", "demo.toml: candidates = 0: must be at least 1"),
        ("workers = -1", "demo.toml: workers = -1: must be at least 0"),
        ("seed = 1.5", "demo.toml: seed = 1.5: needs a whole number"),
        ("start = 3", "demo.toml: start = 3: needs a text in quotes"),
        ('clips = "builtin"', "demo.toml: clips = 'builtin': needs a list in [ ]"),
        ("clips = [3]", "demo.toml: clips = 3: needs a text in quotes"),
        ("clips = []", "demo.toml: clips = []: needs at least one clip"),
        (
            "qps = [22, 27, 32]",
            "demo.toml: qps = [22, 27, 32]: needs at least four different QPs for a curve, got [22, 27, 32]",
        ),
        (
            "qps = [22, 27, 32, 32]",
            "demo.toml: qps = [22, 27, 32, 32]: needs at least four different QPs for a curve, got [22, 27, 32, 32]",
        ),
        ("qps = [22, 27, 32, 64]", f"demo.toml: qps = 64: must be at most {MAX_QP}"),
        ("qps = [-1, 27, 32, 37]", "demo.toml: qps = -1: must be at least 0"),
        ('qps = [22, 27, 32, "37"]', "demo.toml: qps = '37': needs a whole number"),
        ("qps = 22", "demo.toml: qps = 22: needs a list in [ ]"),
        (
            'anchors = ["x265-medum"]',
            "demo.toml: anchors = ['x265-medum']: unknown anchor 'x265-medum'; did you mean 'x265-medium'?",
        ),
        (
            'anchors = ["vp9", "vp9"]',  # two jobs would encode the same, and record it twice
            "demo.toml: anchors = ['vp9', 'vp9']: names an anchor twice",
        ),
        (
            '[rule]\nkind = "bd_rate"\nmin_gain_pct = "ten"',
            "demo.toml, [rule]: min_gain_pct = 'ten': needs a number",
        ),
        ('[rule]\nkind = "bd_rate"\nmin_gain_pct = nan', "demo.toml, [rule]: min_gain_pct = nan: needs a number"),
        (
            '[rule]\nkind = "pareto"\nrate_margin_pct = true',
            "demo.toml, [rule]: rate_margin_pct = True: needs a number",
        ),
        ('[limits]\nencode_s = "3"', "demo.toml, [limits]: encode_s = '3': needs a number"),
        ("[limits]\ndecode_s = nan", "demo.toml, [limits]: decode_s = nan: needs a number"),
        ("[limits]\ndecode_s = inf", "demo.toml, [limits]: decode_s = inf: needs a number"),
        ('early_stop = "yes"', "demo.toml: early_stop = 'yes': needs true or false"),
        (
            "run_candidates_without_isolation = 1",
            "demo.toml: run_candidates_without_isolation = 1: needs true or false",
        ),
        ('budget_usd = "5"', "demo.toml: budget_usd = '5': needs a number"),
        ("budget_usd = nan", "demo.toml: budget_usd = nan: needs a number"),
        (
            '[rule]\nkind = "bd_rate"\nmin_worst_block_db = 900',
            "demo.toml, [rule]: min_worst_block_db = 900: must be below 100: only a block without any error has more",
        ),
        ("[limits]\nrun_s = -1", "demo.toml, [limits]: run_s = -1.0: must be above 0"),
        ("[limits]\nmemory_mib = 0", "demo.toml, [limits]: memory_mib = 0: must be above 0"),
        (
            '[rule]\nkind = "bd_rate"\ncharge_source = 1',
            "demo.toml, [rule]: charge_source = 1: needs true or false",
        ),
        (
            '[rule]\nkind = "pareto"\nmax_complexity = 2.5',
            "demo.toml, [rule]: max_complexity = 2.5: needs a whole number",
        ),
        (
            '[rule]\nkind = "threshold"\nmax_peak_mib = -1',
            "demo.toml, [rule]: max_peak_mib = -1: must be at least 0: 0 is no limit",
        ),
        ("[limits]\nmemory_mib = 1.5", "demo.toml, [limits]: memory_mib = 1.5: needs a whole number"),
        (
            "frames = -1\nseed = true",
            "demo.toml: frames = -1: must be at least 0; demo.toml: seed = True: needs a whole number",
        ),
    ],
)
def test_a_refusal_is_one_line_with_file_section_key_and_what_to_do(tmp_path: Path, text: str, line: str) -> None:
    said = refusal(tmp_path, text)
    assert said == line
    assert not JARGON.search(said)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        (
            'kind = "bd_rate"\nmin_gain_pct = -5\nmax_clip_loss_pct = -10',
            (
                "min_gain_pct = -5 is content with +5 % rate on average, but max_clip_loss_pct = -10 asks for -10 % "
                "on every clip: the latter must be at least 5"
            ),
        ),
        (
            'kind = "bd_rate"\nmax_held_out_loss_pct = -20',
            (
                "min_gain_pct = 10 is content with -10 % rate on average, but max_held_out_loss_pct = -20 asks for "
                "-20 % on held-out clips: the latter must be at least -10"
            ),
        ),
        (
            'kind = "bd_rate"\nmin_gain_pct = 100',
            "min_gain_pct = 100: must be below 100, no codec saves all of its bits",
        ),
        (
            'kind = "threshold"\nfirst_rate_ratio = 2',
            (
                "first_rate_ratio = 2 welcomes a first version that first_chance_ratio = 1.5 turns away: "
                "the former must be at most the latter"
            ),
        ),
        (
            'kind = "threshold"\nmax_rate_ratio = 0',
            "max_rate_ratio = 0: must be above 0: it is a ratio of sizes",
        ),
        (
            'kind = "pareto"\nrate_margin_pct = -1',
            "rate_margin_pct = -1: must be at least 0: better and worse would be one",
        ),
        (
            'kind = "pareto"\nrate_margin_pct = 100\ntime_margin_pct = 120',
            (
                "rate_margin_pct = 100 and time_margin_pct = 120: nothing gets better by 100 %, "
                "so nothing could ever be adopted; one must be below 100"
            ),
        ),
        (
            'kind = "pareto"\nmax_held_out_loss_pct = -100',
            "max_held_out_loss_pct = -100: must be above -100: no codec saves all of its bits",
        ),
        (
            'kind = "pareto"\ncharge_source = true\nmax_source_bytes = 9000',
            (
                "charge_source = true with free_source_bytes = 20000 never charges anything: "
                "max_source_bytes = 9000 allows no longer source; raise the latter"
            ),
        ),
    ],
)
def test_a_rule_that_contradicts_itself_names_both_sides(tmp_path: Path, text: str, sides: str) -> None:
    said = refusal(tmp_path, f"[rule]\n{text}")
    assert said == f"demo.toml, [rule]: {sides}"
    assert not JARGON.search(said)


@pytest.mark.parametrize(
    "text", ["[rule.kind]\nx = 1", "[rule]\nkind = []", "[[limits]]\nencode_s = 1", "[clips]\nx = 1"]
)
def test_odd_tables_are_told_in_one_line_too(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, text)
    assert said.startswith("demo.toml")
    assert not JARGON.search(said)


@pytest.mark.parametrize("change", [{"anchors": ["x264-medium"]}, {"anchors": []}, {"qps": [20, 25, 30, 35]}])
def test_the_threshold_rule_needs_its_reference(change: dict[str, Any]) -> None:
    # without it every candidate of the campaign would be rejected for want of a floor
    assert make_settings(change, "x").rule == BdRateRule()
    with pytest.raises(SettingsError, match="x265-medium at the same QPs: it needs that anchor and QPs out of 17, 22"):
        make_settings({**change, "rule": {"kind": "threshold"}}, "demo.toml")


def test_a_toml_error_tells_the_place(tmp_path: Path) -> None:
    assert refusal(tmp_path, "frames = 3\nqps = [22, 27\n").startswith(f"{tmp_path / 'demo.toml'}: not TOML: ")
    assert "line 2, column 9" in refusal(tmp_path, "frames = 3\nseed =  \n")
    assert "line 2" in refusal(tmp_path, "seed = 3\nseed = 4\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.toml: No such file or directory; name a campaign file in TOML"):
        load_settings(tmp_path / "nothing.toml")
    with pytest.raises(SettingsError, match="Is a directory"):
        load_settings(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'start = "\xfc"')
    with pytest.raises(SettingsError, match=r"latin\.toml: not TOML: .*position 9"):
        load_settings(tmp_path / "latin.toml")


# --- resuming ----------------------------------------------------------------------------------------


def test_a_difference_names_both_sides() -> None:
    ours, theirs = Settings(seed=1, limits=Limits(encode_s=3.0)), Settings(seed=2)
    limits, seed = sorted(ours.differences(theirs))
    assert seed == "seed: 1 now, 2 there"
    assert re.fullmatch(r"limits: .*'encode_s': 3\.0.* now, .*'encode_s': 1\.0.* there", limits)
    assert ours.differences(ours) == []


def test_relative_paths_mean_the_same_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = {"clips": ["a.mp4", "builtin:shapes"], "proposer": "replay:mine", "start": "", "seed": 1}
    assert with_absolute_paths(asked) == {
        "clips": [str(tmp_path / "a.mp4"), "builtin:shapes"],
        "proposer": f"replay:{tmp_path / 'mine'}",
        "start": "",
        "seed": 1,
    }
    assert with_absolute_paths({}) == {}


def test_what_may_change_is_no_difference() -> None:
    other: dict[str, Any] = {
        "generations": 50,
        "candidates": 7,
        "proposer": "manual:mine.py",
        "claude": {"model": "claude-sonnet-5-5"},
        "budget_usd": 2.5,
        "batch": True,
        "record": "/somewhere/answers",
        "workers": 3,
        "remote": "/somewhere.git",
        "min_isolation": "sealed",
        "cache": False,
        "pause_on": ["stagnation"],
        "stagnation": 3,
        "vmaf": True,
    }
    assert set(other) == set(CHANGEABLE)
    assert Settings(**other).differences(Settings()) == []


@pytest.mark.parametrize("change", [
    {"clips": ["x.mp4"]}, {"frames": 0}, {"qps": [17, 22, 27, 32]}, {"anchors": ["vp9"]}, {"start": ""}, {"seed": 1},
    {"rule": {"kind": "pareto"}},
    {"rule": {"kind": "bd_rate", "min_gain_pct": 9}},
])  # fmt: skip
def test_what_decides_the_numbers_is_a_difference(change: dict[str, Any]) -> None:
    (key,) = change
    (told,) = make_settings(change, "x").differences(Settings())
    assert told.startswith(f"{key}: ")


def test_the_cache_lies_where_labkit_home_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("LABKIT_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "labkit"
