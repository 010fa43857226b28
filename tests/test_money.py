"""What asking Claude costs: the ledger against the server's bill, and budgets that hold before each request."""

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from claude_books import QUICK, Kept, ask_at, question, stopped, the_line
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_faults import CODE, WHOLE
from claude_server import Answer, ClaudeServer, Page, Reply, Status

from labkit.errors import ProposerStop
from labkit.propose.exchange import Question, Usage
from labkit.propose.messages import Messages
from labkit.propose.prices import PRICES, Price, cache_ttls, cost_usd, worst_case_usd

pytestmark = pytest.mark.usefixtures("_only_our_key")

LONG = Answer("y" * 16_000)
"""As long as a question here allows."""
UNKNOWN = "qwen-coder"


def marked(frozen: str, champion: str, news: str, purpose: str = "plan") -> Question:
    """Return a question laid out as the campaign's: an hour's mark, a mark of five minutes, and what varies."""
    return Question(
        purpose=purpose,
        system=[{"type": "text", "text": frozen, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": champion, "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": news},
                ],
            }
        ],
        max_tokens=4000,
    )


def in_all_usd(books: Kept) -> Decimal:
    return sum((Decimal(repr(exchange.usd)) for exchange in books.all), Decimal(0))


def until_stopped(messages: Messages, asked: Question, books: Kept) -> str:
    """Ask again and again; return the line that ends it."""
    for _ in range(200):
        try:
            messages.ask(asked, books)
        except ProposerStop as error:
            return the_line(error)
    raise AssertionError("nothing ever stopped it")


# --- the bill ----------------------------------------------------------------------------------------------


def test_the_ledger_adds_up_to_the_servers_bill(books: Kept) -> None:
    """Answers of every kind whose usage the server tells, among failures that cost nothing, with and without cache."""
    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    free: list[Reply] = [Status(529), Status(429, "rate_limit_error"), Page(), Answer(end="reset", after=-1)]

    def reply(body: dict[str, Any]) -> Reply:
        if dice.random() < 0.2:
            return dice.choice(free)
        text, end = "x" * dice.randrange(12_000), dice.choice(("", "", "late"))
        return Answer(text, thinking="t" * 2000, stop_reason=dice.choice(("end_turn", "refusal")), end=end)

    with ClaudeServer(reply) as server:
        messages = ask_at(server.url, budget_usd=1000.0, settings=replace(QUICK, attempts=40))
        for _ in range(25):
            asked = marked("f" * 30_000, "c" * dice.choice((6000, 9000)), "n" * dice.randrange(20_000))
            model = dice.choice([*PRICES])
            messages.ask(replace(asked, model=model, max_tokens=dice.choice((1500, 8000))), books)
            server.clock_s += dice.choice((0.0, 0.0, 400.0, 4000.0))
    assert {"end_turn", "refusal", "max_tokens"} == {exchange.stop_reason for exchange in books.all}
    assert sum(exchange.usage.cache_read_tokens for exchange in books.all) > 0
    assert server.billed_usd > Decimal("0.2")
    assert abs(in_all_usd(books) - server.billed_usd) < Decimal("0.000001")
    assert f"{books.spent_usd():.2f}" == f"{server.billed_usd:.2f}"


def test_answers_that_broke_off_are_never_booked_below_the_bill(books: Kept) -> None:
    ends = ("drop", "early", "error", "malformed")
    replies: list[Reply] = [reply for end in ends for reply in (replace(LONG, end=end, after=500), WHOLE)]
    with ClaudeServer(replies) as server:
        messages = ask_at(server.url)
        for _ in ends:
            messages.ask(question("z" * 50_000), books)
    assert [exchange.stop_reason for exchange in books.all] == ["cut", "end_turn"] * len(ends)
    cut = sum(exchange.usage.output_tokens for exchange in books.all if exchange.estimated)
    over = in_all_usd(books) - server.billed_usd
    # three bytes a token are taken for granted where this server counts four
    assert 0 <= over <= Decimal(cut) * 20 / 1_000_000 / 4 + Decimal("0.001")


def test_the_second_request_reads_the_frozen_part_from_the_cache(books: Kept) -> None:
    frozen, champion = "f" * 40_000, "c" * 8000
    with ClaudeServer([WHOLE] * 4) as server:
        messages = ask_at(server.url)
        first = messages.ask(marked(frozen, champion, "first"), books)
        second = messages.ask(marked(frozen, champion, "second"), books)
        other = messages.ask(marked(frozen, "d" * 8000, "third"), books)
        server.clock_s = 2 * 3600
        late = messages.ask(marked(frozen, champion, "fourth"), books)
    assert (first.usage.cache_write_1h_tokens, first.usage.cache_write_5m_tokens) == (10_000, 2000)
    assert (second.usage.cache_read_tokens, second.usage.input_tokens) == (12_000, 2)
    assert (other.usage.cache_read_tokens, other.usage.cache_write_5m_tokens) == (10_000, 2000)
    assert late.usage.cache_read_tokens == 0
    assert first.usd is not None
    assert second.usd is not None
    assert second.usd < first.usd / 8
    assert abs(in_all_usd(books) - server.billed_usd) < Decimal("0.000001")


def test_a_cost_is_each_kind_of_token_at_its_own_price() -> None:
    price, usage = Price(4.0, 20.0, 0.2), Usage(1000, 2000, 3000, 4000, 5000)
    expected = (1000 * 4 + 2000 * 5 + 3000 * 8 + 4000 * 0.2 + 5000 * 20) / 1e6
    assert cost_usd(usage, price) == pytest.approx(expected)
    assert cost_usd(usage, price, batch=True) == pytest.approx(expected / 2)
    dear = Price(4.0, 20.0, 0.2, cache_write_5m=0.0, cache_write_1h=100.0)
    assert cost_usd(usage, dear) == pytest.approx((4000 + 3000 * 100 + 800 + 100_000) / 1e6)
    assert cost_usd(usage, None) is None
    haiku = PRICES["claude-haiku-5-5"]
    assert cost_usd(Usage(input_tokens=60_000, cache_read_tokens=40_000), haiku) == pytest.approx(0.0064)
    assert cost_usd(Usage(input_tokens=60_000, cache_read_tokens=40_001), haiku) is None


@pytest.mark.parametrize(("ttls", "usd"), [(set(), 0.24), ({"5m"}, 0.25), ({"5m", "1h"}, 0.28)])
def test_the_worst_case_writes_everything_at_the_dearest_mark(ttls: set[str], usd: float) -> None:
    assert worst_case_usd(10_000, 10_000, PRICES["claude-opus-5-5"], ttls) == pytest.approx(usd)
    assert worst_case_usd(10_000, 10_000, PRICES["claude-opus-5-5"], ttls, batch=True) == pytest.approx(usd / 2)
    assert cache_ttls(marked("a", "b", "c").messages) == {"5m"}
    assert cache_ttls(marked("a", "b", "c").system) == {"1h"}


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="a price's output"):
        Price(1.0, value, 0.1)


# --- the budget --------------------------------------------------------------------------------------------


def test_a_budget_is_held_before_each_request() -> None:
    """However long its answers are, no server can bill more than the budget; nor is it given up too early."""
    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    for _ in range(3):
        kept, budget_usd = Kept(), dice.uniform(0.1, 0.8)
        model = dice.choice(("claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-2"))
        asked = replace(marked("f" * dice.randrange(60_000), "c" * 9000, "n"), model=model)
        with ClaudeServer(lambda body: dice.choice((LONG, replace(LONG, end="drop", after=300), WHOLE))) as server:
            messages = ask_at(server.url, budget_usd, replace(QUICK, attempts=9))
            line = until_stopped(messages, asked, kept)
        assert line.startswith("budget: ")
        assert line.endswith("give a larger --budget-usd to go on")
        assert server.billed_usd <= Decimal(budget_usd)
        assert kept.spent_usd() <= budget_usd
        worst_usd = float(line.partition("may cost ")[2].partition(";")[0])
        assert kept.spent_usd() + worst_usd > budget_usd - 0.001


def test_a_request_that_may_cost_more_than_is_left_is_not_made(books: Kept) -> None:
    with ClaudeServer([WHOLE]) as server:
        text = stopped(ask_at(server.url, budget_usd=0.05), books)
        assert text.startswith("budget: 0.000 of 0.050 USD are spent, and the next request (code, claude-opus-5-5, at")
        assert "4,000 out) may cost 0.08" in text
        assert server.log == []


def test_asking_again_after_a_cut_answer_needs_money_too(books: Kept) -> None:
    with ClaudeServer([replace(LONG, end="drop", after=500), WHOLE]) as server:
        text = stopped(ask_at(server.url, budget_usd=0.11), books)
        assert text.startswith("budget: 0.0")
        assert len(server.log) == len(books.all) == 1
        assert books.spent_usd() > 0.05


def test_what_earlier_processes_spent_counts(books: Kept) -> None:
    with ClaudeServer([WHOLE] * 2) as server:
        first = ask_at(server.url, budget_usd=1.0).ask(question(), books)
        books.record(replace(first, id="of an earlier process", usd=0.95))
        assert stopped(ask_at(server.url, budget_usd=1.0), books).startswith("budget: 0.95")
        assert len(server.log) == 1


def test_a_bound_on_the_prompt_gets_tighter_with_what_was_seen(books: Kept) -> None:
    asked = question("w" * 100_000)
    with ClaudeServer([WHOLE] * 2) as server:
        messages = ask_at(server.url, budget_usd=0.52)
        messages.ask(asked, books)
        # at one token a byte this second request would not fit
        messages.ask(asked, books)
    assert len(books.all) == 2


@pytest.mark.parametrize("field", ["model", "lessons_model"])
def test_a_budget_with_an_unknown_price_refuses_to_start(field: str) -> None:
    with pytest.raises(ProposerStop) as caught:
        Messages(replace(QUICK, **{field: UNKNOWN}), budget_usd=5.0)
    assert the_line(caught.value).startswith(f"the price of {UNKNOWN!r} is unknown, so no budget can be held: give")


def test_a_question_for_a_model_of_unknown_price_is_not_asked_with_a_budget(books: Kept) -> None:
    with ClaudeServer([WHOLE]) as server:
        messages = ask_at(server.url, budget_usd=5.0)
        with pytest.raises(ProposerStop, match=r"the price of 'qwen-coder'.* is unknown"):
            messages.ask(replace(question(), model=UNKNOWN), books)
        with pytest.raises(ProposerStop, match=r"'claude-haiku-5-5' for prompts of up to 12\d,\d{3} tokens is unknown"):
            messages.ask(replace(question("h" * 120_000), model="claude-haiku-5-5"), books)
        assert server.log == []


def test_without_a_budget_an_unknown_price_is_no_hindrance_and_no_number(books: Kept) -> None:
    with ClaudeServer([WHOLE]) as server:
        server.models.add(UNKNOWN)
        exchange = ask_at(server.url, settings=replace(QUICK, model=UNKNOWN)).ask(question(), books)
    assert (exchange.answer, exchange.usd, exchange.price_date) == (CODE, None, "")
    assert exchange.usage.output_tokens > 50


def test_a_price_in_the_settings_comes_first_and_says_so(books: Kept) -> None:
    prices = {UNKNOWN: Price(1.0, 2.0, 0.5), "claude-haiku-5-5": Price(0.0, 0.0, 0.0)}
    with ClaudeServer([WHOLE] * 2) as server:
        server.models.add(UNKNOWN)
        messages = ask_at(server.url, 5.0, replace(QUICK, model=UNKNOWN, prices=prices))
        first = messages.ask(question(), books)
        free = messages.ask(replace(question(), model="claude-haiku-5-5"), books)
    assert first.usd == pytest.approx((first.usage.input_tokens + 2 * first.usage.output_tokens) / 1e6)
    assert (first.price_date, free.price_date, free.usd) == ("settings", "settings", 0.0)
