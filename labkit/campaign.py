"""The loop: brief, proposals, evaluations, verdict, ledger; one generation after the other.

Nothing here knows of notebooks: a notebook calls `Campaign.generation(number)`.
"""

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
from labkit.candidate import Evaluation, read_candidate
from labkit.clip import Clip
from labkit.errors import AnchorError, CampaignError, JailError, NoCampaignError, ProposerError
from labkit.evaluate import Keep, evaluate
from labkit.footage.library import find_clips
from labkit.jail import Level, Wall, raise_wall
from labkit.ledger import Entry, Ledger
from labkit.lineage import Lineage
from labkit.lock import stepping
from labkit.metrics import Distortion
from labkit.progress import ProgressFile
from labkit.propose.choice import make_proposer
from labkit.propose.proposer import Brief, Experiment, Proposal, Proposer
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
    def start(cls, folder: Path, settings: Settings, proposer: Proposer | None = None) -> "Campaign":
        """Make a campaign, or open the one in `folder` if it was asked for the same.

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
    def open(cls, folder: Path, proposer: Proposer | None = None) -> "Campaign":
        """Open a campaign that exists.

        Raises:
            NoCampaignError: there is none in `folder`.
        """
        if not (folder / "ledger.sqlite").exists():
            raise NoCampaignError(f"{folder} holds no campaign; `labkit evolve --name {folder.name}` makes one")
        with closing(Ledger.at(folder)) as ledger:
            known = ledger.settings()
        if known is None:
            raise CampaignError(f"{folder}: its ledger holds no settings: it broke off before it began; start it again")
        return cls(folder, make_settings(known, str(folder)), proposer)

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
        return _last_version(self.ledger.entries())

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
        return Generation(number, ours, _last_version(before), self.ledger.ended().get(number, 0.0))

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
            self._propose(number)
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

    def _propose(self, number: int) -> None:
        """Ask for the proposals that this generation still lacks; each is recorded before anything runs."""
        have = len(self.ledger.entries(number))
        if number == 0:
            if self.settings.start and not have:
                start = read_candidate(ROOT / self.settings.start, "starting program")
                self.ledger.record_proposal(0, 0, Proposal(start), start.proposer)
            return
        proposer = self._proposer or make_proposer(self.settings.proposer)
        for slot in range(have, self.settings.candidates):
            try:
                proposal = proposer.propose(self.brief(number, slot))
            except ProposerError as error:
                if slot == 0:
                    raise
                self.ledger.record_alert(number, "nothing proposed", f"slot {slot}: {error}")
                return
            self.ledger.record_proposal(number, slot, proposal, proposer.name)

    def brief(self, number: int, slot: int) -> Brief:
        """Return what a proposer may see before it writes a candidate."""
        entries = self.ledger.entries()
        champion = _last_version([entry for entry in entries if entry.generation < number])
        return Brief(
            generation=number,
            slot=slot,
            seed=self.settings.seed,
            champion=champion.candidate if champion else None,
            champion_version=champion.version if champion else None,
            experiments=tuple(map(_experiment, entries)),
        )

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
        make_proposer(settings.proposer)
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


def _last_version(entries: Sequence[Entry]) -> Entry | None:
    adopted = [entry for entry in entries if entry.version is not None]
    return max(adopted, key=lambda entry: entry.version or 0, default=None)


def _experiment(entry: Entry) -> Experiment:
    verdict = entry.verdict
    reason = "; ".join(verdict.reasons) if verdict else ""
    return Experiment(
        entry.number, entry.generation, entry.candidate.hash, entry.candidate.hypothesis, entry.outcome,
        verdict.bd_rate_pct if verdict else None, reason,
    )  # fmt: skip


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
