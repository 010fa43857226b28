"""A small server on 127.0.0.1 that speaks the Messages API: streams, prompt caching, batches, bills and faults.

    with ClaudeServer([Answer("hello"), Status(529, "overloaded_error"), Answer("again", end="reset")]) as server:
        ... ClaudeSettings(base_url=server.url) ... server.log, server.billed_usd

The script is a list of replies, or a function from a request's body to a reply.
"""

import json
import os
import socket
import struct
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

from claude_bill import PRICES, PrefixCache, Refused, bill_usd, count
from claude_replies import PIECE, Answer, Held, Page, Reply, Status, error_of, within

KEY = "sk-ant-test-0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Logged:
    """One request as the server saw it, and what it bills for it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    request_id: str
    status: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    usd: Decimal = Decimal(0)
    sent: str = ""


class ClaudeServer(ThreadingHTTPServer):
    """Runs within `with`; a mistake of its own makes the test fail.

    Attributes:
        batch_polls: how often a batch is looked at before it has ended.
        batch_faults: what becomes of the next requests about batches: a Status or a Page, an Answer whose `end`
            strikes after the work is done, a Held, None for nothing.
        clock_s: shift it to let cache entries expire.
    """

    daemon_threads = True

    def __init__(
        self, script: Iterable[Reply] | Callable[[dict[str, Any]], Reply] = (), key: str = KEY, least_tokens: int = 1024
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._script = script if callable(script) else iter(script)
        self.key, self.cache = key, PrefixCache(least_tokens)
        self.models, self.batch_polls, self.clock_s = set(PRICES), 1, 0.0
        self.batch_faults: list[Reply | None] = []
        self.log: list[Logged] = []
        self.batches: dict[str, dict[str, Any]] = {}
        self.closing, self.turn = threading.Event(), threading.Lock()
        self._mistakes: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def billed_usd(self) -> Decimal:
        """What all requests so far cost."""
        return sum((logged.usd for logged in self.log), Decimal(0))

    @property
    def asked(self) -> list[Logged]:
        """The requests for messages, polls and lists left out."""
        return [logged for logged in self.log if logged.path == "/v1/messages"]

    def reply(self, body: dict[str, Any]) -> Reply:
        """Return the script's next reply."""
        if callable(self._script):
            return self._script(body)
        return next(self._script, Status(400, "invalid_request_error", "the script of the test is at its end"))

    def take_batch(self, name: str, results: list[dict[str, Any]], age_s: float = 0.0) -> None:
        """Add a batch, as if it had been sent so long ago."""
        made = datetime.now(UTC) - timedelta(seconds=age_s)
        self.batches[name] = {"results": results, "polls": self.batch_polls, "created_at": made.isoformat()}

    def charge(self, logged: Logged, body: dict[str, Any], output_tokens: int, batch: bool = False) -> None:
        """Put usage and bill on record; a second call for the same request only raises its output."""
        with self.turn:
            usage = logged.usage or self.cache.charge(body, time.monotonic() + self.clock_s)
            logged.usage = usage | {"output_tokens": output_tokens}
            logged.usd = bill_usd(body["model"], logged.usage, batch)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            self._mistakes.append(traceback.format_exc())  # the others are clients that left before all was read

    def __enter__(self) -> "ClaudeServer":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        assert not self._mistakes, "\n".join(self._mistakes)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small events would wait for each other's acknowledgement
    server: ClaudeServer

    def log_message(self, *args: object) -> None:
        """Say nothing: the log is kept."""

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _serve(self, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.turn:
            request_id = f"req_{len(self.server.log):04d}"
            self.logged = Logged(self.path, headers, body, request_id)
            self.server.log.append(self.logged)
        try:
            self._route(body, headers)
        except Refused as error:
            self._status(Status(400, "invalid_request_error", str(error)))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone; what was sent is billed

    def _route(self, body: dict[str, Any], headers: dict[str, str]) -> None:
        if headers.get("authorization") != f"Bearer {self.server.key}":
            # the key comes back in the error, as careless proxies do it: it must not be shown all the same
            return self._status(Status(401, "authentication_error", f"invalid key {headers.get('authorization')}"))
        if "anthropic-version" not in headers:
            raise Refused("anthropic-version: header is required")
        if self.path == "/v1/messages":
            return self._message(body)
        if self.path.startswith("/v1/messages/batches"):
            path, _, query = self.path.removeprefix("/v1/messages/batches").partition("?")
            return self._batches(body, query, *path.strip("/").split("/"))
        return self._status(Status(404, "not_found_error", f"no such path {self.path}"))

    # --- messages --------------------------------------------------------------------------------------

    def _message(self, body: dict[str, Any]) -> None:
        if problem := self._problem(body):
            return self._status(problem)
        reply = self.server.reply(body)
        if isinstance(reply, Status):
            return self._status(reply)
        if isinstance(reply, Page):
            return self._send(200, reply.body, reply.content_type)
        assert isinstance(reply, Answer)
        if self.server.closing.wait(reply.first_s):
            return None
        if body.get("stream"):
            return self._stream(reply, body)
        return self._send(200, json.dumps(self._whole(reply, body)))

    def _problem(self, body: dict[str, Any]) -> Status | None:
        if body.get("model") not in self.server.models:
            return Status(404, "not_found_error", f"model: {body.get('model')}")
        unknown = {"temperature", "top_p", "top_k"} & set(body)
        prefilled = body["messages"][-1]["role"] != "user"
        if unknown or prefilled or "budget_tokens" in json.dumps(body.get("thinking")) or body.get("max_tokens", 0) < 1:
            raise Refused(f"not accepted: {unknown or ('prefilled answer' if prefilled else 'max_tokens or thinking')}")
        return None

    def _whole(self, answer: Answer, body: dict[str, Any], batch: bool = False) -> dict[str, Any]:
        blocks, stop_reason, tokens = within(answer, body["max_tokens"])
        self.server.charge(self.logged, body, tokens, batch)
        content = [{"type": kind, kind: text} for kind, text in blocks]
        return self._envelope(body["model"]) | {"content": content, "stop_reason": stop_reason}

    def _envelope(self, model: str) -> dict[str, Any]:
        return {
            "id": f"msg_{self.logged.request_id}", "type": "message", "role": "assistant", "model": model,
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": self.logged.usage,
        }  # fmt: skip

    def _stream(self, answer: Answer, body: dict[str, Any]) -> None:
        stillborn = answer.end and answer.after < 0
        if not stillborn:
            self.server.charge(self.logged, body, 1)
        self._head(200, "text/event-stream; charset=utf-8", {"transfer-encoding": "chunked"})
        if stillborn:
            return self._break(answer)
        blocks, stop_reason, tokens = within(answer, body["max_tokens"])
        self._event("message_start", message=self._envelope(body["model"]))
        self._event("ping")
        pieces, sent = 0, ""
        for index, (kind, text) in enumerate(blocks):
            self._event("content_block_start", index=index, content_block={"type": kind, kind: ""})
            for start in range(0, len(text), PIECE):
                if answer.end not in ("", "late") and pieces == answer.after:
                    return self._break(answer)
                if self.server.closing.wait(answer.between_s):
                    return None
                piece = text[start : start + PIECE]
                self._event("content_block_delta", index=index, delta={"type": f"{kind}_delta", kind: piece})
                pieces, sent = pieces + 1, sent + piece
                self.server.charge(self.logged, body, max(1, count(sent)))
                self.logged.sent = sent
            if kind == "thinking":
                self._event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": "c2ln"})
            self._event("content_block_stop", index=index)
        if answer.end not in ("", "late"):
            return self._break(answer)
        self.server.charge(self.logged, body, tokens)
        delta = {"stop_reason": stop_reason, "stop_sequence": None}
        self._event("message_delta", delta=delta, usage={"output_tokens": tokens})
        if answer.end == "late":
            return self._break(answer)
        self._event("message_stop")
        return self._chunk("")

    def _break(self, answer: Answer) -> None:
        """End a stream as the script wants it broken."""
        if answer.end == "error":
            self._event("error", error={"type": answer.error, "message": "as the script wants it"})
        elif answer.end == "malformed":
            self._chunk('event: content_block_delta\ndata: {"type": "content_block_del\n\n')
        elif answer.end == "not an event":
            self._chunk("event: content_block_delta\ndata: [1, 2]\n\n")
        if answer.end in ("reset", "late", "drop"):
            self.close_connection = True
            if answer.end == "reset":
                time.sleep(0.2)  # what was sent has to be read before the reset overtakes it
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
            return
        self._chunk("")

    # --- batches ---------------------------------------------------------------------------------------

    def _batches(self, body: dict[str, Any], query: str, name: str = "", what: str = "") -> None:
        fault = self.server.batch_faults.pop(0) if self.server.batch_faults else None
        if isinstance(fault, Status):
            return self._status(fault)
        if isinstance(fault, Page):
            return self._send(200, fault.body, fault.content_type)
        if self.command == "POST":
            name = f"msgbatch_{len(self.server.batches):03d}"
            results = [self._result(request) for request in body["requests"]]
            self.server.take_batch(name, results[::-1])
        if isinstance(fault, Held):
            fault.taken.set()
            fault.let_go.wait(60)
        if isinstance(fault, Answer):
            return self._break(fault)
        if self.command == "GET" and not name:
            return self._send(200, json.dumps(self._listed(**dict(parse_qsl(query)))))
        if name not in self.server.batches:
            return self._status(Status(404, "not_found_error", f"no such batch {name}"))
        batch = self.server.batches[name]
        if what == "results":
            lines = "".join(json.dumps(result) + "\n" for result in batch["results"])
            return self._send(200, lines, "application/x-jsonl")
        return self._send(200, json.dumps(self._batch(name, batch)))

    def _batch(self, name: str, batch: dict[str, Any], polled: bool = True) -> dict[str, Any]:
        if self.command == "GET" and polled:
            batch["polls"] -= 1
        ended = batch["polls"] < 0
        counts = Counter(result["result"]["type"] for result in batch["results"]) if ended else {}
        return {
            "id": name, "type": "message_batch", "processing_status": "ended" if ended else "in_progress",
            "created_at": batch["created_at"], "expires_at": "2126-11-22T00:00:00Z",
            "request_counts": {"processing": 0 if ended else len(batch["results"]), **counts},
            "results_url": f"{self.server.url}/v1/messages/batches/{name}/results" if ended else None,
        }  # fmt: skip

    def _listed(self, limit: str = "20", after_id: str = "") -> dict[str, Any]:
        """Return a page of batches, the newest first, at most three whatever is asked for."""
        names = [*self.server.batches][::-1]
        names = names[names.index(after_id) + 1 if after_id else 0 :]
        page = [self._batch(name, self.server.batches[name], polled=False) for name in names[: min(3, int(limit))]]
        return {"data": page, "has_more": len(names) > len(page), "first_id": None, "last_id": None}

    def _result(self, request: dict[str, Any]) -> dict[str, Any]:
        reply, body = self.server.reply(request["params"]), request["params"]
        asked = self.logged
        self.logged = Logged("batch", asked.headers, body, f"{asked.request_id}_{request['custom_id']}", 200)
        self.server.log.append(self.logged)
        result: dict[str, Any] = {"type": "expired"}
        if isinstance(reply, Status):
            result = {"type": "errored", "error": error_of(reply)}
        elif isinstance(reply, Answer):
            result = {"type": "succeeded", "message": self._whole(reply, body, batch=True)}
        self.logged = asked
        return {"custom_id": request["custom_id"], "result": result}

    # --- HTTP ------------------------------------------------------------------------------------------

    def _status(self, status: Status) -> None:
        self._send(status.code, json.dumps(error_of(status)), headers=status.headers)

    def _send(
        self, code: int, text: str, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        data = text.encode()
        self._head(code, kind, {"content-length": str(len(data))} | (headers or {}))
        self.wfile.write(data)

    def _head(self, code: int, kind: str, headers: dict[str, str]) -> None:
        self.logged.status = code
        self.send_response(code)
        for name, value in ({"content-type": kind, "request-id": self.logged.request_id} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def _event(self, kind: str, **values: Any) -> None:
        self._chunk(f"event: {kind}\ndata: {json.dumps({'type': kind} | values)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def closed_port() -> str:
    """Return the address of a server that is not there."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"
