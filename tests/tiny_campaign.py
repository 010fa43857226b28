"""A real tiny campaign for tests of what people see: each outcome, hostile texts, reports, held-out clips, money."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from programs import DEAD_ZONE, INTRA, changed, silent

from labkit.adopt import Decision, Verdict
from labkit.campaign import Campaign
from labkit.candidate import Candidate, Evaluation
from labkit.footage.synthetic import synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.ledger import Entry
from labkit.propose.brief import Brief
from labkit.propose.exchange import Exchange, Usage
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.settings import make_settings

SCRIPT = "<script>alert(1)</script>"
RED = "\x1b[31mred\u202e"
CLIP, HELD_OUT = "pan <i>$1$ & _more", "seen by nobody"
SPENT_USD = 0.25


def telling(source: str) -> str:
    """Return a program that reports where its bytes go, under a hostile name."""
    lines = source.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("def compress_video_frame"))
    end = next(i for i in range(start + 1, len(lines)) if lines[i].strip().endswith('"""')) + 1
    report = f'    config["report"].update({{"luma $x$ {SCRIPT}": 300, "chroma": 100}})'
    return "\n".join([*lines[:end], report, *lines[end:]])


ADOPTED = telling(silent(DEAD_ZONE))
REFUSED = f'"""{SCRIPT} refused"""\nimport os\n# {SCRIPT} {RED}\n'
CRASHES = changed(
    "    packer = ", f"    print({SCRIPT!r}, {RED!r})\n    raise ValueError('<img src=x>')\n    packer = "
)
WORSE = INTRA + "# no change\n"


class Listed(Proposer):
    """Proposes the given sources one after the other."""

    name = f"a list {SCRIPT}"

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        source = next(s for s in (ADOPTED, REFUSED, CRASHES, WORSE) if Candidate(s).hash not in brief.tried)
        words = f"try {SCRIPT} {RED} $x$\nand more"
        return Proposal(Candidate(source, self.name, words, brief.champion_hash), cost_usd=SPENT_USD)


def make(folder: Path) -> Path:
    """Return the campaign below `folder`: entries 0 start, 1 adopted, 2 refused, 3 crashed, 4 rejected."""
    run = folder / "runs" / "tiny"
    if run.exists():
        return run
    folder.mkdir(parents=True)
    for name, seed in ((CLIP, 0), (HELD_OUT, 3)):
        clip = synthetic_clip("photo_pan", 96, 64, frames=3, seed=seed)
        write_y4m(folder / f"{name}.y4m", (clip.frame(i) for i in range(len(clip))), 96, 64, clip.fps)
    asked: dict[str, Any] = {
        "clips": [str(folder / f"{CLIP}.y4m")], "held_out": [str(folder / f"{HELD_OUT}.y4m")], "generations": 3,
        "anchors": ["x265-medium"], "budget_usd": 5.0, "rule": {"kind": "bd_rate", "min_gain_pct": 1.0},
    }  # fmt: skip
    with Campaign.start(run, make_settings(asked, "test"), Listed()) as campaign:
        for number in range(3):
            campaign.generation(number)
        campaign.ledger.record_exchange(exchange(1, 0, "plan"))
        campaign.ledger.record_exchange(exchange(1, 1, "code"))
    return run


def exchange(generation: int, slot: int, purpose: str) -> Exchange:
    """Return a request and an answer, hostile both."""
    request = {"system": [{"text": f"you are {SCRIPT}"}], "messages": [{"role": "user", "content": f"please {RED}"}]}
    answer = f"the answer to {purpose} {SCRIPT}"
    return Exchange(purpose, "model", request, answer, None, "end_turn", Usage(10, 0, 0, 0, 20), 0.5, "2026", "id",
                    id=f"{generation}-{slot}-{purpose}", generation=generation, slot=slot)  # fmt: skip


@contextmanager
def reopened(folder: Path) -> Iterator[Campaign]:
    """Open the campaign again."""
    with Campaign.open(folder) as campaign:
        yield campaign


def lengthen(campaign: Campaign, generations: int) -> None:
    """Add recorded generations of two candidates each, one adopted in three, made of figures that were measured."""
    ledger, first, version = campaign.ledger, campaign.next_number, len(adopted(campaign)) - 1
    (start,) = [entry for entry in adopted(campaign) if entry.version == 0]
    assert start.evaluation is not None
    for generation in range(first, first + generations):
        ledger.begin_generation(generation, version, "none")
        for slot in (0, 1):
            wins = slot == 0 and generation % 3 == 0
            source = INTRA + f"# generation {generation}, slot {slot}\n"
            candidate = Candidate(source, "test", f"idea {generation}.{slot} {SCRIPT}")
            number = ledger.record_proposal(generation, slot, Proposal(candidate, 0.01), "test")
            ledger.record_evaluation(number, _cheaper(start.evaluation, candidate, 0.995 ** (generation + slot)))
            version += wins
            decision = Decision.ADOPTED if wins else Decision.REJECTED
            verdict = Verdict(decision, (f"made for a test {SCRIPT}",), -0.5)
            ledger.record_verdicts({number: verdict}, {number: version} if wins else {}, campaign.settings.rule)
        ledger.end_generation(generation, 1.0)


def _cheaper(evaluation: Evaluation, candidate: Candidate, factor: float) -> Evaluation:
    points = tuple(
        replace(p, rate_kbps=p.rate_kbps * factor, bytes=int(p.bytes * factor), candidate=candidate.hash)
        for p in evaluation.points
    )
    return Evaluation(candidate.hash, "none", points)


def adopted(campaign: Campaign) -> list[Entry]:
    """Return the versions."""
    return [entry for entry in campaign.ledger.entries() if entry.version is not None]
