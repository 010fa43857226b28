"""Message batches: half the price, every answer at its question, and a restart that waits and sends nothing."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from claude_books import QUICK, Kept, ask_at, question, the_line
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_replies import Expired
from claude_server import KEY, Answer, ClaudeServer, Page, Reply, Status, closed_port

from labkit.errors import ProposerStop
from labkit.propose.exchange import Exchange, Question, to_json
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
        messages.batch(questions, books, batch_id, ids.append)
    return the_line(caught.value), ids


def test_a_batch_brings_each_answer_at_half_price(books: Kept) -> None:
    ids: list[str] = []
    with ClaudeServer(answers()) as server:
        exchanges = ask_at(server.url, budget_usd=1.0).batch(QUESTIONS, books, submitted=ids.append)
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


def test_a_restart_waits_for_the_batch_and_sends_nothing(books: Kept) -> None:
    ids: list[str] = []

    def told(batch_id: str) -> None:
        ids.append(batch_id)
        books.stop.set()

    with ClaudeServer(answers()) as server:
        server.batch_polls = 2
        with pytest.raises(ProposerStop, match="stopped as asked"):
            ask_at(server.url).batch(QUESTIONS, books, submitted=told)
        assert books.all == []
        for _ in range(2):  # once killed before the ledger had the answers, once after
            fresh = Kept(exchanges=books.exchanges)
            exchanges = ask_at(server.url, budget_usd=0.001).batch(QUESTIONS, fresh, ids[0])
            assert tuple(exchange.answer for exchange in exchanges) == TEXTS
        assert sent(server) == len(ids) == 1
    assert len(books.all) == 3
    assert abs(Decimal(repr(books.spent_usd())) - server.billed_usd) < Decimal("0.000001")


@pytest.mark.parametrize("fault", [Status(529), Status(429, headers={"retry-after": "0.2"}), Page(), BROKEN])
def test_trouble_while_waiting_passes(books: Kept, fault: Reply) -> None:
    with ClaudeServer(answers()) as server:
        # sent, looked at three times, then asked for its results twice: where they are, and what they are
        server.batch_faults = [None, fault, None, None, fault, None, fault]
        exchanges: list[Exchange] = ask_at(server.url).batch(QUESTIONS, books)
        assert tuple(exchange.answer for exchange in exchanges) == TEXTS
        assert sent(server) == 1
    assert sum("asking again" in said for said in books.said) == 3, books.said


def test_a_batch_that_was_surely_not_taken_is_sent_again(books: Kept) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_faults = [Status(529), Status(500)]
        assert len(ask_at(server.url).batch(QUESTIONS, books)) == 3
        assert sent(server) == 1


@pytest.mark.parametrize("fault", [BROKEN, Page()])
def test_a_batch_that_may_have_been_taken_is_not_sent_again(books: Kept, fault: Reply) -> None:
    with ClaudeServer(answers()) as server:
        server.batch_faults = [fault]
        line, ids = stopped(ask_at(server.url), books)
        assert "whether the batch was taken is unknown: look at the account's batches" in line
        assert (len(server.log) - 3 * sent(server), ids) == (1, [])


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
        threading.Timer(0.3, books.stop.set).start()
        started = time.monotonic()
        line, ids = stopped(ask_at(server.url, settings=replace(QUICK, batch_poll_s=60.0)), books)
    assert (line, ids) == ("stopped as asked", [*server.batches])
    assert time.monotonic() - started < 30


def test_no_questions_are_no_batch(books: Kept) -> None:
    assert ask_at(closed_port()).batch([], books) == []
