"""Claude as a proposer, in whole campaigns, against a server that speaks the Messages API."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from claude_books import _only_our_key
from claude_replies import Answer, Expired, Reply, Status
from claude_server import KEY, ClaudeServer
from claude_story import IDEAS, STORY, Story, code, plan
from programs import DEAD_ZONE, WASTEFUL, silent

from labkit.campaign import Campaign
from labkit.errors import ProposerStop
from labkit.settings import make_settings

pytestmark = pytest.mark.usefixtures("_only_our_key")
__all__ = ["_only_our_key"]

SMALL: dict[str, Any] = {
    "clips": ["builtin:shapes"], "held_out": ["none"], "robustness": "off", "frames": 3, "anchors": [],
    "candidates": 1, "proposer": "claude",
    "limits": {"encode_s": 0.3, "run_s": 1.0},
}  # fmt: skip


def asking(server: ClaudeServer, **changes: Any) -> dict[str, Any]:
    claude = {"base_url": server.url, "timeout_s": 5.0, "retry_first_s": 0.01, "retry_max_s": 0.05, "attempts": 3,
              "batch_poll_s": 0.02, **changes.pop("claude", {})}  # fmt: skip
    return SMALL | {"claude": claude} | changes


def run(folder: Path, values: dict[str, Any]) -> Campaign:
    """Run a campaign to its end, or as far as it goes; whoever calls closes it."""
    campaign = Campaign.start(folder, make_settings(values, "test"))
    try:
        for number in range(campaign.next_number, campaign.settings.generations + 1):
            campaign.generation(number)
    except BaseException:
        campaign.close()
        raise
    return campaign


def table(campaign: Campaign) -> list[tuple[int, str, str]]:
    return [(e.generation, e.outcome, e.candidate.hypothesis.partition(".")[0]) for e in campaign.ledger.entries()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Campaign, ClaudeServer]]:
    """Eight generations with good, bad, cut, repeated and cheating codecs."""
    with pytest.MonkeyPatch.context() as patch, ClaudeServer(Story()) as server:
        patch.setenv("ANTHROPIC_API_KEY", KEY)
        folder = tmp_path_factory.mktemp("claude")
        campaign = run(folder / "story", asking(server, generations=8, budget_usd=5, record=str(folder / "answers")))
        with closing(campaign):
            yield campaign, server


@pytest.mark.slow
def test_a_story_of_eight_generations_ends_as_it_must(told: tuple[Campaign, ClaudeServer]) -> None:
    campaign, _ = told
    assert table(campaign)[0][:2] == (0, "adopted")
    assert [row[:2] for row in table(campaign)[1:]] == [
        (1, "adopted"), (2, "adopted"), (4, "rejected"), (5, "failed"), (6, "rejected"), (7, "rejected"),
    ]  # fmt: skip
    alerts = {(row.generation, row.kind): row.text for row in campaign.ledger.alerts()}
    assert "the very program of experiment #1" in alerts[(3, "nothing proposed")]
    assert "refused to answer" in alerts[(8, "nothing proposed")]


@pytest.mark.slow
def test_what_was_sent_and_received_is_kept_and_the_money_agrees(told: tuple[Campaign, ClaudeServer]) -> None:
    campaign, server = told
    exchanges = campaign.ledger.exchanges()
    assert len(exchanges) == len(server.asked)
    assert campaign.ledger.cost_usd() == pytest.approx(float(server.billed_usd), abs=1e-9)
    purposes = [[e.purpose for e in exchanges if e.generation == number] for number in range(1, 9)]
    assert purposes == [
        ["plan", "code"], ["plan", "code", "code"], ["plan", "code", "repair", "repair"], ["plan", "code", "repair"],
        ["plan", "code", "repair", "repair"], ["plan", "code", "repair"], ["plan", "plan", "code"],
        ["plan", "code", "code"],
    ]  # fmt: skip


@pytest.mark.slow
def test_the_second_generation_reads_the_frozen_part_from_the_cache(told: tuple[Campaign, ClaudeServer]) -> None:
    campaign, _ = told
    for purpose in ("plan", "code"):
        first, second = (next(e for e in campaign.ledger.exchanges(n) if e.purpose == purpose) for n in (1, 2))
        assert first.usage.cache_write_1h_tokens > 5000
        assert second.usage.cache_read_tokens >= first.usage.cache_write_1h_tokens


@pytest.mark.slow
def test_a_cut_answer_is_asked_for_with_more_room_and_never_run(told: tuple[Campaign, ClaudeServer]) -> None:
    campaign, _ = told
    _, first, second = campaign.ledger.exchanges(2)
    assert first.stop_reason == "max_tokens"
    assert second.request["max_tokens"] == 2 * first.request["max_tokens"]


@pytest.mark.slow
def test_repairs_get_the_exact_words(told: tuple[Campaign, ClaudeServer]) -> None:
    campaign, _ = told

    def said(generation: int, index: int) -> str:
        return json.dumps(campaign.ledger.exchanges(generation)[index].request["messages"][-1], ensure_ascii=False)

    assert "the very program of experiment #1" in said(3, 2)
    assert "refused (check, line 1): " in said(4, 2)
    assert "compress_video_frame" in said(5, 2)
    assert "blocks" in said(5, 3)
    assert "timed out" in said(6, 2)
    assert "repeats experiment #1" in said(7, 1)


@pytest.mark.slow
def test_the_key_is_nowhere(told: tuple[Campaign, ClaudeServer]) -> None:
    campaign, _ = told
    parent = campaign.folder.parent
    files = [path for path in parent.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
    # positive control: what is looked for would be found
    assert any(IDEAS[0].encode()[:20] in path.read_bytes() for path in files)


@pytest.mark.slow
def test_a_recording_gives_the_same_verdicts_again(told: tuple[Campaign, ClaudeServer], tmp_path: Path) -> None:
    campaign, server = told
    before = len(server.log)
    replay = f"replay:{campaign.folder.parent / 'answers'}"
    with closing(run(tmp_path / "again", SMALL | {"generations": 8, "proposer": replay})) as again:
        assert len(server.log) == before
        assert verdicts(again) == verdicts(campaign)
        assert again.ledger.cost_usd() == 0


def verdicts(campaign: Campaign) -> list[bytes]:
    with closing(sqlite3.connect(campaign.folder / "ledger.sqlite")) as raw:
        query = "SELECT proposal, decision, version, bd_rate_pct, by_clip, reasons FROM verdicts ORDER BY proposal"
        return [repr(row).encode() for row in raw.execute(query)]


def outcome(campaign: Campaign) -> tuple[list[bytes], list[tuple[int, str, str]]]:
    return verdicts(campaign), [(row.generation, row.kind, row.text) for row in campaign.ledger.alerts()]


# --- stops and resumption --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_campaign_that_stops_goes_on_with_nothing_paid_twice(tmp_path: Path) -> None:
    broken: tuple[Reply, ...] = (
        plan(IDEAS[0]),
        code("import os\n" + DEAD_ZONE),
        Status(402, "billing_error"),
        code(DEAD_ZONE),
    )
    with ClaudeServer(Story({1: broken})) as server:
        with pytest.raises(ProposerStop, match="no credit"):
            run(tmp_path / "run", asking(server, generations=1))
        with Campaign.open(tmp_path / "run") as stopped:
            assert [e.generation for e in stopped.ledger.entries()] == [0]
            assert 1 not in stopped.ledger.ended()
        with closing(run(tmp_path / "run", asking(server, generations=1))) as campaign:
            assert table(campaign)[1][:2] == (1, "adopted")
            assert campaign.ledger.cost_usd() == pytest.approx(float(server.billed_usd), abs=1e-9)
            assert [e.purpose for e in campaign.ledger.exchanges()] == ["plan", "code", "repair"]


@pytest.mark.parametrize("batch", [False, True])
def test_a_dead_server_stops_a_campaign_before_it_begins(tmp_path: Path, batch: bool) -> None:
    with ClaudeServer() as server:
        values = asking(server, generations=2, batch=batch, record=str(tmp_path / "answers"))
    with pytest.raises(ProposerStop, match=r"nobody answers at .*nothing was spent: start the server"):
        run(tmp_path / "run", values)
    assert not (tmp_path / "run").exists()


def test_without_a_key_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with ClaudeServer() as server, pytest.raises(ProposerStop, match=r"export ANTHROPIC_API_KEY.*recombine needs none"):
        run(tmp_path / "run", asking(server))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_budget_holds_and_an_unknown_price_refuses(tmp_path: Path) -> None:
    with ClaudeServer(Story()) as server:
        with pytest.raises(ProposerStop, match=r"budget: 0\.000 of 0\.010 USD are spent"):
            run(tmp_path / "small", asking(server, budget_usd=0.01, generations=1))
        with pytest.raises(ProposerStop, match="the price of 'llama' is unknown"):
            run(tmp_path / "unknown", asking(server, budget_usd=1, claude={"model": "llama"}))
        assert server.log == []


@pytest.mark.slow
def test_a_plan_that_ignores_the_schema_is_read_all_the_same(tmp_path: Path) -> None:
    prose = f"Well, I would do this:\n```json\n{plan(IDEAS[0]).text}\n```\nGood luck!"
    with (
        ClaudeServer(Story({1: (Answer(prose), code(DEAD_ZONE))})) as server,
        closing(run(tmp_path / "run", asking(server, generations=1))) as campaign,
    ):
        assert table(campaign)[1][:2] == (1, "adopted")


@pytest.mark.slow
def test_answers_without_plan_or_code_leave_the_slot_empty_and_say_why(tmp_path: Path) -> None:
    story: dict[int, Any] = {
        1: (Answer("no idea"), Answer("")),
        2: (plan(IDEAS[1]), Answer(""), Answer("sorry"), Answer("```python\nx = 1\n```\n```python\ny = 2\n```")),
        3: (plan(IDEAS[2]), code(DEAD_ZONE)),
    }
    with ClaudeServer(Story(story)) as server, closing(run(tmp_path / "r", asking(server, generations=3))) as campaign:
        assert [row[:2] for row in table(campaign)[1:]] == [(3, "adopted")]
        assert [row.generation for row in campaign.ledger.alerts()] == [1, 2]


@pytest.mark.slow
def test_two_slots_share_one_plan(tmp_path: Path) -> None:
    story: dict[int, Any] = {1: (plan(IDEAS[0], IDEAS[1]), code(DEAD_ZONE), code(WASTEFUL))}
    with (
        ClaudeServer(Story(story)) as server,
        closing(run(tmp_path / "run", asking(server, generations=1, candidates=2))) as campaign,
    ):
        assert [row[1] for row in table(campaign)[1:]] == ["adopted", "rejected"]
        assert [(e.purpose, e.slot) for e in campaign.ledger.exchanges()] == [("plan", 0), ("code", 0), ("code", 1)]


@pytest.mark.slow
def test_a_batch_costs_half(tmp_path: Path) -> None:
    story: dict[int, Any] = {1: (plan(IDEAS[0], IDEAS[1]), code(DEAD_ZONE), code(WASTEFUL))}
    with (
        ClaudeServer(Story(story)) as server,
        closing(run(tmp_path / "run", asking(server, generations=1, candidates=2, batch=True))) as campaign,
    ):
        assert [row[1] for row in table(campaign)[1:]] == ["adopted", "rejected"]
        assert campaign.ledger.cost_usd() == pytest.approx(float(server.billed_usd), abs=1e-9)
        assert server.asked == []
        assert len(server.batches) == 2


@pytest.mark.slow
def test_questions_of_a_batch_without_an_answer_are_replayed_as_they_were(tmp_path: Path) -> None:
    """One slot is asked for once more, one in vain: a replay that left either out would want what nobody recorded."""
    failed = Status(500)
    story: dict[int, Any] = {
        1: (failed, plan(IDEAS[0], IDEAS[1]), failed, failed, code(DEAD_ZONE), Expired(), failed),
        2: (plan(IDEAS[2]), code(WASTEFUL)),
    }
    with ClaudeServer(Story(story)) as server:
        values = asking(server, generations=2, candidates=2, batch=True, record=str(tmp_path / "answers"))
        with closing(run(tmp_path / "run", values)) as campaign:
            told = outcome(campaign)
            assert [row[:2] for row in table(campaign)[1:]] == [(1, "adopted"), (2, "rejected")]
            assert any("no answer in the batch: errored api_error" in text for *_, text in told[1])
            assert campaign.ledger.cost_usd() == pytest.approx(float(server.billed_usd), abs=1e-9)
        replay = SMALL | {"generations": 2, "candidates": 2, "proposer": f"replay:{tmp_path / 'answers'}"}
        with closing(run(tmp_path / "again", replay)) as again:
            assert outcome(again) == told


@pytest.mark.slow
def test_lessons_are_rewritten_and_reach_the_next_brief_and_campaign(tmp_path: Path) -> None:
    story: dict[int, Any] = {number: STORY[number] for number in (1, 2)}
    with ClaudeServer(Story(story)) as server:
        values = asking(server, generations=2, claude={"lessons_every": 2})
        with closing(run(tmp_path / "run", values)) as campaign:
            (row,) = campaign.ledger.lessons()
            assert row.lessons[0] == "A dead zone in luma pays at every QP."
            assert campaign.brief(3).lessons == tuple(row.lessons)
            assert campaign.ledger.cost_usd() == pytest.approx(float(server.billed_usd), abs=1e-9)
            inherited = (campaign.folder.name, row.lessons)
        with Campaign.start(tmp_path / "next", make_settings(values, "test"), inherited=inherited) as following:
            assert following.brief(1).lessons == tuple(row.lessons)


@pytest.mark.slow
def test_where_the_bits_go_reaches_the_brief(tmp_path: Path) -> None:
    report = (
        '    config["report"]["luma"] = config["report"].get("luma", 0) + 300\n    config["report"]["chroma"] = 100\n'
    )
    lines = silent().split("\n")
    place = next(i for i, line in enumerate(lines) if line.startswith("def compress_video_frame"))
    end = next(i for i in range(place + 1, len(lines)) if lines[i].strip().endswith('"""')) + 1
    source = tmp_path / "told.py"
    source.write_text("\n".join([*lines[:end], report.rstrip("\n"), *lines[end:]]))
    values = SMALL | {"proposer": "recombine", "start": str(source), "generations": 0}
    with closing(run(tmp_path / "run", values)) as campaign:
        (bits,) = campaign.brief(1).bits.values()
        told = campaign.brief(1).points
        assert bits["chroma"] == pytest.approx(fmean(100 / point.bytes for point in told))
        assert bits["luma"] == pytest.approx(9 * bits["chroma"])
        assert bits["container (measured)"] == pytest.approx(fmean(1 - sum(p.frame_bytes) / p.bytes for p in told))
        assert sum(bits.values()) == pytest.approx(1)
