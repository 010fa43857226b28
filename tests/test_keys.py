"""The key for Claude: found where the SDK finds it, and in nothing that is written, shown or kept."""

import logging
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from claude_books import QUICK, Kept, ask_at, everything_of, question, stopped
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_faults import CODE, PASSING, STAYING, WHOLE
from claude_server import KEY, Answer, ClaudeServer, Page, Status, closed_port

from labkit.errors import ProposerStop
from labkit.propose.claude_settings import ClaudeSettings
from labkit.propose.exchange import to_json
from labkit.propose.keys import NO_KEY
from labkit.propose.messages import Messages

pytestmark = pytest.mark.usefixtures("_only_our_key")


def test_without_a_key_one_line_says_where_it_can_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ProposerStop) as caught:
        ask_at("http://127.0.0.1:9")
    assert str(caught.value) == NO_KEY
    assert "--proposer recombine needs none" in NO_KEY


@pytest.mark.parametrize("where", ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "a profile"])
def test_a_key_is_found_wherever_the_sdk_finds_it(
    books: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    if where == "a profile":
        for folder, text in (
            ("configs", '{"version": "1.0", "authentication": {"type": "user_oauth"}}'),
            ("credentials", f'{{"version": "1.0", "type": "oauth_token", "access_token": "{KEY}"}}'),
        ):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "default.json").write_text(text)
            (tmp_path / folder / "default.json").chmod(0o600)
        monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    else:
        monkeypatch.setenv(where, KEY if "TOKEN" in where else f"Authorization: Bearer {KEY}")
    with ClaudeServer([WHOLE, Status(403, message=f"not with {KEY}")]) as server:
        messages = ask_at(server.url)
        assert messages.ask(question(), books).answer == CODE
        assert KEY not in stopped(messages, books)


@pytest.mark.parametrize("key", [KEY + "\n", f" {KEY}", "sk-ant-“quoted”-0123456789", "sk-ant-\x00-0123456789"])
def test_a_key_that_no_request_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ProposerStop) as caught:
        Messages(QUICK, key=key)
    assert "no request can carry it" in str(caught.value)
    assert "0123456789" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.slow
def test_the_key_appears_nowhere(
    books: Kept, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("anthropic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    echo = Answer(f"your key is {KEY}, isn't it?", thinking=f"{KEY}?")
    # every fault, servers that echo the key, the wrong key, and nobody there
    replies = [reply for reply, _ in (*PASSING.values(), *STAYING.values())]
    replies += [Status(code, message=f"Bearer {KEY} is bad") for code in (401, 403, 500)]
    replies += [echo, replace(echo, end="reset", after=4), Page(KEY), Page(f"<b>{KEY}</b>", "application/json")]
    seen = ""
    settings = replace(QUICK, timeout_s=0.3, attempts=1)
    with ClaudeServer(replies) as server:
        messages = ask_at(server.url, settings=settings)
        for _ in replies:
            try:
                seen += to_json(messages.ask(question(), books))
            except ProposerStop as error:
                seen += everything_of(error)
        server.key = "another"
        for unlucky in (messages, ask_at(closed_port(), settings=settings)):
            try:
                unlucky.ask(question(), books)
            except ProposerStop as error:
                seen += everything_of(error)
        assert all(logged.headers["authorization"] == f"Bearer {KEY}" for logged in server.log), "the key was used"
    assert "your key is [key], isn't it?" in seen
    assert len(server.log) == len(replies) + 1
    assert len(caplog.records) > 100, "the SDK has logged what it does"
    seen += "".join(map(to_json, books.all)) + "".join(books.said) + caplog.text + "".join(capfd.readouterr())
    seen += repr(messages) + str(messages) + repr(settings) + repr(messages.client)
    seen += "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in seen


def test_an_everyday_word_for_a_key_spoils_no_answer(books: Kept) -> None:
    with ClaudeServer([WHOLE, Status(403, message="frame is no key")], key="frame") as server:
        messages = Messages(replace(QUICK, base_url=server.url), key="frame")
        assert messages.ask(question(), books).answer == CODE
        assert "[key] is no key" in stopped(messages, books)
        messages.close()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"headers": {"X-Api-Key": "sk-1"}}, "'X-Api-Key' looks like a key"),
        ({"headers": {"authorization": "Bearer x"}}, "'authorization' looks like a key"),
        ({"base_url": "http://me:secret@127.0.0.1"}, "keys belong in the environment"),
        ({"base_url": "http://127.0.0.1/?token=secret"}, "keys belong in the environment"),
        ({"base_url": "127.0.0.1:8080"}, "needs http:// or https://"),
        ({"base_url": "http://127.0.0.1:8080/v1/"}, "leave /v1 out"),
        ({"effort": "hard"}, "effort = 'hard'"),
        ({"model": ""}, "need a model's name"),
        ({"attempts": 0}, "attempts = 0: must be above 0"),
        ({"timeout_s": float("nan")}, "timeout_s = nan"),
        ({"max_tokens_code": -1}, "max_tokens_code = -1"),
        ({"retry_first_s": float("inf")}, "retry_first_s = inf"),
    ],
)
def test_settings_that_make_no_sense_or_hold_a_key_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        ClaudeSettings(**values)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
