"""Servers that speak the Messages API in ways of their own, byte by byte: an answer is read, or a line says why not."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from claude_books import QUICK, Kept, ask_at, question, stopped
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books

pytestmark = pytest.mark.usefixtures("_only_our_key")

TEXT = "héllo wörld 😀\n"
ASKED = 71
"""Tokens of the question at three bytes each, where the server has not counted them."""


@contextmanager
def sending(*replies: bytes | Sequence[bytes], keeps: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Answer each request with the next reply, piece by piece; yield the address and the first lines of requests.

    Args:
        keeps: leave a connection open for another request, and close it when that has come.
    """
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for reply in replies:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as stream:
                    asked.append(_read_request(stream))
                    for piece in [reply] if isinstance(reply, bytes) else reply:
                        connection.sendall(piece)
                        if len(piece) == 1:
                            time.sleep(0.0001)
                    if keeps:
                        stream.readline()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _read_request(stream: Any) -> bytes:
    first, length = stream.readline(), 0
    while (line := stream.readline().lower()).strip():
        length = int(line.partition(b":")[2]) if line.startswith(b"content-length") else length
    stream.read(length)
    return bytes(first)


def head(status: str = "200 OK", kind: str = "text/event-stream", more: str = "connection: close\r\n") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}\r\n".encode()


def error(status: str, body: Any, more: str = "") -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    return head(status, "application/json", f"connection: close\r\n{more}") + text.encode()


FIRST, LAST = {"input_tokens": 5, "output_tokens": 1}, {"output_tokens": 9}


def stream(begin: Any = FIRST, end: Any = LAST) -> bytes:
    events = [
        {"type": "message_start", "message": {"model": "of-mine", "content": [], "usage": begin}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}} | ({} if end == "left out" else {"usage": end}),
        {"type": "message_stop"},
    ]
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in events
    )


def pieces(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


PLAIN = json.dumps({"content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn",
                    "usage": {"input_tokens": 5, "output_tokens": 9}}).encode()  # fmt: skip
GZIP = "connection: close\r\ncontent-encoding: gzip\r\n"
JSON = "application/json; charset=utf-8"

READ: dict[str, tuple[bytes | Sequence[bytes], tuple[int, int, bool]]] = {
    "byte by byte": ([head(), *pieces(stream())], (5, 9, False)),
    "CRLF byte by byte": ([head(), *pieces(stream().replace(b"\n", b"\r\n"))], (5, 9, False)),
    "comments": (head() + b": hello\n\n" + stream().replace(b"data:", b": c\ndata:"), (5, 9, False)),
    "a byte order mark": (head() + b"\xef\xbb\xbf" + stream(), (ASKED, 9, True)),  # it costs the first event
    "an end of another API": (head() + stream() + b"data: [DONE]\n\n", (5, 9, False)),
    "no last line end": (head() + stream().rstrip(), (5, 9, False)),
    "usage null": (head() + stream(None, None), (ASKED, 7, True)),
    "usage left out": (head() + stream({}, "left out"), (ASKED, 7, True)),
    "usage of text": (head() + stream({"input_tokens": "five"}), (ASKED, 9, True)),
    "usage at the end alone": (head() + stream({}, {"input_tokens": 5, "output_tokens": 9}), (5, 9, False)),
    "index null": (head() + stream().replace(b'"index": 0', b'"index": null'), (5, 9, False)),
    "index of text": (head() + stream().replace(b'"index": 0', b'"index": ["x"]'), (5, 9, False)),
    "one message": (head(kind=JSON) + PLAIN, (5, 9, False)),
    "one message packed": (head(kind=JSON, more=GZIP) + gzip.compress(PLAIN), (5, 9, False)),
    "one message whose content is a text": (
        head(kind=JSON) + json.dumps({"content": TEXT, "stop_reason": "end_turn"}).encode(), (ASKED, 7, True),
    ),
    "events under another type": (head(kind=JSON) + stream(), (5, 9, False)),
    "events packed": (head(more=GZIP) + gzip.compress(stream()), (5, 9, False)),
    "another status": (head("201 Created") + stream(), (5, 9, False)),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_an_answer_in_another_shape_is_read_at_once(books: Kept, name: str) -> None:
    reply, (tokens_in, tokens_out, estimated) = READ[name]
    with sending(reply) as (url, asked):
        exchange = ask_at(url).ask(question(), books)
    assert (exchange.answer, exchange.whole, len(asked), books.said) == (TEXT, True, 1, [])
    assert (exchange.usage.prompt_tokens, exchange.usage.output_tokens) == (tokens_in, tokens_out)
    assert exchange.estimated == estimated
    assert books.all == [exchange], "what was answered is in the books"


DEEP = b"[" * 100_000

PASSING: dict[str, tuple[bytes, str]] = {
    "408": (error("408 X", "soon"), "said 408: soon"),
    "409": (error("409 X", {"message": "later"}), "said 409: later"),
    "502": (error("502 X", "<h1>Bad Gateway</h1>"), "said 502: <h1>Bad Gateway</h1>"),
    "503": (error("503 X", {"error": "loading"}, "retry-after: 0.02\r\n"), "said 503: loading; asking again in 0.0 s"),
    "504": (error("504 X", ""), "said 504: no reason given"),
    "an error event that is no JSON": (
        head() + b"event: error\ndata: out of memory\n\n",
        "in its stream: out of memory",
    ),
    "an error event of another shape": (head() + b'event: error\ndata: {"error": "busy"}\n\n', "in its stream: busy"),
    "no UTF-8": (head() + stream().replace(b"\xc3\xb6", b"\xff"), "sent something that is not JSON ('utf-8' codec"),
    "a number without end": (head() + stream().replace(b": 9", b": " + b"9" * 5000), "not JSON (Exceeds the limit"),
    "lists without end": (head() + stream().replace(b": 9", b": " + DEEP), "not JSON (maximum recursion depth"),
    "no gzip": (head(more=GZIP) + stream(), "broke (DecodingError)"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n", "broke (RemoteProtocolError)"),
    "nothing": (b"", "broke (RemoteProtocolError)"),
    "an error with status 200": (error("200 OK", {"error": "no model"}), "sent application/json and no message"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_again(books: Kept, name: str) -> None:
    reply, words = PASSING[name]
    with sending(reply, head() + stream()) as (url, asked):
        exchange = ask_at(url).ask(question(), books)
    assert (exchange.answer, len(asked), len(books.said)) == (TEXT, 2, 1)
    assert words in books.said[0]
    assert "\n" not in books.said[0]


STAYING: dict[str, tuple[bytes, str]] = {
    "a text for an error": (
        error("400 X", {"error": "no such field"}),
        "said 400: no such field; the request does not",
    ),
    "a detail": (error("422 X", {"detail": "extra inputs"}), "said 422: extra inputs; the request does not suit"),
    "a number for an error": (error("400 X", {"error": {"message": 7, "type": ["x"]}}), "said 400: 7; the request"),
    "a list for an error": (error("400 X", [1, 2]), "said 400: [1, 2]; the request"),
    "405": (error("405 X", "no POST"), "said 405: no POST; model 'claude-opus-5-5' or the address is unknown there"),
    "413": (error("413 X", {"detail": "too much"}), "said 413: too much; the prompt is too long"),
    "501": (error("501 X", "unknown"), "said 501: unknown; asking again would not help"),
    "a redirect to nowhere": (error("302 X", ""), "said 302: no reason given; model 'claude-opus-5-5' or the address"),
}


@pytest.mark.parametrize("name", STAYING)
def test_what_stays_stops_at_once(books: Kept, name: str) -> None:
    reply, words = STAYING[name]
    with sending(reply) as (url, asked):
        assert words in stopped(ask_at(url), books)
        assert (len(asked), books.said, books.all) == (1, [], [])


def test_redirects_without_end_stop_at_once(books: Kept) -> None:
    with sending(*[error("307 X", "", "location: /v1/messages\r\n")] * 50) as (url, asked):
        assert "redirects without end; model 'claude-opus-5-5' or the address is unknown" in stopped(ask_at(url), books)
        assert (len(asked), books.said) == (21, [])


def test_a_connection_that_is_closed_when_the_next_question_comes_loses_nothing(books: Kept) -> None:
    kept = head(kind=JSON, more=f"content-length: {len(PLAIN)}\r\n") + PLAIN
    with sending(kept, kept, kept, keeps=True) as (url, asked):
        messages = ask_at(url)
        assert [messages.ask(question(), books).answer for _ in range(3)] == [TEXT] * 3
        messages.close()
        assert len(asked) == len(books.all) == 3
    assert ["the connection to" in said for said in books.said] == [True, True]


@pytest.mark.parametrize("asked", ["retry-after: 0\r\n", "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n"])
def test_a_server_that_asks_for_no_pause_is_not_run_at(books: Kept, asked: str) -> None:
    settings = replace(QUICK, retry_first_s=0.2, retry_max_s=0.4)
    with sending(error("429 X", "", asked), head() + stream()) as (url, _):
        started = time.monotonic()
        assert ask_at(url, settings=settings).ask(question(), books).answer == TEXT
    assert time.monotonic() - started >= 0.2
