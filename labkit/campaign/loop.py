"""A campaign: its folder, its recorded generations, and the step that makes the next one."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.adopt import (
    REFERENCE,
    Verdict,
    by_metric,
    judge,
    judge_round,
    metric_conflicts,
    start_verdict,
)
from labkit.campaign.alerts import Alert, alerts_of
from labkit.campaign.briefing import brief_of
from labkit.campaign.desk import CampaignDesk
from labkit.campaign.measuring import Measuring
from labkit.campaign.proposing import Proposing, keep_proposal
from labkit.campaign.record import Generation, Record
from labkit.campaign.visual import must_find, record_vmaf
from labkit.canaries import must_all_pass, sing
from labkit.candidate import Evaluation, read_candidate
from labkit.clip import Clip
from labkit.errors import (
    CampaignError,
    JailError,
    NoCampaignError,
)
from labkit.evaluate import Seats, held_out_folder
from labkit.footage.split import NONE, Split, split
from labkit.jail import Level, Wall, raise_wall
from labkit.ledger import HELD_OUT_ROLE, Entry, Ledger
from labkit.ledger.versions import versions_in_use
from labkit.lineage import Lineage
from labkit.lock import stepping
from labkit.policy import code_quality
from labkit.progress import ProgressFile
from labkit.propose.brief import Brief
from labkit.propose.choice import make_proposer
from labkit.propose.estimate import cost_lines
from labkit.propose.exchange import BYTES_A_TOKEN, estimated_tokens
from labkit.propose.prompt import prompt
from labkit.propose.proposer import Proposal, Proposer
from labkit.settings import ROOT, Settings, make_settings


class Campaign(Record):
    """A configuration and its generations: the folder `runs/<name>/`. Close it, or use it with `with`.

    Args:
        proposer: used instead of the one that the settings name.
    """

    def __init__(self, folder: Path, settings: Settings, proposer: Proposer | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self._proposer = proposer
        self.ledger = Ledger.at(folder)
        self.lineage = Lineage(folder, settings.remote)

    @classmethod
    def start(
        cls,
        folder: Path,
        settings: Settings,
        proposer: Proposer | None = None,
        inherited: tuple[str, Sequence[str]] | None = None,
    ) -> "Campaign":
        """Make a campaign, or open the one in `folder` if it was asked for the same.

        Args:
            inherited: name and lessons of another campaign, for one that has none of its own.

        Raises:
            CampaignError: the folder holds a campaign with other settings, or something else.
            ProposerStop: proposals are wanted yet, and whoever makes them is out of reach.
        """
        if not (begun := (folder / "ledger.sqlite").exists()):
            if folder.exists() and any(folder.iterdir()):
                raise CampaignError(f"{folder} exists and holds no campaign; name another with --name")
            _check_that_it_can_begin(settings, proposer)
            _make_folder(folder)
        campaign = cls(folder, settings, proposer)
        try:
            campaign._remember_settings()
            if begun:
                campaign._check_that_it_can_go_on()
            if inherited and not campaign.ledger.lessons():
                campaign.ledger.record_lessons(0, inherited[1], f"campaign {inherited[0]}")
        except BaseException:
            campaign.close()
            raise
        return campaign

    def _remember_settings(self) -> None:
        known, now = self.ledger.settings(), self.settings.model_dump(mode="json")
        if known is not None and (changed := self.settings.differences(_as_recorded(known, self.folder))):
            raise CampaignError(
                f"{self.folder} holds a campaign with other settings ({'; '.join(changed)}); "
                "use those, or start another with --name"
            )
        if known != now:
            self.ledger.record_settings(now, versions_in_use())

    def _check_that_it_can_go_on(self) -> None:
        """Raise before anything is measured if proposals are wanted yet and whoever makes them is out of reach."""
        number, last = self.next_number, self.settings.generations
        wanted = number < last or (number == last > 0 and len(self.ledger.entries(number)) < self.settings.candidates)
        if wanted and self._proposer is None:
            with closing(make_proposer(self.settings.proposer, self.settings.asking)) as named:
                named.reach()

    @classmethod
    def open(cls, folder: Path, proposer: Proposer | None = None, candidates: int | None = None) -> "Campaign":
        """Open a campaign that exists.

        Args:
            candidates: proposals in each generation, where it is not as the settings say.

        Raises:
            NoCampaignError: there is none in `folder`.
        """
        if not (folder / "ledger.sqlite").exists():
            raise NoCampaignError(f"{folder} holds no campaign; `labkit evolve --name {folder.name}` makes one")
        with closing(Ledger.at(folder)) as ledger:
            known = ledger.settings()
        if known is None:
            raise CampaignError(f"{folder}: its ledger holds no settings: it broke off before it began; start it again")
        more = {} if candidates is None else {"candidates": candidates}
        return cls(folder, _as_recorded(known | more, folder), proposer)

    def close(self) -> None:
        """Give the ledger back."""
        self.ledger.close()

    def __enter__(self) -> "Campaign":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- what it works with ----------------------------------------------------------------------------

    @cached_property
    def _split(self) -> Split:
        found = split(self.settings.clips, self.settings.held_out, self.settings.frames or None)
        self.ledger.record_clips(found.development)
        self.ledger.record_clips(found.held_out, HELD_OUT_ROLE)
        return found

    @property
    def clips(self) -> list[Clip]:
        """The clips to develop on, checked against those that the campaign began with."""
        return self._split.development

    @property
    def held_out(self) -> list[Clip]:
        """The clips that decide about adoptions and that no proposer hears of; checked likewise."""
        return self._split.held_out

    @cached_property
    def wall(self) -> Wall:
        """What candidates run behind: attacked once by each process, the same level from the first generation on.

        Raises:
            JailError: what was asked for does not stand here, or did not hold: nothing is run.
            CampaignError: the level that the campaign began with does not stand here.
        """
        begun = next(iter(self.ledger.generations().values()), None)
        settings = self.settings
        if begun is None:
            return raise_wall(Level(settings.min_isolation), settings.run_candidates_without_isolation)
        level = Level.of(begun.isolation)
        try:
            return raise_wall(without=level is Level.NONE, exactly=level)
        except JailError as error:
            raise CampaignError(f"{self.folder} began at {level} and goes on behind no other wall: {error}") from error

    def introduction(self) -> list[str]:
        """Return what a person should know before anything is asked: who proposes, and what it may cost."""
        with closing(self._proposer or make_proposer(self.settings.proposer, self.settings.asking)) as proposer:
            first = f"campaign {self.folder}, proposer: {proposer.name}"
        if self.settings.proposer != "claude":
            return [first]
        left = max(0, self.settings.generations + 1 - max(1, self.next_number))
        told = prompt(self.brief(self.next_number))
        start = (ROOT / self.settings.start).stat().st_size if self.settings.start and not self.next_number else 0
        tokens = estimated_tokens(told.text) + start // BYTES_A_TOKEN
        return [first, *cost_lines(self.settings.asking, tokens, left, self.ledger.cost_usd())]

    # --- the loop --------------------------------------------------------------------------------------

    def generation(self, number: int) -> Generation:
        """Return the recorded generation, or run it if it is the next one: never twice.

        Raises:
            CampaignError: it is neither recorded nor the next.
            BusyError: another process is running this campaign.
        """
        if number in self.ledger.ended():
            return self.recorded(number)
        with stepping(self.folder):
            if number != self.next_number:
                raise CampaignError(
                    f"{self.folder}: generation {number} cannot run, the next one is {self.next_number}"
                )
            self._step(number)
        return self.recorded(number)

    def by_hand(self, source: str) -> Generation:
        """Return a generation of its own for the program that a person, who is this campaign's proposer, has written.

        Raises:
            CampaignError: there is no version 0 yet, or somebody else's proposals are under way.
        """
        assert self._proposer is not None
        number, name = self.next_number, self._proposer.name
        under_way = self.ledger.entries(number)
        if number == 0:
            raise CampaignError(
                f"{self.folder} has no version 0 yet; run `labkit evolve --name {self.folder.name}` first"
            )
        if self.ledger.exchanges(number) or any(entry.candidate.proposer != name for entry in under_way):
            raise CampaignError(f"{self.folder}: generation {number} is under way; let `labkit evolve` end it first")
        if under_way and under_way[0].candidate.source != source:
            number = self.generation(number).number + 1  # another of theirs, which broke off: its verdict comes first
        return self.generation(number)

    def _step(self, number: int) -> None:
        """Do what a generation still lacks; whatever stands in the ledger already is not done again."""
        started, stop = time.monotonic(), threading.Event()
        progress = ProgressFile(self.folder, number)
        champion = self.recorded(number).champion
        wall = self.wall
        if number == 0:
            self._sing(progress, stop)
        if number not in self.ledger.generations():
            self.ledger.begin_generation(number, champion.version if champion else None, str(wall))
        measuring = self._measuring(progress, stop)
        with _workers(self.settings.parallel, stop) as pool:
            anchors = [pool(*job) for job in (self._encoders(measuring) if number == 0 else ())]
            self._propose(number, progress, stop)
            waiting = [entry for entry in self.ledger.entries(number) if entry.evaluation is None]
            measured = [pool(measuring.candidate, entry, champion) for entry in waiting]
            for job in (*measured, *anchors):
                job()
            if any(entry.verdict is None for entry in self.ledger.entries(number)):
                self._judge(number, champion, lambda entry: measuring.checks(entry, champion))
            if number == 0:
                self._prepare(measuring)
        self._settle(number)
        self._prune(number)
        if self.settings.vmaf:
            self._see(number, progress)
        self._look_around(number, progress)
        self.ledger.end_generation(number, time.monotonic() - started)

    def _measuring(self, progress: ProgressFile, stop: threading.Event) -> Measuring:
        apart = self._split  # read once, before threads ask for them
        seats = Seats(self.settings.parallel)
        return Measuring(
            self.ledger, self.settings, self.keep, apart.development, apart.held_out, self.wall, progress, stop, seats
        )

    def _sing(self, progress: ProgressFile, stop: threading.Event) -> None:
        """Measure programs whose results are known, and cheats that must lose: a campaign begins after that.

        Raises:
            LabkitError: one came out otherwise.
        """
        progress.report("canaries", 0, 1, "programs of known result")
        canaries = sing(self.wall, stop=stop)
        for canary in canaries:
            self.ledger.record_canary(canary.name, canary.expected, canary.came, canary.passed, str(self.wall))
        must_all_pass(canaries, self.wall.level.fenced)
        progress.report("canaries", 1, 1, f"{len(canaries)} came out as they must")

    def _encoders(self, measuring: Measuring) -> list[tuple[Any, ...]]:
        """Return the measurements of real encoders that are missing."""
        jobs: list[tuple[Any, ...]] = [(measuring.anchor, *one) for one in measuring.missing_anchors()]
        if self.settings.goal.anchor in self.settings.anchors:
            known = measuring.goal_anchors()
            jobs += [(measuring.goal_anchor, clip) for clip in self.clips if clip.name not in known]
        return jobs

    def _prepare(self, measuring: Measuring) -> None:
        """Measure what later versions are held against: the goal, version 0 on the way to it and on held-out clips."""
        champion = self.champion
        if self.settings.goal.anchor in self.settings.anchors:
            measuring.check_goal()
            if champion is not None:
                measuring.towards_goal(champion)
        if self.held_out and champion is not None:
            measuring.held_out_of(champion, "to compare with: version 0")

    def _see(self, number: int, progress: ProgressFile) -> None:
        for entry in self.ledger.entries(number):
            if entry.version is not None:
                record_vmaf(
                    self.ledger, entry, self.clips, self.keep(entry.number), self.settings.limits,
                    self.wall, self.settings.anchors, lambda what: progress.report("VMAF", 0, 1, what),
                )  # fmt: skip
        progress.report("VMAF", 1, 1, "measured")

    def _look_around(self, number: int, progress: ProgressFile) -> None:
        """Record what a person should look at."""
        found = alerts_of(self.ledger.entries(), number, self.ledger.held_out(), self.settings.stagnation)
        for alert in (*found, *self._disagreements(number)):
            self.ledger.record_alert(number, alert.kind, alert.text)
            progress.say(f"alert, {alert.kind}: {alert.text}")

    def _disagreements(self, number: int) -> list[Alert]:
        """Return where a new version gains by the metric that decides and loses by another."""
        turn = self.recorded(number)
        if not turn.adopted or not turn.adopted.evaluation or not turn.champion or not turn.champion.evaluation:
            return []
        compared = by_metric(turn.adopted.evaluation, turn.champion.evaluation.by_clip, "the champion")
        version = turn.adopted.version
        return [Alert("metrics disagree", f"version {version}, {text}") for text in metric_conflicts(compared)]

    def _propose(self, number: int, progress: ProgressFile, stop: threading.Event) -> None:
        """Ask for the proposals that this generation still lacks; each is recorded before anything runs."""
        have = {entry.slot for entry in self.ledger.entries(number)}
        if number == 0:
            if self.settings.start and not have:
                start = read_candidate(ROOT / self.settings.start, "starting program")
                keep_proposal(self.ledger, 0, 0, Proposal(start), start.proposer)
        elif missing := [slot for slot in range(self.settings.candidates) if slot not in have]:
            desk = CampaignDesk(
                self.ledger, self.folder, number, self.clips[0], max(self.settings.qps), self.settings.limits,
                self.wall, progress, stop, self.settings.budget_usd,
            )  # fmt: skip
            desk.recover()  # an answer that is paid for is booked whatever comes
            with closing(self._proposer or make_proposer(self.settings.proposer, self.settings.asking)) as proposer:
                Proposing(self.ledger, self.settings, proposer, desk).fill(number, missing)
            progress.report("proposer", 1, 1, "all proposals are in")

    def brief(self, number: int, slot: int = 0) -> Brief:
        """Return what a proposer may see before it writes a candidate."""
        return brief_of(self.ledger, self.settings, number, slot)

    def _judge(self, number: int, champion: Entry | None, check: Callable[[Entry], None]) -> None:
        """Record the verdicts on all candidates of a generation, in one transaction: they depend on each other."""
        entries, anchors = self.ledger.entries(number), self.ledger.anchors()
        beaten = champion.evaluation if champion else None
        code = code_quality(champion.candidate.source) if champion else None
        judged: dict[int, Verdict] = {}
        for entry in entries:
            assert entry.evaluation is not None
            if number == 0:
                judged[entry.number] = _start_verdict(entry.evaluation, self.folder)
            else:
                judged[entry.number] = judge(
                    entry.evaluation, beaten, self.settings.rule, anchors, code_quality(entry.candidate.source), code
                )
        wanted = self.settings.checks if number else ()
        while (found := judge_round(judged, self.ledger.checks(), wanted)).waiting is not None:
            check(next(entry for entry in entries if entry.number == found.waiting))
        version_number = 0 if champion is None or champion.version is None else champion.version + 1
        versions = {} if found.best is None else {found.best: version_number}
        self.ledger.record_verdicts(found.verdicts, versions, self.settings.rule)

    def _settle(self, number: int) -> None:
        """Make sure that the files, commits and tags of a judged generation stand, also after a crash between them."""
        for entry in self.ledger.entries(number):
            assert entry.verdict is not None
            if entry.version is None:
                self.lineage.keep_rejected(entry.number, entry.candidate, entry.verdict.reasons)
            else:
                self.lineage.adopt(entry.version, entry.candidate, self._trailers(entry))

    def _trailers(self, adopted: Entry) -> dict[str, str]:
        assert adopted.evaluation is not None
        assert adopted.verdict is not None
        return {
            "Generation": str(adopted.generation),
            "Candidate": adopted.candidate.hash,
            "Proposer": adopted.candidate.proposer,
            "BD-rate-champion": _percent(adopted.verdict.bd_rate_pct),
            f"BD-rate-{REFERENCE}": _percent(self.against(adopted.evaluation)),
            "Isolation": adopted.evaluation.isolation,
        }

    def _prune(self, number: int) -> None:
        """Keep the bitstreams of every version and of the latest generation; those of others can be made again."""
        entries = [e for e in self.ledger.entries() if e.version is not None or e.generation == number]
        folders = [self.keep(entry.number).folder for entry in entries]
        wanted = {path.name for folder in folders for path in (folder, held_out_folder(folder))}
        for folder in (self.folder / "bitstreams").glob("*"):
            if folder.name not in wanted:
                shutil.rmtree(folder)


def _check_that_it_can_begin(settings: Settings, proposer: Proposer | None) -> None:
    """Raise before anything is written if the proposer, the starting program or a clip is not to be had."""
    if proposer is None:
        with closing(make_proposer(settings.proposer, settings.asking)) as named:
            if settings.generations:
                named.reach()
    if settings.start:
        read_candidate(ROOT / settings.start)
    if settings.vmaf:
        must_find()
    split(settings.clips, settings.held_out, settings.frames or None)


def _as_recorded(values: dict[str, Any], folder: Path) -> Settings:
    """Return a campaign's settings; one that began before there were held-out clips has none."""
    return make_settings({"held_out": [NONE], **values}, str(folder))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CampaignError(f"cannot make {folder}: {error.strerror}; name another place with --runs") from error


@contextmanager
def _workers(count: int, stop: threading.Event) -> Iterator[Callable[..., Callable[[], None]]]:
    """Give a function that starts work and returns one that waits for it; when one fails, end the others."""
    with ThreadPoolExecutor(count) as executor:
        try:
            yield lambda work, *args: executor.submit(work, *args).result
        except BaseException:
            stop.set()
            executor.shutdown(cancel_futures=True)
            raise


def _start_verdict(evaluation: Evaluation, folder: Path) -> Verdict:
    if evaluation.failure is not None:
        raise CampaignError(
            f"{folder}: the starting program failed: {evaluation.failure}; "
            "mend it or choose another, and start a new campaign with --name"
        )
    return start_verdict(evaluation)


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f} %"
