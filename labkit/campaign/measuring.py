"""One generation's measurements: anchors, candidates, and what a would-be adoption has to stand."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial

from labkit.adopt import cannot_win, judge_held_out
from labkit.anchors import AnchorShelf
from labkit.candidate import Check, Evaluation, Failure
from labkit.clip import Clip
from labkit.errors import AnchorError, SettingsError
from labkit.evaluate import Drawer, Keep, PointShelf, Seats, confirm, evaluate, held_out_folder, robust, score
from labkit.goal import FURTHER_QPS, Goal, check_goal, distance, lower, measure_anchor
from labkit.jail import Nursery, Wall
from labkit.ledger import DECISION, DEVELOPMENT, GOAL, HELD_OUT_ROLE, Entry, Ledger
from labkit.metrics import Distortion
from labkit.policy import code_quality
from labkit.progress import ProgressFile
from labkit.rd import RDPoint
from labkit.settings import Settings, cache_folder

ROBUSTNESS, HELD_OUT = "robustness", "held out"


@dataclass
class Measuring:
    """What measures in one generation.

    Attributes:
        keep: where an entry's bitstreams and pictures are kept.
        clips: for development; `held_out` for nothing but adoptions.
        seats: shared by all evaluations, so that their rate points fill the cores.
    """

    ledger: Ledger
    settings: Settings
    keep: Callable[[int], Keep]
    clips: Sequence[Clip]
    held_out: Sequence[Clip]
    wall: Wall
    progress: ProgressFile
    stop: threading.Event
    seats: Seats

    @cached_property
    def _shelf(self) -> PointShelf | None:
        return PointShelf(cache_folder() / "points") if self.settings.cache else None

    # --- anchors -------------------------------------------------------------------------------------------

    def missing_anchors(self) -> list[tuple[str, Clip, str]]:
        """Return name, clip and role of every anchor's curve that the ledger lacks."""
        found = []
        for role, clips in ((DEVELOPMENT, self.clips), (HELD_OUT_ROLE, self.held_out)):
            known = self.ledger.anchors(role)
            found += [
                (name, clip, role) for clip in clips for name in self.settings.anchors
                if clip.name not in known.get(name, {})
            ]  # fmt: skip
        return found

    def anchor(self, name: str, clip: Clip, role: str) -> None:
        """Measure a real encoder on one clip and record it."""
        job = f"{name} on {clip.name}"
        self.progress.report(job, 0, 1, "encoding")
        try:
            points = AnchorShelf(cache_folder() / "anchors", Distortion).curve(clip, name)
        except AnchorError as error:  # the candidates' figures stand without it: said aloud, shown in every report
            about = "a held-out clip" if role == HELD_OUT_ROLE else f"{clip.name}: {error}"
            self.ledger.record_alert(0, "anchor missing", f"{name} on {about}")
            self.progress.report(job, 1, 1, "not to be had")
            return
        self.ledger.record_anchor(name, points, role)
        self.progress.report(job, 1, 1, "measured")

    def goal_anchors(self) -> dict[str, tuple[RDPoint, ...]]:
        """Return the rate points of the goal's anchor by clip."""
        return self.ledger.anchors(GOAL).get(self.settings.goal.anchor, {})

    def goal_anchor(self, clip: Clip) -> None:
        """Measure the goal's anchor on one clip, low rates too, and record it."""
        goal, job = self.settings.goal, f"goal on {clip.name}"
        self.progress.report(job, 0, 1, "encoding")
        try:
            points = measure_anchor(AnchorShelf(cache_folder() / "anchors", Distortion), clip, goal)
        except AnchorError as error:
            self.ledger.record_alert(0, "no goal", f"{clip.name}: {error}")
        else:
            self.ledger.record_anchor(goal.anchor, points, GOAL)
        self.progress.report(job, 1, 1, "measured")

    def check_goal(self) -> None:
        """Refuse a goal that was asked for and cannot be measured; of the usual one it is only told.

        Raises:
            SettingsError: the goal's anchor was measured around its rate on no clip.
        """
        try:
            check_goal(self.settings.goal, self.goal_anchors(), self.clips)
        except SettingsError as error:
            if self.settings.goal != Goal():
                raise
            self.ledger.record_alert(0, "no goal", str(error))

    # --- candidates ----------------------------------------------------------------------------------------

    def candidate(self, entry: Entry, champion: Entry | None) -> None:
        """Measure a candidate on the development clips and record it; stop when it can no longer win."""
        keep = self.keep(entry.number)
        shutil.rmtree(keep.folder, ignore_errors=True)  # what a killed process may have left
        beaten = champion.evaluation if champion else None
        hopeless: Callable[[Sequence[RDPoint]], str] | None = None
        if self.settings.early_stop and beaten is not None and entry.generation > 0:
            hopeless = partial(
                cannot_win, champion=beaten, rule=self.settings.rule, code=code_quality(entry.candidate.source),
                champion_code=code_quality(champion.candidate.source) if champion else None,
            )  # fmt: skip
        evaluation = self._evaluate(entry, self.clips, f"candidate {entry.number}", keep, hopeless)
        self.ledger.record_evaluation(entry.number, evaluation)

    def _evaluate(
        self,
        entry: Entry,
        clips: Sequence[Clip],
        job: str,
        keep: Keep | None = None,
        hopeless: Callable[[Sequence[RDPoint]], str] | None = None,
    ) -> Evaluation:
        evaluation = evaluate(
            entry.candidate, clips, self.settings.qps, self.settings.limits, keep, self._reporter(job), self.stop,
            self.wall, hopeless=hopeless, seats=self.seats, shelf=self._shelf,
        )  # fmt: skip
        end = "failed" if evaluation.failure else "stopped: it cannot win" if evaluation.stopped else "measured"
        self.progress.report(job, 1, 1, end)
        return evaluation

    def _reporter(self, job: str) -> Callable[[int, int, str], None]:
        return lambda done, total, what: self.progress.report(job, done, total, what)

    # --- would-be adoptions ----------------------------------------------------------------------------------

    def checks(self, entry: Entry, champion: Entry | None) -> None:
        """Make and record the checks that a would-be adoption still lacks, one after the other.

        Beside a decoder nothing of its candidate may run, and each use of the held-out clips counts: they are
        asked last, and not at all where another check was lost.
        """
        made = {check.kind for check in self.ledger.checks().get(entry.number, ())}
        missing = [kind for kind in self.settings.checks if kind not in made]
        self._from_fresh(entry, [kind for kind in missing if kind != HELD_OUT])
        if HELD_OUT in missing and all(check.passed for check in self.ledger.checks().get(entry.number, ())):
            self._held_out_check(entry, champion)

    def _from_fresh(self, entry: Entry, kinds: Sequence[str]) -> None:
        """Make some checks in one fresh nursery; confirmation comes first, and what is lost ends them."""
        left = [kind for kind in kinds if not self._passed_before(entry, kind)]
        if left or self._lacks_goal_points(entry):
            with self._nursery(entry) as fresh:
                if all(self._check(entry, kind, fresh).passed for kind in left):
                    self._goal_points(entry, fresh)

    def _passed_before(self, entry: Entry, kind: str) -> bool:
        """Record a check that the same program passed with the same bitstreams; return whether there is one."""
        assert entry.evaluation is not None
        known = self._drawer(entry).find_check(kind, entry.evaluation.points) if self._shelf else None
        if known is not None:
            self.ledger.record_check(entry.number, known)
        return known is not None

    def _drawer(self, entry: Entry) -> Drawer:
        assert self._shelf is not None
        return self._shelf.drawer(entry.candidate, self.settings.limits, self.wall.level)

    @contextmanager
    def _nursery(self, entry: Entry) -> Iterator[Nursery]:
        limits, level = self.settings.limits, self.wall.level
        with self.seats.seat(self.stop), Nursery(entry.candidate, limits, level, stop=self.stop) as nursery:
            yield nursery

    def towards_goal(self, entry: Entry) -> None:
        """Measure a version beyond its curve, as far as its distance to the goal needs it."""
        if self._lacks_goal_points(entry):
            with self._nursery(entry) as nursery:
                self._goal_points(entry, nursery)

    def _lacks_goal_points(self, entry: Entry) -> bool:
        """Record the points towards the goal that are in the cache; return whether others have to be measured."""
        found, missing = self._walk_to_goal(entry, None)
        if not missing:
            self.ledger.record_goal_points(entry.number, found)
        return missing

    def _goal_points(self, entry: Entry, nursery: Nursery) -> None:
        found, _ = self._walk_to_goal(entry, nursery)
        self.ledger.record_goal_points(entry.number, found)
        self.progress.report(f"candidate {entry.number}, goal", 1, 1, "measured")

    def _walk_to_goal(self, entry: Entry, nursery: Nursery | None) -> tuple[list[RDPoint], bool]:
        """Go on from each curve's end until it is below the goal; without a nursery as far as the cache reaches.

        Returns:
            The points, and whether one was missing.
        """
        anchors, goal = self.goal_anchors(), self.settings.goal
        assert entry.evaluation is not None
        found: list[RDPoint] = []
        for clip in (clip for clip in self.clips if clip.name in anchors):
            points = list(entry.evaluation.on(clip.name))
            for qp in FURTHER_QPS:
                there = distance(goal, points, anchors[clip.name], clip.width, clip.height, float(clip.fps))
                if not there.beyond(points):
                    break
                outcome = self._beyond(entry, clip, qp, nursery)
                if outcome is None:
                    return found, True
                # a failure beyond the QPs that are asked for is none of its; nor need a curve go on for ever
                if isinstance(outcome, Failure) or not lower(outcome, points):
                    break
                points.append(outcome)
                found.append(outcome)
        return found, False

    def _beyond(self, entry: Entry, clip: Clip, qp: int, nursery: Nursery | None) -> RDPoint | Failure | None:
        """Return a point from the cache or measured now; None if there is neither."""
        drawer = self._drawer(entry) if self._shelf else None
        if drawer and (known := drawer.find(clip, qp)) is not None:
            return known.measured.outcome
        if nursery is None or nursery.failure is not None:
            return None if nursery is None else nursery.failure
        self.progress.report(f"candidate {entry.number}, goal", 0, 1, f"{clip.name} QP {qp}")
        coded = nursery.encode(clip, qp)
        if isinstance(coded, Failure):
            return coded
        measured = score(nursery, clip, coded, None)
        if drawer:
            drawer.put(clip, qp, measured)
        return measured.outcome

    def _check(self, entry: Entry, kind: str, fresh: Nursery) -> Check:
        settings, evaluation = self.settings, entry.evaluation
        assert evaluation is not None
        job, stop = f"candidate {entry.number}, {kind}", self.stop
        given = (settings.limits, self.wall, stop, self._reporter(job), fresh)
        if kind == ROBUSTNESS:
            check = robust(entry.candidate, self.clips[0], settings.qps, *given)
        else:
            check = confirm(entry.candidate, self.clips, evaluation, self.keep(entry.number), *given)
        if self._shelf:
            self._drawer(entry).put_check(check, evaluation.points)
        if kind == ROBUSTNESS and not check.passed and settings.robustness == "warn":
            self.ledger.record_alert(entry.generation, "robustness", f"candidate {entry.number}: {check.detail}")
            check = replace(check, passed=True, detail=f"warned: {check.detail}")
        self.ledger.record_check(entry.number, check)
        self.progress.report(job, 1, 1, "passed" if check.passed else "lost")
        return check

    def _held_out_check(self, entry: Entry, champion: Entry | None) -> None:
        started = time.monotonic()
        beaten = self.held_out_of(champion, f"to compare with: version {champion.version}") if champion else None
        evaluation = self.held_out_of(entry, f"{DECISION}adoption of candidate {entry.number}")
        codes = [code_quality(one.candidate.source) if one else None for one in (entry, champion)]
        check = judge_held_out(evaluation, beaten, self.settings.rule, *codes)
        self.ledger.record_check(
            entry.number, replace(check, wall_s=time.monotonic() - started, cpu_s=evaluation.cpu_s)
        )

    def held_out_of(self, entry: Entry, purpose: str) -> Evaluation:
        """Return an entry's figures on the held-out clips, measured now if they were not before."""
        known = self.ledger.held_out().get(entry.number)
        if known is None:
            keep = Keep(held_out_folder(self.keep(entry.number).folder))
            shutil.rmtree(keep.folder, ignore_errors=True)
            known = self._evaluate(entry, self.held_out, f"candidate {entry.number}, held-out clips", keep)
            self.ledger.record_held_out(entry.number, known, purpose)
        return known
