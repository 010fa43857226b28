"""Every fault of a server or its model in a campaign: it goes on, or stops and resumes; nothing is paid twice."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from claude_books import _only_our_key
from claude_faults import PASSING, STAYING
from claude_replies import Answer, Held, Reply, Status
from claude_server import ClaudeServer, closed_port
from claude_story import BOTH, ENDLESS, IDEAS, REFUSAL, WRONG_NAMES, Story, code, cut, plan
from programs import DEAD_ZONE, INTRA, PACKED, RAISES, REFUSED
from test_claude import SMALL, asking, run, table, verdicts

from labkit.campaign import Campaign
from labkit.errors import ProposerStop
from labkit.propose.exchange import Exchange
from labkit.settings import make_settings

pytestmark = pytest.mark.usefixtures("_only_our_key")
__all__ = ["_only_our_key"]

EVERYDAY = {"429 with retry-after", "reset", "HTML", "401", "spend limit"}
"""The others are as quick; together they are not."""

CUT_TOKEN_USD = 20 / 1e6 / 4
"""Of an answer that broke off, three bytes are taken for a token where the test's server counts four."""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with its version 0 and nothing more, to be copied."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    run(folder, SMALL | {"proposer": "recombine", "generations": 0}).close()
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "run", symlinks=True))


def quick(server: ClaudeServer, **changes: Any) -> dict[str, Any]:
    return asking(server, claude={"timeout_s": 0.5} | changes.pop("claude", {}), **({"generations": 1} | changes))


def check_money(campaign: Campaign, server: ClaudeServer) -> None:
    """Hold each request that the server bills against its line in the ledger."""
    bills = {logged.request_id: float(logged.usd) for logged in server.log if logged.usd}
    paid = {exchange.request_id: exchange for exchange in campaign.ledger.exchanges() if exchange.usd}
    assert set(paid) == set(bills)
    for name, exchange in paid.items():
        over = cost(exchange) - bills[name]
        assert -1e-9 <= over <= (CUT_TOKEN_USD * (exchange.usage.output_tokens + 4) if exchange.estimated else 1e-9)


def cost(exchange: Exchange) -> float:
    assert exchange.usd is not None
    return exchange.usd


def purposes(campaign: Campaign, generation: int = 1) -> list[str]:
    return [exchange.purpose for exchange in campaign.ledger.exchanges(generation)]


def said(folder: Path) -> str:
    return "\n".join(json.loads((folder / "progress.json").read_text())["said"])


def faults(table: dict[str, tuple[Reply, str]]) -> list[Any]:
    slow = pytest.mark.slow
    return [pytest.param(*row, id=name, marks=() if name in EVERYDAY else slow) for name, row in table.items()]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "words"), faults(PASSING))
def test_a_fault_that_passes_is_told_and_the_campaign_goes_on(folder: Path, fault: Reply, words: str) -> None:
    story = {1: (plan(IDEAS[0]), fault, code(DEAD_ZONE))}
    with ClaudeServer(Story(story)) as server, closing(run(folder, quick(server))) as campaign:
        assert [row[:2] for row in table(campaign)] == [(0, "adopted"), (1, "adopted")]
        assert words in said(folder)
        assert len(server.asked) == 3
        check_money(campaign, server)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["529", "reset", "error event", "HTML", "time-out"])
def test_a_fault_that_does_not_pass_in_time_stops_and_goes_on_when_called_again(folder: Path, name: str) -> None:
    fault, words = PASSING[name]
    story = {1: (fault, fault, plan(IDEAS[0]), code(DEAD_ZONE))}
    with ClaudeServer(Story(story)) as server:
        with pytest.raises(ProposerStop) as caught:
            run(folder, quick(server, claude={"timeout_s": 0.5, "attempts": 2}))
        check_line(caught.value, words, "gave up after 2 attempts, call again later")
        with closing(run(folder, quick(server))) as campaign:
            assert table(campaign)[1][:2] == (1, "adopted")
            check_money(campaign, server)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "words"), faults(STAYING))
def test_a_fault_that_stays_stops_with_one_line_and_goes_on_when_called_again(
    folder: Path, fault: Reply, words: str
) -> None:
    story = {1: (plan(IDEAS[0]), code(REFUSED), fault, code(DEAD_ZONE))}
    with ClaudeServer(Story(story)) as server:
        with pytest.raises(ProposerStop) as caught:
            run(folder, quick(server))
        check_line(caught.value, words)
        with Campaign.open(folder) as stopped:
            assert (stopped.next_number, len(stopped.ledger.entries())) == (1, 1)
            check_money(stopped, server)
        with closing(run(folder, quick(server))) as campaign:
            assert table(campaign)[1][:2] == (1, "adopted")
            assert len(server.asked) == 4
            assert [e.purpose for e in campaign.ledger.exchanges() if e.answered] == ["plan", "code", "repair"]
            check_money(campaign, server)


def test_a_dead_server_burns_nothing_and_is_asked_when_it_is_back(folder: Path) -> None:
    with ClaudeServer(Story({1: (plan(IDEAS[0]), code(DEAD_ZONE))})) as server:
        with pytest.raises(ProposerStop) as caught:
            run(folder, quick(server, claude={"base_url": closed_port()}))
        check_line(caught.value, "nobody answers at", "nothing was spent: start the server or correct base_url")
        with Campaign.open(folder) as stopped:
            assert [*stopped.ledger.generations()] == [0]
        with closing(run(folder, quick(server))) as campaign:
            assert [row[:2] for row in table(campaign)] == [(0, "adopted"), (1, "adopted")]
            check_money(campaign, server)
            assert len(server.log) == 2, "to look whether somebody is there is no request"
    Campaign.start(folder, make_settings(quick(server), "test")).close()  # all is asked: nobody need be there


def check_line(error: ProposerStop, *words: str) -> None:
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)


# --- what a model may do -----------------------------------------------------------------------------------

THOUGHT = Answer(f"<codec>\n{DEAD_ZONE}</codec>\n", thinking=f"Perhaps so:\n<codec>\n{RAISES}</codec>\nor not.")
UNKNOWN = replace(code(DEAD_ZONE), stop_reason="eos")
TWICE_CUT = (plan(IDEAS[0]), cut(DEAD_ZONE), cut(DEAD_ZONE), code(DEAD_ZONE))

MODELS: dict[str, tuple[tuple[Reply, ...], str, str]] = {
    "a thinking block first": ((plan(IDEAS[0]), THOUGHT), "adopted", ""),
    "an endless loop": ((plan(IDEAS[0]), code(ENDLESS), code(DEAD_ZONE)), "adopted", "timed out"),
    "wrong function names": ((plan(IDEAS[0]), *[code(WRONG_NAMES)] * 3), "failed", "compress_video_frame"),
    "a forbidden import": ((plan(IDEAS[0]), *[code(REFUSED)] * 3), "failed", "refused (check, line 1)"),
    "the same program again": ((plan(IDEAS[0]), *[code(INTRA)] * 3), "", "the very program of experiment #0"),
    "a refusal": ((plan(IDEAS[0]), REFUSAL, code(DEAD_ZONE)), "adopted", ""),
    "a refusal twice": ((plan(IDEAS[0]), REFUSAL, REFUSAL), "", "refused to answer"),
    "a refused plan": ((REFUSAL, REFUSAL), "", "plan: the model refused to answer"),
    "a cut answer twice": (TWICE_CUT, "adopted", ""),
    "a cut answer thrice": ((plan(IDEAS[0]), *[cut(DEAD_ZONE)] * 3), "", "cut at 128,000 tokens"),
    "an end that nobody knows": ((plan(IDEAS[0]), *[UNKNOWN] * 3), "", "nobody knows to be whole (stop_reason 'eos')"),
    "a pause": ((plan(IDEAS[0]), Answer("wait", stop_reason="pause_turn"), code(DEAD_ZONE)), "adopted", ""),
    "empty content": ((plan(IDEAS[0]), *[Answer("", thinking="")] * 3), "", "the answer is empty"),
    "an empty plan": ((Answer("", thinking=""),) * 2, "", "no plan that could be used: the answer is empty"),
    "the same plan twice": ((plan(IDEAS[0], IDEAS[0]), code(DEAD_ZONE)), "adopted", ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_whatever_a_model_does_the_next_generation_comes(folder: Path, name: str) -> None:
    replies, outcome, words = MODELS[name]
    story = {1: replies, 2: (plan(IDEAS[1]), code(BOTH))}
    with ClaudeServer(Story(story)) as server:
        with closing(run(folder, quick(server, generations=2))) as campaign:
            first = [row[1] for row in table(campaign) if row[0] == 1]
            assert first == ([outcome] if outcome else [])
            assert table(campaign)[-1][:2] == (2, "adopted")
            reasons = [str(entry.evaluation.failure) for entry in campaign.ledger.entries(1) if entry.evaluation]
            alerts = [row.text for row in campaign.ledger.alerts()]
            asked = [json.dumps(exchange.request["messages"][-1]) for exchange in campaign.ledger.exchanges(1)]
            assert words in "\n".join(reasons + alerts + asked)
            assert len(server.asked) == len(replies) + 2 == len(campaign.ledger.exchanges())
            check_money(campaign, server)
        run(folder, quick(server, generations=2)).close()
        assert len(server.asked) == len(replies) + 2, "a generation without a candidate was asked for again"


# --- a batch whose answers were being booked ---------------------------------------------------------------


@pytest.mark.slow
def test_a_kill_between_two_answers_of_a_batch_sends_nothing_again(folder: Path, tmp_path: Path) -> None:
    killed = Path(shutil.copytree(folder, tmp_path / "killed", symlinks=True))
    story = {1: (plan(IDEAS[0], IDEAS[1]), code(DEAD_ZONE), code(PACKED))}
    with ClaudeServer(Story(story)) as server:
        values = quick(server, candidates=2, batch=True)
        with closing(run(folder, values)) as campaign:
            first, second, third = campaign.ledger.exchanges()
            whole = verdicts(campaign)
        with Campaign.start(killed, make_settings(values, "test")) as left:  # what a kill leaves: the third is missing
            left.ledger.begin_generation(1, 0, str(left.wall))
            for exchange in (first, second):
                left.ledger.record_exchange(exchange)
            for row in batches(folder):
                left.ledger.record_batch(*row)
        with closing(run(killed, values)) as resumed:
            assert len(server.batches) == 2
            assert resumed.ledger.exchanges() == [first, second, third]
            assert verdicts(resumed) == whole


def batches(folder: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as raw:
        return list(raw.execute("SELECT key, id FROM batches ORDER BY number"))


ASK = """
import json, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_claude import run
run(Path(sys.argv[1]), json.loads(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_kill_between_sending_a_batch_and_its_id_pays_once(folder: Path) -> None:
    """The server has taken the batch and holds its answer back until whoever sent it is dead."""
    with ClaudeServer(Story({1: (plan(IDEAS[0]), code(DEAD_ZONE))})) as server:
        values, held = quick(server, batch=True, claude={"timeout_s": 100}), Held()
        server.batch_faults = [held]
        program = ASK.format(tests=str(Path(__file__).parent))
        with subprocess.Popen([sys.executable, "-c", program, str(folder), json.dumps(values)]) as process:
            taken = held.taken.wait(100)
            process.kill()
        assert taken
        held.let_go.set()
        assert [row[0] for row in batches(folder)] == ["1/0/plan/0/intent"]
        with closing(run(folder, values)) as campaign:
            assert [row[:2] for row in table(campaign)] == [(0, "adopted"), (1, "adopted")]
            assert purposes(campaign) == ["plan", "code"]
            assert [len(logged.body["requests"]) for logged in server.log if "requests" in logged.body] == [1, 1]
            assert campaign.ledger.cost_usd() == pytest.approx(float(server.billed_usd), abs=1e-9)


# --- recordings of campaigns that were broken off ----------------------------------------------------------


def recorded(folder: Path) -> list[str]:
    lines = (folder / "exchanges.jsonl").read_text().splitlines()
    return [f"{line['generation']} {line['purpose']}" for line in map(json.loads, lines)]


@pytest.mark.slow
def test_a_resumed_recording_misses_nothing(folder: Path, tmp_path: Path) -> None:
    """Neither what was asked before it was told to record, nor what a kill kept from being written down."""
    answers = tmp_path / "answers"
    broken: tuple[Reply, ...] = (plan(IDEAS[1]), Status(402, "billing_error"), code(BOTH))
    with ClaudeServer(Story({1: (plan(IDEAS[0]), code(DEAD_ZONE)), 2: broken})) as server:
        run(folder, quick(server)).close()
        with pytest.raises(ProposerStop, match="no credit"):
            run(folder, quick(server, generations=2, record=str(answers)))
        assert recorded(answers) == ["1 plan", "1 code", "2 plan"]
        lines = (answers / "exchanges.jsonl").read_bytes().splitlines(keepends=True)
        (answers / "exchanges.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:100])  # killed while writing it
        with closing(run(folder, quick(server, generations=2, record=str(answers)))) as campaign:
            assert recorded(answers) == ["1 plan", "1 code", "2 plan", "2 code"]
            replay = SMALL | {"generations": 2, "proposer": f"replay:{answers}"}
            with closing(run(tmp_path / "again", replay)) as again:
                assert verdicts(again) == verdicts(campaign)


@pytest.mark.slow
def test_a_resumed_replay_hands_nothing_out_twice(folder: Path, tmp_path: Path) -> None:
    """The second repair is the good one: were the first handed out again, the verdict would be another."""
    answers = tmp_path / "answers"
    again = Path(shutil.copytree(folder, tmp_path / "again", symlinks=True))
    story = {1: (plan(IDEAS[0]), code(REFUSED), code(WRONG_NAMES), code(DEAD_ZONE))}
    with (
        ClaudeServer(Story(story)) as server,
        closing(run(folder, quick(server, record=str(answers)))) as campaign,
    ):
        first = verdicts(campaign)
    file = answers / "exchanges.jsonl"
    whole = file.read_bytes()
    replay = SMALL | {"generations": 1, "proposer": f"replay:{answers}"}
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    with pytest.raises(ProposerStop, match="nothing more is recorded for generation 1, slot 0, 'repair'"):
        run(again, replay)
    file.write_bytes(whole)
    with closing(run(again, replay)) as resumed:
        assert purposes(resumed) == ["plan", "code", "repair", "repair"]
        assert verdicts(resumed) == first
        assert table(resumed)[1][1] == "adopted"
