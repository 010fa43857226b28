"""Recording a campaign's answers and handing them out again: in order, at no cost, never one twice."""

from dataclasses import replace
from pathlib import Path

import pytest
from claude_books import Kept, ask_at, question
from claude_books import _only_our_key as _only_our_key
from claude_books import books as books
from claude_faults import CODE
from claude_replies import Expired
from claude_server import KEY, Answer, ClaudeServer, Reply, Status

from labkit.errors import ProposerStop
from labkit.propose.exchange import Exchange, Question, Slip, Usage, to_json
from labkit.propose.record import Recorded, Recording

pytestmark = pytest.mark.usefixtures("_only_our_key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "recording"


def at(generation: int, slot: int, purpose: str = "code") -> Question:
    return replace(question(f"for {generation}, {slot}", purpose=purpose), generation=generation, slot=slot)


def exchange(name: str, asked: Question, stop_reason: str = "end_turn") -> Exchange:
    """Return an exchange as a ledger may hold it."""
    return Exchange(
        purpose=asked.purpose, model="m", request={}, answer=f"answer {name}", raw=None, stop_reason=stop_reason,
        usage=Usage(output_tokens=3), usd=0.5, price_date="2026-11", request_id="", id=name,
        generation=asked.generation, slot=asked.slot,
    )  # fmt: skip


class Ready:
    """An asker whose answers are ready."""

    def __init__(self, *exchanges: Exchange) -> None:
        self.exchanges, self.closed = list(exchanges), False

    def ask(self, question: Question, books: object, on_progress: object = None) -> Exchange:
        return self.exchanges.pop(0)

    def batch(self, questions: object, books: object, slip: object = None) -> list[Exchange]:
        return self.exchanges

    def reach(self) -> None:
        """Always here."""

    def close(self) -> None:
        self.closed = True


def lines(folder: Path) -> list[str]:
    return (folder / "exchanges.jsonl").read_text(encoding="ascii").splitlines()


def why(folder: Path) -> str:
    """Return why a folder cannot be replayed."""
    with pytest.raises(ProposerStop) as caught:
        Recorded(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_replay_gives_the_same_answers_and_costs_nothing(books: Kept, folder: Path) -> None:
    places = [at(1, 0, "plan"), at(1, 0), at(1, 0, "repair"), at(1, 0, "repair"), at(1, 1), at(2, 0, "plan")]
    broken: list[Reply] = [Status(529), Answer(CODE, end="drop", after=3)]
    replies = [*broken, *(Answer(f"{number} \N{LINE SEPARATOR}\n{CODE}") for number in range(len(places)))]
    with ClaudeServer(replies) as server:
        recording = Recording(ask_at(server.url), folder)
        answered = [recording.ask(asked, books) for asked in places]
        recording.close()
    assert len(books.all) == len(places) + 1, "what broke off was paid for"
    assert lines(folder) == [to_json(exchange) for exchange in answered]
    again, counts = Kept(), list[int]()
    recorded = Recorded(folder)
    # another order of places, as a campaign with other timing has it: each place keeps its own
    order = [4, 0, 1, 5, 2, 3]
    replayed = [recorded.ask(places[number], again, counts.append) for number in order]
    assert replayed == [replace(answered[number], usd=0.0, price_date="replayed") for number in order]
    assert again.all == replayed
    assert again.spent_usd() == 0.0
    assert counts == [exchange.usage.output_tokens for exchange in replayed]
    recorded.close()


def test_a_recorded_batch_is_replayed_without_one(books: Kept, folder: Path) -> None:
    questions, ids = [at(3, 0), at(3, 1), at(3, 2)], list[str]()
    with ClaudeServer([Answer("zero"), Expired(), Answer("two")]) as server:
        exchanges = Recording(ask_at(server.url), folder).batch(questions, books, Slip(submitted=ids.append))
    assert len(ids) == 1
    assert lines(folder) == [*map(to_json, exchanges)]
    again = Kept()
    replayed = Recorded(folder).batch(questions[::-1], again, Slip(submitted=ids.append))
    assert [exchange.answer for exchange in replayed] == ["two", "", "zero"]
    assert replayed[1].error == "no answer in the batch: expired"
    assert (again.all, again.spent_usd(), len(ids)) == (replayed, 0.0, 1)


def test_what_the_server_ended_is_recorded_and_what_broke_off_is_not(books: Kept, folder: Path) -> None:
    ends = ("end_turn", "", "cut", "refusal", "max_tokens")
    ready = Ready(*(exchange(f"ended by {end}", at(1, 0), end) for end in ends))
    recording = Recording(ready, folder)
    for _ in ends:
        recording.ask(at(1, 0), books)
    recording.close()
    assert ready.closed
    recorded = Recorded(folder)
    given = [recorded.ask(at(1, 0), Kept()).stop_reason for _ in range(3)]
    assert given == ["end_turn", "refusal", "max_tokens"]


def test_interrupted_ones_in_a_recording_are_not_handed_out(books: Kept, folder: Path) -> None:
    folder.mkdir(parents=True)
    text = "".join(to_json(exchange(f"{end}!", at(1, 0), end)) + "\n" for end in ("", "cut", "end_turn"))
    (folder / "exchanges.jsonl").write_text(text)
    recorded = Recorded(folder)
    assert recorded.ask(at(1, 0), books).stop_reason == "end_turn"
    with pytest.raises(ProposerStop, match="nothing more is recorded"):
        recorded.ask(at(1, 0), books)


def test_a_resumed_campaign_records_each_exchange_once(books: Kept, folder: Path) -> None:
    first, second, third = (exchange(name, at(1, slot)) for slot, name in enumerate("abc"))
    Recording(Ready(first), folder).ask(at(1, 0), books)
    # killed before the second was recorded: the ledger has it
    resumed = Recording(Ready(third, third), folder)
    resumed.catch_up([first, second])
    resumed.batch([], books)
    assert lines(folder) == [to_json(each) for each in (first, second, third)]


def test_half_a_line_that_a_killed_process_left_is_written_anew(books: Kept, folder: Path) -> None:
    first, second = exchange("a", at(1, 0)), exchange("b", at(1, 1))
    folder.mkdir(parents=True)
    path = folder / "exchanges.jsonl"
    for half in range(0, len(to_json(second)), 50):
        path.write_text(f"{to_json(first)}\n{to_json(second)[:half]}")
        Recording(Ready(), folder).catch_up([first, second])
        assert lines(folder) == [to_json(first), to_json(second)]


def test_a_resumed_replay_hands_out_what_is_left(books: Kept, folder: Path) -> None:
    repairs = [exchange(name, at(1, 0, "repair")) for name in "abc"]
    Recording(Ready(), folder).catch_up(repairs)
    Recorded(folder).ask(at(1, 0, "repair"), books)
    resumed = Recorded(folder)
    resumed.catch_up(books.all)
    assert [resumed.ask(at(1, 0, "repair"), books).id for _ in "bc"] == ["b", "c"]
    assert len(books.all) == 3


def test_an_exchange_that_is_recorded_twice_is_handed_out_once(books: Kept, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "exchanges.jsonl").write_text(f"{to_json(exchange('a', at(1, 0)))}\n" * 2)
    recorded = Recorded(folder)
    recorded.ask(at(1, 0), books)
    with pytest.raises(ProposerStop, match="nothing more"):
        recorded.ask(at(1, 0), books)


@pytest.mark.parametrize("asked", [at(2, 0), at(1, 1), at(1, 0, "repair")])
def test_a_place_without_an_answer_stops_the_replay(books: Kept, folder: Path, asked: Question) -> None:
    Recording(Ready(), folder).catch_up([exchange("a", at(1, 0))])
    with pytest.raises(ProposerStop) as caught:
        Recorded(folder).ask(asked, books)
    assert str(caught.value) == (
        f"{folder / 'exchanges.jsonl'}: nothing more is recorded for generation {asked.generation}, "
        f"slot {asked.slot}, {asked.purpose!r}; a replay can go only as far as its recording, with the same settings"
    )
    assert books.all == []


def test_a_replay_stops_when_told(books: Kept, folder: Path) -> None:
    Recording(Ready(), folder).catch_up([exchange("a", at(1, 0))])
    books.stop.set()
    with pytest.raises(ProposerStop, match="stopped as asked"):
        Recorded(folder).ask(at(1, 0), books)
    assert books.all == []


def test_a_recording_that_is_missing_is_named(folder: Path) -> None:
    assert (
        why(folder) == f"{folder / 'exchanges.jsonl'}: no recording to replay (No such file or directory); was it made?"
    )
    (folder / "exchanges.jsonl").mkdir(parents=True)
    assert "no recording to replay (Is a directory)" in why(folder)


GOOD = to_json(exchange("a", at(1, 0)))


@pytest.mark.parametrize(
    "bad", ["", "{", "[]", "7", '{"purpose": "code"}', GOOD[:-40], GOOD.replace('"a"', '""'), GOOD.replace("3", "é"),
            GOOD[:-1] + ', "more": 1}', '{"usage": 3}', '{"usage": null}']
)  # fmt: skip
def test_a_damaged_line_is_told_by_its_number(folder: Path, bad: str) -> None:
    folder.mkdir(parents=True)
    (folder / "exchanges.jsonl").write_text(f"{GOOD}\n{bad}\n{GOOD}\n")
    assert why(folder).startswith(f"{folder / 'exchanges.jsonl'}, line 2: not a recorded exchange (")
    with pytest.raises(ProposerStop, match="line 2: not a recorded exchange"):
        Recording(Ready(), folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProposerStop, match=r"answers cannot be recorded .*; give --record another folder"):
        Recording(Ready(), tmp_path / "file" / "recording")
    recording = Recording(Ready(), folder)
    (folder / "exchanges.jsonl").unlink()
    folder.rmdir()
    with pytest.raises(ProposerStop, match="answers cannot be recorded"):
        recording.catch_up([exchange("a", at(1, 0))])


def test_the_key_is_in_no_recording(books: Kept, folder: Path) -> None:
    with ClaudeServer([Answer(f"is it {KEY}?", thinking=KEY)]) as server:
        Recording(ask_at(server.url), folder).ask(question(f"my key is {KEY}"), books)
        assert KEY in str(server.log[0].headers)
    (line,) = lines(folder)
    assert "is it [key]?" in line
    assert KEY not in line
