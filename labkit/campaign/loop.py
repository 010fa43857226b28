"""A campaign: its folder, its recorded generations, and the step that makes the next one."""

import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.adopt import REFERENCE, Decision, Verdict, judge, mean_bd_rate, only_best, versus
from labkit.anchors import AnchorShelf
from labkit.campaign.briefing import brief_of, last_version
from labkit.campaign.desk import CampaignDesk
from labkit.candidate import Evaluation, read_candidate
from labkit.clip import Clip
from labkit.errors import (
    AnchorError,
    CampaignError,
    JailError,
    NoCampaignError,
    NoProposalError,
    ProposerError,
    ProposerStop,
)
from labkit.evaluate import Keep, evaluate
from labkit.footage.library import find_clips
from labkit.jail import Level, Wall, raise_wall
from labkit.ledger import Entry, Ledger
from labkit.lineage import Lineage
from labkit.lock import stepping
from labkit.metrics import Distortion
from labkit.policy import normal_hash
from labkit.progress import ProgressFile
from labkit.propose.brief import Brief
from labkit.propose.choice import make_proposer
from labkit.propose.estimate import cost_lines
from labkit.propose.exchange import BYTES_A_TOKEN, estimated_tokens
from labkit.propose.prompt import prompt
from labkit.propose.proposer import Proposal, Proposer
from labkit.settings import ROOT, Settings, cache_folder, make_settings

if TYPE_CHECKING:
    import pandas as pd

_LIBRARIES = ("labkit", "numpy", "opencv-python-headless", "av", "scipy", "numba", "constriction")


@dataclass(frozen=True)
class Generation:
    """One recorded turn of the loop.

    Attributes:
        entries: its candidates with evaluation and verdict.
        champion: the entry that was to be beaten; None before there was one.
        wall_s: from its beginning to its last verdict (of the last process that worked on it).
    """

    number: int
    entries: tuple[Entry, ...]
    champion: Entry | None
    wall_s: float

    @property
    def adopted(self) -> Entry | None:
        """The candidate that became champion, if any did."""
        return next((entry for entry in self.entries if entry.version is not None), None)


class Campaign:
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
        """
        if not (folder / "ledger.sqlite").exists():
            if folder.exists() and any(folder.iterdir()):
                raise CampaignError(f"{folder} exists and holds no campaign; name another with --name")
            _check_that_it_can_begin(settings, proposer)
            _make_folder(folder)
        campaign = cls(folder, settings, proposer)
        try:
            campaign._remember_settings()
            if inherited and not campaign.ledger.lessons():
                campaign.ledger.record_lessons(0, inherited[1], f"campaign {inherited[0]}")
        except BaseException:
            campaign.close()
            raise
        return campaign

    def _remember_settings(self) -> None:
        known, now = self.ledger.settings(), self.settings.model_dump(mode="json")
        if known is not None and (changed := self.settings.differences(make_settings(known, str(self.folder)))):
            raise CampaignError(
                f"{self.folder} holds a campaign with other settings ({'; '.join(changed)}); "
                "use those, or start another with --name"
            )
        if known != now:
            self.ledger.record_settings(now, versions_in_use())

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
        return cls(folder, make_settings(known | more, str(folder)), proposer)

    def close(self) -> None:
        """Give the ledger back."""
        self.ledger.close()

    def __enter__(self) -> "Campaign":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- what is recorded ------------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The generation that runs next."""
        return len(self.ledger.ended())

    @property
    def complete(self) -> bool:
        """Whether all generations that were asked for are recorded."""
        return self.next_number > self.settings.generations

    @property
    def champion(self) -> Entry | None:
        """The version to beat."""
        return last_version(self.ledger.entries())

    def entry(self, number: int) -> Entry:
        """Return one candidate's line.

        Raises:
            CampaignError: there is none with this number.
        """
        entries = self.ledger.entries()
        if not 0 <= number < len(entries):
            raise CampaignError(f"{self.folder} has entries 0 to {len(entries) - 1}, not {number}")
        return entries[number]

    def recorded(self, number: int) -> Generation:
        """Return a generation as the ledger has it, complete or not."""
        entries = self.ledger.entries()
        before = [entry for entry in entries if entry.generation < number]
        ours = tuple(entry for entry in entries if entry.generation == number)
        return Generation(number, ours, last_version(before), self.ledger.ended().get(number, 0.0))

    def against(self, evaluation: Evaluation, anchor: str = REFERENCE) -> float | None:
        """Return the mean BD-rate against an anchor in percent, negative is better; None if there is none."""
        points = self.ledger.anchors().get(anchor, {})
        return mean_bd_rate(versus(evaluation, points, anchor)) if evaluation.points and points else None

    def table(self) -> "pd.DataFrame":
        """Return one row for each candidate: what it was, what was measured, what became of it."""
        import pandas as pd  # half a second that most commands do not need

        return pd.DataFrame([_row(self, entry) for entry in self.ledger.entries()])

    @cached_property
    def clips(self) -> list[Clip]:
        """The clips of the campaign, checked against those that it began with."""
        clips = find_clips(self.settings.clips, self.settings.frames or None)
        self.ledger.record_clips(clips)
        return clips

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

    def keep(self, entry_number: int) -> Keep:
        """Return where an entry's bitstreams and pictures are kept."""
        qps = self.settings.qps
        return Keep(self.folder / "bitstreams" / f"{entry_number:04d}", picture_qp=qps[len(qps) // 2])

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
        if number not in self.ledger.generations():
            self.ledger.begin_generation(number, champion.version if champion else None, str(wall))
        clips = self.clips  # read once, before threads ask for them
        with _workers(self.settings.parallel, stop) as pool:
            missing = self._missing_anchors(clips) if number == 0 else ()
            anchors = [pool(self._measure_anchor, name, clip, progress) for name, clip in missing]
            self._propose(number, progress, stop)
            waiting = [entry for entry in self.ledger.entries(number) if entry.evaluation is None]
            measured = [pool(self._measure, entry, progress, stop) for entry in waiting]
            for job in (*measured, *anchors):
                job()
        if any(entry.verdict is None for entry in self.ledger.entries(number)):
            self._judge(number, champion)
        self._settle(number)
        self._prune(number)
        self.ledger.end_generation(number, time.monotonic() - started)

    def _missing_anchors(self, clips: Sequence[Clip]) -> list[tuple[str, Clip]]:
        known = self.ledger.anchors()
        return [
            (name, clip) for clip in clips for name in self.settings.anchors if clip.name not in known.get(name, {})
        ]

    def _measure_anchor(self, name: str, clip: Clip, progress: ProgressFile) -> None:
        job = f"{name} on {clip.name}"
        progress.report(job, 0, 1, "encoding")
        try:
            points = AnchorShelf(cache_folder() / "anchors", Distortion).curve(clip, name)
        except AnchorError as error:  # the candidates' figures stand without it: said aloud, shown in every report
            self.ledger.record_alert(0, "anchor missing", f"{name} on {clip.name}: {error}")
            progress.report(job, 1, 1, "not to be had")
            return
        self.ledger.record_anchor(name, points)
        progress.report(job, 1, 1, "measured")

    def _propose(self, number: int, progress: ProgressFile, stop: threading.Event) -> None:
        """Ask for the proposals that this generation still lacks; each is recorded before anything runs."""
        have = {entry.slot for entry in self.ledger.entries(number)}
        if number == 0:
            if self.settings.start and not have:
                start = read_candidate(ROOT / self.settings.start, "starting program")
                self._keep_proposal(0, 0, Proposal(start), start.proposer)
            return
        missing = [slot for slot in range(self.settings.candidates) if slot not in have]
        if not missing:
            return
        desk = CampaignDesk(
            self.ledger, self.folder, number, self.clips[0], max(self.settings.qps), self.settings.limits, self.wall,
            progress, stop, self.settings.budget_usd,
        )  # fmt: skip
        desk.recover()
        proposer = self._proposer or make_proposer(self.settings.proposer, self.settings.asking)
        with closing(proposer):
            proposer.catch_up(self.ledger.exchanges())
            self._learn(number, proposer, desk)
            for slot in missing:
                self._propose_one(number, slot, proposer, desk)
        progress.report("proposer", 1, 1, "all proposals are in")

    def _propose_one(self, number: int, slot: int, proposer: Proposer, desk: CampaignDesk) -> None:
        desk.arriving(f"slot {slot}", 0)
        try:
            proposal = proposer.propose(self.brief(number, slot), desk)
        except ProposerStop:
            raise
        except NoProposalError as error:
            desk.say(f"slot {slot}: {error}")
            self.ledger.record_alert(number, "nothing proposed", f"slot {slot}: {error}")
        except ProposerError as error:
            if slot == 0:
                raise
            self.ledger.record_alert(number, "nothing proposed", f"slot {slot}: {error}")
        else:
            self._keep_proposal(number, slot, proposal, proposer.name)

    def _keep_proposal(self, number: int, slot: int, proposal: Proposal, proposer: str) -> None:
        program = proposal.program or normal_hash(proposal.candidate.source)
        self.ledger.record_proposal(number, slot, proposal, proposer, program)

    def _learn(self, number: int, proposer: Proposer, desk: CampaignDesk) -> None:
        """Have the lessons rewritten when enough experiments have passed since the last time."""
        known = self.ledger.lessons()
        count = len(self.ledger.entries())
        if count - (known[-1].experiments if known else 0) < self.settings.claude.lessons_every:
            return
        try:
            lessons = proposer.learn(self.brief(number), desk)
        except NoProposalError as error:
            self.ledger.record_alert(number, "no lessons", str(error))
            return
        if lessons:
            self.ledger.record_lessons(count, lessons, f"experiments 0 to {count - 1}")

    def brief(self, number: int, slot: int = 0) -> Brief:
        """Return what a proposer may see before it writes a candidate."""
        return brief_of(self.ledger, self.settings, number, slot)

    def _measure(self, entry: Entry, progress: ProgressFile, stop: threading.Event) -> None:
        job = f"candidate {entry.number}"
        keep = self.keep(entry.number)
        shutil.rmtree(keep.folder, ignore_errors=True)  # what a killed process may have left
        evaluation = evaluate(
            entry.candidate, self.clips, self.settings.qps, self.settings.limits, keep,
            lambda done, total, what: progress.report(job, done, total, what), stop, self.wall,
        )  # fmt: skip
        progress.report(job, 1, 1, "measured" if evaluation.points else "failed")
        self.ledger.record_evaluation(entry.number, evaluation)

    def _judge(self, number: int, champion: Entry | None) -> None:
        """Record the verdicts on all candidates of a generation, in one transaction: they depend on each other."""
        anchors = self.ledger.anchors()
        beaten = champion.evaluation if champion else None
        verdicts: dict[int, Verdict] = {}
        for entry in self.ledger.entries(number):
            assert entry.evaluation is not None
            if number == 0:
                verdicts[entry.number] = _start_verdict(entry.evaluation, self.folder)
            else:
                verdicts[entry.number] = judge(entry.evaluation, beaten, self.settings.rule, anchors)
        verdicts, best = only_best(verdicts)
        version_number = 0 if champion is None or champion.version is None else champion.version + 1
        self.ledger.record_verdicts(verdicts, {best: version_number} if best is not None else {}, self.settings.rule)

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
        wanted = {f"{e.number:04d}" for e in self.ledger.entries() if e.version is not None or e.generation == number}
        for folder in (self.folder / "bitstreams").glob("*"):
            if folder.name not in wanted:
                shutil.rmtree(folder)


def _check_that_it_can_begin(settings: Settings, proposer: Proposer | None) -> None:
    """Raise before anything is written if the proposer, the starting program or a clip is not to be had."""
    if proposer is None:
        make_proposer(settings.proposer, settings.asking).close()
    if settings.start:
        read_candidate(ROOT / settings.start)
    find_clips(settings.clips, frames=1)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CampaignError(f"cannot make {folder}: {error.strerror}; name another place with --runs") from error


def versions_in_use() -> dict[str, str]:
    """Return the versions of what measures, and the machine, as stored with a campaign."""
    libraries = {name: version(name) for name in _LIBRARIES}
    return {**libraries, "python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}


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
    return Verdict(Decision.ADOPTED, ("version 0: the program that the campaign starts from, measured, not judged",))


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f} %"


def _row(campaign: Campaign, entry: Entry) -> dict[str, object]:
    evaluation, verdict = entry.evaluation, entry.verdict
    points = evaluation.points if evaluation else ()
    return {
        "number": entry.number,
        "generation": entry.generation,
        "version": entry.version,
        "proposer": entry.candidate.proposer,
        "hypothesis": entry.candidate.hypothesis,
        "bd_rate_pct": verdict.bd_rate_pct if verdict else None,
        "bd_rate_x265_pct": campaign.against(evaluation) if evaluation else None,
        "verdict": entry.outcome,
        "reason": "; ".join(verdict.reasons) if verdict else "",
        "bytes": sum(point.bytes for point in points) or None,
        "encode_s": sum(point.encode_s for point in points) or None,
        "decode_s": sum(point.decode_s for point in points) or None,
        "wall_s": evaluation.wall_s if evaluation else None,
        "candidate": entry.candidate.hash,
        "isolation": evaluation.isolation if evaluation else None,
    }
