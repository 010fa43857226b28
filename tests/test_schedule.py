"""What is measured first, by how many at once, and that the result does not depend on it."""

import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest

from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import JailError, LabkitError
from labkit.evaluate import Keep, Seats, evaluate, plan
from labkit.evaluate.crew import Crew
from labkit.evaluate.measure import measure
from labkit.evaluate.sharing import Ending, share_out
from labkit.jail import Limits, Nursery, choose
from labkit.rd import RDPoint

CODEC = """
import zlib
import numpy as np

def compress_video_frame(frame, frame_index, config):
    qp = config["qp"]
    {encoder}
    spent = sum(i * i for i in range({work}))
    return zlib.compress(b"".join((plane // (qp - 9)).tobytes() for plane in frame))

def decompress_video_frame(data, frame_index, config):
    w, h, qp = config["width"], config["height"], config["qp"]
    {decoder}
    y, u, v = np.split(np.frombuffer(zlib.decompress(data), np.uint8) * np.uint8(qp - 9), [w * h, w * h * 5 // 4])
    return y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)
"""
QPS = (12, 14, 16, 18)
WORK = 20_000
TIMES = ("encode_s", "decode_s", "encode_cpu_s", "decode_cpu_s", "peak_mib")


def codec(encoder: str = "", decoder: str = "", work: int = WORK) -> Candidate:
    return Candidate(CODEC.format(encoder=encoder, decoder=decoder, work=work))


def noise(name: str = "noise", frames: int = 2, width: int = 32, height: int = 16) -> Clip:
    samples = np.random.default_rng(7).integers(0, 256, (frames, width * height * 3 // 2), dtype=np.uint8)
    return Clip(name, samples, width, height, Fraction(25))


def timeless(points: Sequence[RDPoint]) -> list[RDPoint]:
    return [replace(point, **dict.fromkeys(TIMES, 0.0)) for point in points]


class Watch:
    """Called as progress: the most processes that this one had started at once, and every text."""

    def __init__(self) -> None:
        self.before = len(psutil.Process().children())
        self.most = 0
        self.told: list[tuple[int, int, str]] = []

    def __call__(self, done: int, total: int, what: str) -> None:
        self.most = max(self.most, len(psutil.Process().children()) - self.before)
        self.told.append((done, total, what))


def names(jobs: Sequence[tuple[Clip, int]]) -> list[tuple[str, int]]:
    return [(clip.name, qp) for clip, qp in jobs]


# --- the plan ----------------------------------------------------------------------------------------------


def test_small_clips_come_first_and_the_ends_of_a_curve_before_its_middle() -> None:
    large, small, same = noise("large", 9), noise("small"), noise("same")
    assert names(plan([large, small, same], [27, 22, 37, 32])) == [
        *[("small", qp) for qp in (37, 22, 27, 32)],
        *[("same", qp) for qp in (37, 22, 27, 32)],
        *[("large", qp) for qp in (37, 22, 27, 32)],
    ]


@pytest.mark.parametrize(("qps", "ordered"), [([30], [30]), ([30, 20], [30, 20]), ([20, 30], [30, 20])])
def test_a_plan_of_few_qps_has_each_once(qps: list[int], ordered: list[int]) -> None:
    assert [qp for _, qp in plan([noise()], qps)] == ordered


# --- seats -------------------------------------------------------------------------------------------------


def test_no_more_seats_are_given_than_there_are_and_each_comes_back() -> None:
    seats, never = Seats(2), threading.Event()

    def use_up() -> None:
        with seats.seat(never), ExitStack() as held:
            assert seats.spare(held)
            assert not seats.spare(held)
            raise RuntimeError("whatever happens")

    with pytest.raises(RuntimeError, match="whatever happens"):
        use_up()
    with ExitStack() as held:
        assert seats.spare(held)
        assert seats.spare(held)


def test_a_spare_seat_is_for_nobody_while_an_evaluation_waits_for_its_first() -> None:
    seats, never, seated = Seats(1), threading.Event(), threading.Event()

    def wait() -> None:
        with seats.seat(never):
            seated.set()

    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        assert seats.spare(held)
        waiting = pool.submit(wait)
        while not seats.wanted:
            threading.Event().wait(0.01)
        assert not seated.is_set()
        held.close()
        waiting.result(10)
    assert seated.is_set()
    assert not seats.wanted


def test_who_waits_for_a_seat_can_be_told_to_stop() -> None:
    seats, stop = Seats(1), threading.Event()
    stop.set()
    with seats.seat(threading.Event()):
        with pytest.raises(JailError, match="interrupted"), seats.seat(stop):
            pytest.fail("there was no seat")
        assert not seats.wanted


def test_no_seat_at_all_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="0 seats"):
        Seats(0)


# --- work shared out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_outcomes_are_in_order_whoever_made_them(workers: int) -> None:
    out = share_out(lambda _, item: item * 10, range(40), range(workers), lambda _: False, Ending(threading.Event()))
    assert out == list(range(0, 400, 10))


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_is_begun_after_the_last_outcome_and_nothing_before_it_is_missing(workers: int) -> None:
    out = share_out(lambda _, item: item, range(1000), range(workers), lambda one: one == 5, Ending(threading.Event()))
    assert out[:6] == [0, 1, 2, 3, 4, 5]
    assert len(out) < 1000


def test_what_is_raised_in_one_thread_ends_the_others_and_is_raised() -> None:
    ending = Ending(threading.Event())

    def work(worker: int, item: int) -> int:
        if worker == 0:
            raise OSError("the disk is full")
        assert ending.wait(20)  # as a nursery does: it looks whether to end
        raise JailError("interrupted by the lab")

    with pytest.raises(OSError, match="the disk is full"):
        share_out(work, range(2), range(2), lambda _: False, ending)


def test_an_ending_follows_the_event_around_it() -> None:
    outer = threading.Event()
    ending = Ending(outer)
    assert not ending.is_set()
    outer.set()
    assert ending.is_set()


# --- one candidate, several nurseries ----------------------------------------------------------------------


def measured(candidate: Candidate, seats: int, **more: object) -> tuple[Evaluation, Watch]:
    watch = Watch()
    clips = [noise("second", 3), noise("first")]
    return evaluate(candidate, clips, QPS, progress=watch, seats=Seats(seats, worth=0), **more), watch


def test_the_points_do_not_depend_on_the_number_of_nurseries(tmp_path: Path) -> None:
    alone, one = measured(codec(), 1, keep=Keep(tmp_path / "alone", y4m=True, picture_qp=16))
    shared, two = measured(codec(), 2, keep=Keep(tmp_path / "shared", y4m=True, picture_qp=16))
    assert (one.most, two.most) == (1, 2)
    assert timeless(shared.points) == timeless(alone.points)
    assert [(p.clip, p.qp) for p in shared.points] == [(clip, qp) for clip in ("second", "first") for qp in QPS]
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert len(contents(tmp_path / "alone")) == 8 + 8 + 2


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "enough", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)]
)
def test_a_stop_comes_after_the_same_point_and_leaves_the_same_files(enough: int, tmp_path: Path) -> None:
    asked: list[list[tuple[str, int]]] = []

    def hopeless(points: Sequence[RDPoint]) -> str:
        asked.append([(point.clip, point.qp) for point in points])
        return f"{len(points)} points say so" if len(points) == enough else ""

    alone, _ = measured(codec(), 1, keep=Keep(tmp_path / "alone"), hopeless=hopeless)
    shared, watch = measured(codec(), 2, keep=Keep(tmp_path / "shared"), hopeless=hopeless)
    assert watch.most == 2
    assert alone.stopped == shared.stopped == f"{enough} points say so"
    order = names(plan([noise("second", 3), noise("first")], QPS))
    assert {(point.clip, point.qp) for point in alone.points} == set(order[:enough])
    assert timeless(shared.points) == timeless(alone.points)
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert asked == 2 * [order[:count] for count in range(1, enough + 1)]


def test_after_the_last_point_nothing_is_hopeless() -> None:
    asked: list[int] = []
    whole = evaluate(codec(work=0), [noise()], QPS, hopeless=lambda points: asked.append(len(points)) or "")
    assert (asked, whole.stopped, len(whole.points)) == ([1, 2, 3], "", 4)


@pytest.mark.parametrize(
    ("encoder", "decoder", "stage", "qp"),
    [
        ("assert qp not in (14, 16)", "", Stage.ENCODE, 14),  # the third point: both nurseries fail in one wave
        pytest.param("", "assert qp != 12", Stage.DECODE, 12, marks=pytest.mark.slow),
        ("assert qp != 14", "assert qp != 12", Stage.DECODE, 12),  # encoded later, yet earlier in the plan
        pytest.param(
            "assert qp not in (14, 16)", "assert qp not in (12, 18)", Stage.DECODE, 18, marks=pytest.mark.slow
        ),
    ],
)
def test_the_failure_is_that_of_the_first_point_that_has_one(
    encoder: str, decoder: str, stage: Stage, qp: int, tmp_path: Path
) -> None:
    # the smoke run is at the first QP of the plan: a failure there would end it all
    guarded = codec(*(f"if config['frame_count'] > 3: {code}" if code else "" for code in (encoder, decoder)))
    found = []
    for seats in (1, 2):
        keep = Keep(tmp_path / str(seats))
        watch = Watch()
        clip = noise(frames=4)
        found.append(evaluate(guarded, [clip], QPS, keep=keep, progress=watch, seats=Seats(seats, worth=0)).failure)
        assert watch.most == seats
    assert found[0] == found[1]
    assert found[0] is not None
    assert (found[0].stage, found[0].qp, found[0].kind) == (stage, qp, FailureKind.RAISED)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


TELLS_TIMES = """
import time
import numpy as np

def compress_video(frames, config):
    started = time.monotonic()
    while time.monotonic() < started + 0.03:
        pass
    print(f"E {started:.6f} {time.monotonic():.6f}", flush=True)
    return b""

def decompress_video(data, config):
    started = time.monotonic()
    while time.monotonic() < started + 0.03:
        pass
    w, h = config["width"], config["height"]
    y, c = np.zeros((h, w), np.uint8), np.zeros((h // 2, w // 2), np.uint8)
    print(f"D {started:.6f} {time.monotonic():.6f}", flush=True)
    return [(y, c, c)] * config["frame_count"]
"""


def test_nothing_of_a_candidate_runs_beside_its_decoder() -> None:
    seats, never = Seats(3), threading.Event()
    with seats.seat(never), Crew(Candidate(TELLS_TIMES), Limits(), choose(), seats, never) as crew:
        assert crew.load() is None
        assert crew.fit(1000.0, 12) == 6
        assert len(crew.nurseries) == 3
        for _ in range(2):
            assert [one.failed() for one in crew.wave([(noise(), qp) for qp in range(20, 26)], None)] == [False] * 6
        told = re.findall(r"([ED]) ([\d.]+) ([\d.]+)", crew.output)
    assert sorted(kind for kind, _, _ in told) == ["D"] * 12 + ["E"] * 12
    encodes = [(float(start), float(end)) for kind, start, end in told if kind == "E"]
    decodes = sorted((float(start), float(end)) for kind, start, end in told if kind == "D")
    assert not [1 for (_, end), (start, _) in pairwise(decodes) if start < end]
    assert not [1 for start, end in encodes for begin, finish in decodes if start < finish and begin < end]


def test_a_crew_grows_only_where_it_is_worth_it_and_gives_back_what_others_wait_for() -> None:
    seats, never = Seats(2), threading.Event()
    with seats.seat(never), Crew(codec(), Limits(), choose(), seats, never) as crew, ExitStack() as held:
        assert crew.load() is None
        assert crew.fit(0.0, 100) == 1  # nothing left to do
        assert crew.fit(1000.0, 1) == 1  # one point cannot be shared
        assert crew.fit(1000.0, 100) == 4
        assert not seats.spare(held)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(seats.seat(never).__enter__)
            while not seats.wanted:
                threading.Event().wait(0.01)
            assert crew.fit(1000.0, 100) == 1
            other.result(10)


@pytest.mark.slow
def test_an_extra_nursery_that_does_not_load_is_none() -> None:
    started = time.time()
    late = Candidate(f"import time\nassert time.time() < {started + 3.0}, 'too late'\n" + codec(work=0).source)
    seats, never = Seats(2), threading.Event()
    with seats.seat(never), Crew(late, Limits(), choose(), seats, never) as crew, ExitStack() as held:
        assert crew.load() is None
        time.sleep(max(0.0, started + 3.1 - time.time()))
        assert crew.fit(1000.0, 100) == 1
        assert seats.spare(held)
        held.close()
        (point,) = crew.wave([(noise(), 18)], None)
        assert not point.failed()
        assert crew.fit(1000.0, 100) == 1
        assert len(crew.nurseries) == 2  # it is not tried again


def test_a_folder_that_cannot_be_written_ends_all_and_every_seat_comes_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    seats, watch = Seats(2, worth=0), Watch()
    with pytest.raises(LabkitError, match="cannot keep files"):
        evaluate(codec(), [noise(frames=4)], QPS, keep=Keep(tmp_path / "file"), seats=seats)
    with ExitStack() as held:
        assert seats.spare(held)
        assert seats.spare(held)
    assert Watch().before == watch.before


def test_a_stop_from_outside_ends_every_nursery() -> None:
    stop, seats, watch = threading.Event(), Seats(2, worth=0), Watch()

    def progress(done: int, total: int, what: str) -> None:
        watch(done, total, what)
        if watch.most == 2:
            stop.set()

    with pytest.raises(JailError, match="interrupted"):
        evaluate(codec(), [noise(frames=5)], QPS, progress=progress, stop=stop, seats=seats)
    assert Watch().before == watch.before
    with ExitStack() as held:
        assert seats.spare(held)
        assert seats.spare(held)


def test_evaluations_that_share_one_seat_take_turns() -> None:
    seats, watch = Seats(1), Watch()

    def run(work: int) -> Evaluation:
        return evaluate(codec(work=work), [noise()], QPS, progress=watch, seats=seats)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(run, (1000, 1001, 1002)))
    assert watch.most == 1
    assert [len(evaluation.points) for evaluation in found] == [4, 4, 4]


def test_a_failed_load_gives_the_seat_back() -> None:
    seats = Seats(1)
    for source in ("import numpy\nraise ValueError('no')\n", "import os\n"):
        evaluation = evaluate(Candidate(source), [noise()], QPS, seats=seats)
        assert evaluation.failure is not None
    with ExitStack() as held:
        assert seats.spare(held)


def test_a_measured_point_is_that_of_the_evaluation() -> None:
    with Nursery(codec(work=0), Limits()) as nursery:
        point = measure(nursery, noise(), 18, None)
    assert not isinstance(point, Failure)
    whole = evaluate(codec(work=0), [noise()], (18,))
    assert timeless(whole.points) == timeless([point])
