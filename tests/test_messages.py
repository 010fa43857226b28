"""Claude through the real SDK, against a server that speaks the Messages API and breaks in every known way."""

import contextlib
import socket
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from claude_books import QUICK, Kept, ask_at, question, stopped, the_line
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_faults import CODE, PASSING, STAYING, WHOLE
from claude_server import Answer, ClaudeServer, Status, closed_port

from labkit.errors import ProposerStop
from labkit.propose.arriving import Arriving, usage_of
from labkit.propose.exchange import Exchange, Usage, from_json, to_json
from labkit.propose.trouble import asked_pause_s

pytestmark = pytest.mark.usefixtures("_only_our_key")

FULL = "model_context_window_exceeded"


# --- a whole answer ----------------------------------------------------------------------------------------


def test_an_answer_is_its_text_its_usage_and_its_cost(books: Kept) -> None:
    counts: list[int] = []
    with ClaudeServer([Answer(("first part, ", "second part"), thinking="I think. " * 20)]) as server:
        exchange = ask_at(server.url).ask(question(), books, counts.append)
        logged = server.log[0]
    assert exchange.answer == "first part, second part"
    assert (exchange.whole, exchange.stop_reason, exchange.error, exchange.estimated) == (True, "end_turn", "", False)
    assert exchange.usage == Usage(input_tokens=6 + 4, output_tokens=51)
    assert exchange.usd == pytest.approx((10 * 4 + 51 * 20) / 1e6)
    assert exchange.usd == pytest.approx(float(server.billed_usd))
    assert (exchange.model, exchange.price_date, exchange.purpose) == ("claude-opus-5-5", "2026-11", "code")
    assert exchange.request_id == logged.request_id
    assert exchange.request == {key: value for key, value in logged.body.items() if key != "stream"}
    assert exchange.raw is not None
    assert exchange.raw["content"][0] == {"type": "thinking", "thinking": "I think. " * 20, "signature": "c2ln"}
    assert counts, "progress was shown"
    assert books.all == [exchange]
    assert not books.journal.exists()
    assert from_json(to_json(exchange)) == exchange


def test_a_request_holds_what_the_settings_say_and_streams(books: Kept) -> None:
    settings = replace(QUICK, effort="low", headers={"X-Lab": "seven"}, model="claude-sonnet-5-5")
    schema = {"type": "object"}
    with ClaudeServer([WHOLE] * 3) as server:
        for structured in (True, False):
            messages = ask_at(server.url, settings=replace(settings, structured_output=structured))
            told = messages.ask(replace(question(), schema=schema, generation=4, slot=1), books)
            assert (told.generation, told.slot) == (4, 1)
        messages.ask(replace(question(), effort="", model="claude-haiku-5-5"), books)
        with_schema, without, plain = (logged.body for logged in server.log)
        assert server.log[0].headers["x-lab"] == "seven"
    assert with_schema["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    assert without["output_config"] == {"effort": "low"}
    assert "output_config" not in plain
    assert [body["model"] for body in (without, plain)] == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert all(body["stream"] is True for body in (with_schema, without, plain))


@pytest.mark.parametrize(
    ("reply", "max_tokens", "stop_reason", "answer"),
    [
        (Answer(CODE, thinking=""), 10, "max_tokens", CODE[:40]),
        (Answer("", stop_reason="refusal", thinking=""), 4000, "refusal", ""),
        (Answer("", thinking=""), 4000, "end_turn", ""),
        (Answer("so far", stop_reason=FULL), 4000, FULL, "so far"),
        (Answer("wait", stop_reason="pause_turn"), 4000, "pause_turn", "wait"),
    ],
)  # fmt: skip
def test_what_the_server_ended_comes_back_with_its_stop_reason(
    books: Kept, reply: Answer, max_tokens: int, stop_reason: str, answer: str
) -> None:
    with ClaudeServer([reply]) as server:
        exchange = ask_at(server.url).ask(question(max_tokens=max_tokens), books)
    assert (exchange.stop_reason, exchange.answer, exchange.estimated) == (stop_reason, answer, False)
    assert exchange.whole == (stop_reason == "end_turn")
    assert exchange.refused == (stop_reason == "refusal")
    assert exchange.usd == pytest.approx(float(server.billed_usd))


def test_servers_that_leave_fields_out_are_understood() -> None:
    answer = Arriving()
    for event in (
        {"type": "message_start", "message": {"usage": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "no start, "}},
        {"type": "brand_new_event", "index": None},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "no index"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": None}},
    ):
        answer.take(event)
    assert (answer.answer, answer.stop_reason) == ("no start, no index", "end_turn")
    assert (answer.estimated, answer.usage("5m")) == (True, Usage(output_tokens=6))  # 18 bytes: nobody has counted


def test_what_a_server_has_counted_of_a_cut_answer_is_the_least() -> None:
    answer = Arriving()
    answer.take({"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 3}}})
    assert (answer.estimated, answer.usage("5m")) == (True, Usage(5, output_tokens=3))
    answer.take({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a" * 30}})
    assert answer.usage("5m").output_tokens == 10
    answer.take({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 25.0, "input_tokens": 10**400}})
    assert (answer.estimated, answer.usage("5m")) == (True, Usage(10**9, output_tokens=25))
    answer.take({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 7}})
    assert (answer.estimated, answer.usage("5m").output_tokens) == (False, 7)


def test_a_character_that_a_server_cuts_in_two_is_put_together() -> None:
    answer = Arriving()
    for piece in ("half ", "\ud83d", "\ude00", " and alone \ude00"):
        answer.take({"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}})
    assert answer.answer == "half \U0001f600 and alone \ufffd"
    assert answer.tokens > 0
    whole = Arriving()
    whole.take_message({"content": [{"type": "text", "text": "\ud83d"}, "no block"]})
    assert (whole.answer, whole.begun, whole.stop_reason) == ("\ufffd", True, "")


@pytest.mark.parametrize(("dearest", "five", "hour"), [("5m", 30, 12), ("1h", 0, 42)])
def test_cache_writes_that_a_server_does_not_split_are_counted_at_the_dearest_mark(
    dearest: str, five: int, hour: int
) -> None:
    values = {"input_tokens": 5, "cache_creation_input_tokens": 42, "cache_read_input_tokens": 7, "output_tokens": True}
    values |= {"cache_creation": {"ephemeral_1h_input_tokens": 12}}
    assert usage_of(values, dearest) == Usage(5, five, hour, 7, 1)
    assert usage_of({}, dearest) == usage_of(None, dearest) == Usage()


# --- trouble that passes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PASSING)
def test_trouble_that_passes_is_asked_again_and_every_paid_attempt_is_kept(books: Kept, name: str) -> None:
    reply, words = PASSING[name]
    settings = replace(QUICK, timeout_s=0.3 if "silen" in words else 5.0)
    with ClaudeServer([reply, WHOLE]) as server:
        exchange = ask_at(server.url, settings=settings).ask(question(), books)
        first, _ = server.asked
    assert exchange.answer == CODE
    assert [words in said for said in books.said] == [True], books.said
    *cut, last = books.all
    assert last == exchange
    assert len(cut) == bool(first.usage), "an attempt that cost something is an exchange of its own"
    for attempt in cut:
        assert (attempt.stop_reason, attempt.estimated, attempt.whole) == ("cut", True, False)
        assert attempt.answer == first.sent.removeprefix("Let me see.")
        assert attempt.error.startswith(books.said[0].split(";")[0])
        # the server did not say what it wrote: counted from what came, never below the bill
        billed = first.usage["output_tokens"]
        assert billed <= attempt.usage.output_tokens <= 2 * billed
        assert attempt.usage.input_tokens == first.usage["input_tokens"]
    assert f"{books.spent_usd():.2f}" == f"{server.billed_usd:.2f}"
    assert not books.journal.exists()


def test_an_answer_that_had_ended_stands_whatever_the_connection_does(books: Kept) -> None:
    with ClaudeServer([Answer(CODE, end="late")]) as server:
        exchange = ask_at(server.url).ask(question(), books)
    assert (exchange.whole, exchange.answer, exchange.error, exchange.estimated) == (True, CODE, "", False)
    assert (books.all, books.said, len(server.log)) == ([exchange], [], 1)
    assert exchange.usd == pytest.approx(float(server.billed_usd))


def test_it_gives_up_after_so_many_attempts(books: Kept) -> None:
    with ClaudeServer([Status(529, "overloaded_error")] * 3) as server:
        text = stopped(ask_at(server.url), books)
    assert text == (f"{server.url} said 529: as the script wants it; gave up after 3 attempts, call again later")
    assert (len(server.log), len(books.said), books.all) == (3, 2, [])


def test_a_server_that_says_no_to_retries_is_obeyed(books: Kept) -> None:
    with ClaudeServer([Status(500, headers={"x-should-retry": "false"})]) as server:
        assert "said 500" in stopped(ask_at(server.url), books)
        assert len(server.log) == 1


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "100000"}, 100_000.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({}, None),
    ],
)
def test_a_pause_is_read_in_every_form(headers: dict[str, str], pause_s: float | None) -> None:
    assert asked_pause_s(headers) == pause_s


def test_a_pause_until_a_date_is_read() -> None:
    pause_s = asked_pause_s({"retry-after": formatdate(time.time() + 90, usegmt=True)})
    assert pause_s is not None
    assert 85 < pause_s <= 90


# --- trouble that stays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STAYING)
def test_trouble_that_stays_stops_at_once_and_says_what_to_do(books: Kept, name: str) -> None:
    reply, words = STAYING[name]
    with ClaudeServer([reply]) as server:
        text = stopped(ask_at(server.url), books)
    assert words in text
    assert "as the script wants it" in text
    assert (len(server.log), books.said) == (1, [])
    assert len(books.all) == bool(server.billed_usd)


def test_a_server_that_is_not_there_at_the_start_stops_at_once(books: Kept) -> None:
    url, started = closed_port(), time.monotonic()
    text = stopped(ask_at(url, settings=replace(QUICK, attempts=50, retry_first_s=60.0, retry_max_s=60.0)), books)
    assert text == (
        f"nobody answers at {url} ([Errno 111] Connection refused); nothing was spent: "
        "start the server or correct base_url in [claude]"
    )
    assert time.monotonic() - started < 30
    assert (books.all, books.said) == ([], [])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "[Errno 111] Connection refused"),
        ("http://" + ".".join(["a" * 60] * 5), "[Errno -"),  # too long to ask a resolver for it
        ("http://" + "a" * 70 + ".invalid", "nobody answers"),  # no label of a name is so long
    ],
)
def test_a_server_that_is_not_there_is_noticed_without_a_question(url: str, words: str) -> None:
    with pytest.raises(ProposerStop) as caught:
        ask_at(url or closed_port()).reach()
    line = the_line(caught.value)
    assert line.startswith("nobody answers at http://")
    assert words in line
    assert line.endswith("; nothing was spent: start the server or correct base_url in [claude]")


def test_a_server_that_accepts_no_connection_in_time_is_not_there() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        with contextlib.ExitStack() as waiting:  # the queue is full: the next connection is never accepted
            for _ in range(4):
                other = waiting.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(place)
            messages = ask_at(f"http://127.0.0.1:{place[1]}", settings=replace(QUICK, timeout_s=0.2))
            with pytest.raises(ProposerStop, match=r"nobody answers at .* \(timed out\); nothing was spent"):
                messages.reach()


@pytest.mark.parametrize(("exempted", "told"), [("127.0.0.1", True), ("*", True), ("example.org", False), ("", False)])
def test_nothing_is_said_of_a_server_behind_a_proxy(monkeypatch: pytest.MonkeyPatch, exempted: str, told: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exempted)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, closed_port())
    with pytest.raises(ProposerStop) if told else contextlib.nullcontext():
        ask_at(closed_port()).reach()


def test_a_server_that_is_there_is_reached_and_sees_no_request() -> None:
    with ClaudeServer() as server:
        ask_at(server.url).reach()
        ask_at(server.url.replace("127.0.0.1", "localhost")).reach()
        assert server.log == []


def test_a_server_that_goes_away_later_is_asked_again_first(books: Kept) -> None:
    with ClaudeServer([WHOLE]) as server:
        messages = ask_at(server.url)
        messages.ask(question(), books)
        messages.close()
        messages.client = ask_at(server.url).client  # no connection of the first question is left to be used
    text = stopped(messages, books)
    assert text.startswith(f"nobody answers at {server.url}")
    assert text.endswith("gave up after 3 attempts, call again later")
    assert len(books.said) == 2


def test_what_a_server_says_cannot_write_to_the_terminal(books: Kept) -> None:
    with ClaudeServer([Status(403, message="\x1b[2J\x07first\nsecond " + "long " * 200)]) as server:
        text = stopped(ask_at(server.url), books)
    assert "[2J first second long" in text
    assert text.isprintable()
    assert len(text) < 400


def test_an_exchange_keeps_its_usage_through_json() -> None:
    exchange = Exchange("plan", "m", {}, "é\n\u2028\ud83d", None, "end_turn", Usage(1, 2, 3, 4, 5), None, "", "r")
    exchange = replace(exchange, generation=7, slot=2)
    assert from_json(to_json(exchange)) == exchange
    assert to_json(exchange).isascii()
    assert len(to_json(exchange).splitlines()) == 1
    assert (Usage(1, 2, 3, 4, 5) + Usage(1, 1, 1, 1, 1)).prompt_tokens == 14
