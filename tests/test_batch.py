"""Message batches: half the price, every answer at its question, and a restart that waits and sends nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from claude_books import QUICK, Kept, ask_at, question, the_line
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_replies import Expired
from claude_server import KEY, Answer, ClaudeServer, Page, Reply, Status, closed_port

from labkit.errors import ProposerStop
from labkit.propose.batch_once import name_of, new_intent
from labkit.propose.exchange import Exchange, Question, Slip, to_json
from labkit.propose.messages import Messages

pytestmark = pytest.mark.usefixtures("_only_our_key")

TEXTS = ("zero. " * 2000, "one. " * 2000, "two. " * 2000)
QUESTIONS = [replace(question(f"Question {number}."), generation=5, slot=number) for number in range(3)]
BROKEN: Reply = Answer(end="reset")


def answers(count: int = 3) -> list[Reply]:
    return [Answer(text) for text in TEXTS[:count]]


def sent(server: ClaudeServer) -> int:
    """Return how many batches were taken."""
    return len(server.batches)


def stopped(
    messages: Messages, books: Kept, batch_id: str = "", questions: Sequence[Question] = QUESTIONS
) -> tuple[str, list[str]]:
    """Ask a batch in vain; return the line that says why, and the ids that were told."""
    ids: list[str] = []
    with pytest.raises(ProposerStop) as caught:
        messages.batch(questions, books, Slip(batch_id=batch_id, submitted=ids.append))
    return the_line(caught.value), ids


def test_a_batch_brings_each_answer_at_half_price(books: Kept) -> None:
    ids: list[str] = []
    with ClaudeServer(answers()) as server:
        exchanges = ask_at(server.url, budget_usd=1.0).batch(QUESTIONS, books, Slip(submitted=ids.append))
        whole = ask_at(server.url).request(QUESTIONS[0])
    assert ids == [*server.batches]
    assert tuple(exchange.answer for exchange in exchanges) == TEXTS
    assert [(exchange.generation, exchange.slot) for exchange in exchanges] == [(5, 0), (5, 1), (5, 2)]
    assert all(exchange.whole and exchange.price_date == "2026-11" for exchange in exchanges)
    assert exchanges[0].request == whole
    usage = exchanges[0].usage
    assert exchanges[0].usd == pytest.approx((usage.input_tokens * 4 + usage.output_tokens * 20) / 1e6 / 2)
    assert books.all == exchanges
    assert abs(Decimal(repr(books.spent_usd())) - server.billed_usd) < Decimal("0.000001")
    assert books.said == [f"batch {ids[0]}: 3 questions are waiting for their answers"]


def test_questions_without_an_answer_are_told_and_cost_nothing(books: Kept) -> None:
    replies = [Status(500, message=f"with {KEY}"), Answer(TEXTS[1], thinking=KEY), Expired()]
    with ClaudeServer(replies) as server:
        failed, good, expired = ask_at(server.url).batch(QUESTIONS, books)
    assert (failed.stop_reason, failed.usd) == ("", 0.0)
    assert failed.error == "no answer in the batch: errored api_error with [key]"
    assert good.answer == TEXTS[1]
    assert (expired.stop_reason, expired.error) == ("", "no answer in the batch: expired")
    assert abs(Decimal(repr(books.spent_usd())) - server.billed_usd) < Decimal("0.000001")
    assert KEY not in "".join(map(to_json, books.all))


@dataclass
class Remembered:
    """What a campaign keeps of a batch, and where the lab is killed: when it kept the intent, or the id."""

    kill_at: str = ""
    intent: str = ""
    id: str = ""

    @property
    def slip(self) -> Slip:
        return Slip(self.intent, self.id, self.intended, self.submitted)

    def intended(self, intent: str) -> None:
        self.intent = intent
        if self.kill_at == "intent":
            raise KeyboardInterrupt

    def submitted(self, batch_id: str) -> None:
        if self.kill_at == "before the id":
            raise KeyboardInterrupt
        self.id = batch_id
        if self.kill_at == "id":
            raise KeyboardInterrupt


def restarted(url: str, kept: Remembered, books: Kept, budget_usd: float = 1.0) -> None:
    """Ask, be killed where `kept` says, ask once more, and hold what comes against what was to come."""
    with pytest.raises(KeyboardInterrupt):
        ask_at(url).batch(QUESTIONS, books, kept.slip)
    assert books.all == []
    kept.kill_at = ""
    for _ in range(2):  # once killed before the ledger had the answers, once after
        fresh = Kept(exchanges=books.exchanges)
        exchanges = ask_at(url, budget_usd).batch(QUESTIONS, fresh, kept.slip)
        assert tuple(exchange.answer for exchange in exchanges) == TEXTS
        assert [exchange.id for exchange in exchanges] == [f"{kept.id}/question-{number}" for number in range(3)]
    assert len(books.all) == 3


@pytest.mark.parametrize("kill_at", ["intent", "before the id", "id"])
def test_a_restart_sends_nothing_that_was_sent(books: Kept, kill_at: str) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_polls = 2
        # what is under way already needs no budget
        restarted(server.url, Remembered(kill_at), books, budget_usd=1.0 if kill_at == "intent" else 0.001)
        assert (sent(server), server.asked) == (1, [])
        assert abs(Decimal(repr(books.spent_usd())) - server.billed_usd) < Decimal("0.000001")


def others(count: int) -> list[dict[str, Any]]:
    """Return the results of somebody else's batch."""
    return [{"custom_id": name_of(number, new_intent()), "result": {"type": "expired"}} for number in range(count)]


def test_a_batch_is_told_from_those_of_others(books: Kept) -> None:
    """Of five on two pages, two are of the same size and age; one of them is waited for, since it may be ours."""
    with ClaudeServer(answers()) as server:
        server.take_batch("archived", others(3), age_s=90_000)
        server.take_batch("small", others(2))
        kept = Remembered("before the id")
        with pytest.raises(KeyboardInterrupt):
            ask_at(server.url).batch(QUESTIONS, books, kept.slip)
        ours = [*server.batches][-1]
        server.take_batch("large", others(4))
        server.take_batch("ended", others(3))
        server.batches["ended"]["polls"] = -1
        server.batch_polls = 4
        server.take_batch("pending", others(3))
        kept.kill_at = ""
        exchanges = ask_at(server.url).batch(QUESTIONS, books, kept.slip)
        looked_at = {logged.path.split("/")[-1].partition("?")[0] for logged in server.log} - {"batch", "batches"}
        assert looked_at == {"ended", "pending", "results", ours}
    assert tuple(exchange.answer for exchange in exchanges) == TEXTS
    assert kept.id == ours
    assert "a batch may have been sent before and be one of pending, msgbatch_002: waiting for their end" in books.said


def test_a_batch_of_before_that_nobody_has_is_sent(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        server.take_batch("other", others(3))
        kept = Remembered(intent=new_intent())
        assert len(ask_at(server.url).batch(QUESTIONS, books, kept.slip)) == 3
        assert sent(server) == 2
        assert kept.id == "msgbatch_001"


def test_a_server_that_lists_no_batches_is_told_of(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_faults = [Status(404, "not_found_error")]
        assert len(ask_at(server.url).batch(QUESTIONS, books, Slip(intent=new_intent()))) == 3
    assert books.said[0] == (
        f"{server.url} lists no batches: one that was sent just before a kill may be paid for twice"
    )


def test_a_batch_that_was_sent_before_there_were_intents_is_waited_for(books: Kept) -> None:
    with ClaudeServer() as server:
        result = {"type": "succeeded", "message": {"content": [], "stop_reason": "end_turn"}}
        server.take_batch("old", [{"custom_id": f"question-{number}", "result": result} for number in range(3)])
        exchanges = ask_at(server.url).batch(QUESTIONS, books, Slip(batch_id="old"))
    assert [(exchange.id, exchange.whole) for exchange in exchanges] == [(f"old/question-{n}", True) for n in range(3)]


@pytest.mark.parametrize("fault", [Status(529), Status(429, headers={"retry-after": "0.2"}), Page(), BROKEN])
def test_trouble_while_waiting_passes(books: Kept, fault: Reply) -> None:
    with ClaudeServer(answers()) as server:
        # sent, looked at three times, then asked for its results twice: where they are, and what they are
        server.batch_faults = [None, fault, None, None, fault, None, fault]
        exchanges: list[Exchange] = ask_at(server.url).batch(QUESTIONS, books)
        assert tuple(exchange.answer for exchange in exchanges) == TEXTS
        assert sent(server) == 1
    assert sum("asking again" in said for said in books.said) == 3, books.said


def test_results_that_came_without_an_end_are_read_once_more(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        # sent, looked at twice, and once more by the SDK before it reads the results
        server.batch_faults = [None, None, None, None, Page("", "application/x-jsonl")]
        exchanges = ask_at(server.url).batch(QUESTIONS, books)
        assert tuple(exchange.answer for exchange in exchanges) == TEXTS
    assert "not every question is in its results, they are read once more" in books.said[-1]


def test_a_batch_that_was_surely_not_taken_is_sent_again(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_faults = [Status(529), Status(500)]
        assert len(ask_at(server.url).batch(QUESTIONS, books)) == 3
        assert sent(server) == 1


@pytest.mark.parametrize(("fault", "paid"), [(BROKEN, True), (Page(), False), (Status(502), False)])
def test_a_batch_that_may_have_been_taken_is_looked_for(books: Kept, fault: Reply, paid: bool) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_faults = [fault]
        assert len(ask_at(server.url).batch(QUESTIONS, books)) == 3
        assert sent(server) == 1
        posts = [logged for logged in server.log if "requests" in logged.body]
        assert len(posts) == (1 if paid else 2)
    assert "whether the batch was taken is unknown: it is looked for before it is sent again" in books.said[0]


def test_a_batch_that_may_have_been_taken_and_cannot_be_looked_for_is_not_sent_again(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_faults = [BROKEN, Status(404, "not_found_error")]
        line, ids = stopped(ask_at(server.url), books)
        assert "whether the batch was taken is unknown, and" in line
        assert "look at the account's batches, and cancel it there before you call again" in line
        assert (sent(server), ids) == (1, [])


@pytest.mark.parametrize(("code", "words"), [(401, "check ANTHROPIC_API_KEY"), (402, "no credit"), (404, "'claude-op")])
def test_a_batch_that_is_turned_down_stops_at_once(books: Kept, code: int, words: str) -> None:
    kind = {401: "authentication_error", 402: "billing_error", 404: "not_found_error"}[code]
    with ClaudeServer() as server:
        server.batch_faults = [Status(code, kind)]
        assert words in stopped(ask_at(server.url), books)[0]
        assert len(server.log) == 1
    assert "nobody answers" in stopped(ask_at(closed_port()), books)[0]


def test_a_batch_that_nobody_knows_is_told(books: Kept) -> None:
    with ClaudeServer() as server:
        line, _ = stopped(ask_at(server.url), books, batch_id="msgbatch_of_old")
    assert "no such batch msgbatch_of_old; no batch of this id is known there" in line


def test_a_budget_is_held_for_the_whole_batch(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        line, _ = stopped(ask_at(server.url, budget_usd=0.12), books)
        assert "12,000 out) may cost 0.13" in line
        assert server.log == []
        assert len(ask_at(server.url, budget_usd=0.14).batch(QUESTIONS, books)) == 3


def test_a_stop_ends_the_waiting_at_once(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_polls = 1000
        books.stop_when_told = True
        started = time.monotonic()
        line, ids = stopped(ask_at(server.url, settings=replace(QUICK, batch_poll_s=60.0)), books)
    assert (line, ids) == ("stopped as asked", [*server.batches])
    assert time.monotonic() - started < 30


def test_no_questions_are_no_batch(books: Kept) -> None:
    assert ask_at(closed_port()).batch([], books) == []
