"""Claude as a proposer: a plan for the generation, then for each slot a program and at most two repairs."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.candidate import Candidate
from labkit.errors import NoProposalError
from labkit.policy import normal_hash
from labkit.propose.brief import Brief
from labkit.propose.claude_settings import ClaudeSettings
from labkit.propose.exchange import Asker, Exchange, Question
from labkit.propose.plan import PLAN_SCHEMA, Hypothesis, Plan, Unusable, read_code, read_plan, repeats
from labkit.propose.prompt import code_task, lessons_task, plan_task, prompt, repair_task
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.propose.walk import Walk, answered, opening

REPAIRS = 2
PLANS = 2
"""How often a plan is asked for before the generation goes without."""

MOST_LESSONS, LESSON_CHARS = 12, 400


@dataclass(frozen=True)
class _Written:
    """A program as it came, and what is known of it: `trouble` is "" for one that runs."""

    candidate: Candidate
    program: str | None
    trouble: str


class ClaudeProposer(Proposer):
    """Turns a campaign's evidence into hypotheses and programs.

    Args:
        asker: a server, or a recording of one.
        candidates: how many slots a generation has: so many hypotheses are planned.
        batch: ask by message batches: half the price, up to a day for each round.
    """

    def __init__(
        self, asker: Asker, settings: ClaudeSettings, candidates: int, batch: bool = False, name: str = ""
    ) -> None:
        self.name = name or f"Claude ({settings.model}{', by message batches' if batch else ''})"
        self.asker, self._settings, self._candidates, self._batch = asker, settings, candidates, batch

    def catch_up(self, exchanges: Sequence[Exchange]) -> None:
        """Have a recording miss nothing of a resumed campaign, and a replay hand nothing out twice."""
        self.asker.catch_up(exchanges)

    def reach(self) -> None:
        """Make sure that the server is there."""
        self.asker.reach()

    def close(self) -> None:
        """Close the connections."""
        self.asker.close()

    def propose(self, brief: Brief, desk: Desk) -> Proposal:
        """Return a program for the hypothesis of this slot, which was checked and tried out.

        Raises:
            NoProposalError: no plan or no program came of it; the next slot may fare better.
            ProposerStop: asking on would not help: key, money, server.
        """
        walk = Walk(self.asker, desk, brief.generation, self._batch)
        hypotheses = self._plan(walk, brief, desk)
        if brief.slot >= len(hypotheses):
            raise NoProposalError(f"the plan has {len(hypotheses)} hypotheses that are new, this is slot {brief.slot}")
        slots = range(min(self._candidates, len(hypotheses)))
        # a kill while a batch is booked leaves some of its answers out: the same batch is looked at again
        if self._batch and brief.slot == 0 and not all(walk.has(slot, "code") for slot in slots):
            questions = [self._code_question(brief, slot, hypotheses) for slot in slots]
            walk.keep(walk.ask_together(questions, "all/code"))
        return self._program(walk, brief, hypotheses, desk)

    # --- the plan --------------------------------------------------------------------------------------

    def _plan(self, walk: Walk, brief: Brief, desk: Desk) -> tuple[Hypothesis, ...]:
        """Return the hypotheses that repeat nothing, at most one for each slot, the best first."""
        system, messages = opening(prompt(brief, task=plan_task(brief)))
        question = Question("plan", system, messages, self._settings.max_tokens_plan, schema=PLAN_SCHEMA)
        why = ""
        for _ in range(PLANS):
            exchange = walk.whole(question)
            plan = read_plan(exchange.answer)
            if isinstance(plan, Plan):
                fresh, repeated = _sorted_out(plan, brief)
                if brief.slot == 0:
                    for hypothesis in fresh[: self._candidates]:
                        desk.say(f"plan: {hypothesis.title} (expected {hypothesis.expected_bd_rate_pct:+.1f} %)")
                if fresh:
                    return fresh[: self._candidates]
                why = "; ".join(repeated)
            else:
                why = plan.reason
            desk.say(f"plan turned down: {why}")
            question = answered(question, exchange, f"This plan cannot be used: {why}. Give another one, as asked.")
        raise NoProposalError(f"no plan that could be used: {why}")

    # --- the program -----------------------------------------------------------------------------------

    def _code_question(self, brief: Brief, slot: int, hypotheses: Sequence[Hypothesis]) -> Question:
        others = [other for index, other in enumerate(hypotheses) if index != slot]
        system, messages = opening(prompt(brief, task=code_task(brief, hypotheses[slot], others)))
        return Question("code", system, messages, self._settings.max_tokens_code, slot=slot)

    def _program(self, walk: Walk, brief: Brief, hypotheses: Sequence[Hypothesis], desk: Desk) -> Proposal:
        question = self._code_question(brief, brief.slot, hypotheses)
        last: _Written | None = None
        trouble = ""
        for repair in range(REPAIRS + 1):
            exchange = walk.whole(question)
            code = read_code(exchange.answer)
            if isinstance(code, Unusable):
                trouble = code.reason
            else:
                last = self._tried(code, brief, hypotheses[brief.slot], desk)
                trouble = last.trouble
                if not trouble:
                    break
            left = REPAIRS - repair
            desk.say(f"slot {brief.slot}: {trouble.splitlines()[0]}; {f'repair {repair + 1}' if left else 'given up'}")
            reply = repair_task(trouble, source_kept=not isinstance(code, Unusable))
            question = _repair(answered(question, exchange, reply))
        if last is None:
            raise NoProposalError(f"no program came of {hypotheses[brief.slot].title!r}: {trouble}")
        if number := _known(last, brief):
            raise NoProposalError(number)
        # one that still fails is proposed all the same: the ledger keeps its source and the reason
        return Proposal(last.candidate, program=last.program)

    def _tried(self, code: str, brief: Brief, hypothesis: Hypothesis, desk: Desk) -> _Written:
        candidate = Candidate(code, self.name, hypothesis.text, brief.champion_hash)
        written = _Written(candidate, normal_hash(code), "")
        if known := _known(written, brief):
            return _Written(candidate, written.program, f"{known}; make the change that was planned")
        failure = desk.try_out(candidate)
        return _Written(candidate, written.program, "" if failure is None else f"{failure}\n{failure.output}".strip())

    # --- lessons ---------------------------------------------------------------------------------------

    def learn(self, brief: Brief, desk: Desk) -> tuple[str, ...]:
        """Return the lessons of all experiments so far, rewritten by the cheaper model; () if it gave none."""
        walk = Walk(self.asker, desk, brief.generation, batch=False)
        task = lessons_task(brief.experiments, brief.lessons)
        messages = [{"role": "user", "content": [{"type": "text", "text": task}]}]
        system = [{"type": "text", "text": "You keep the memory of a laboratory in which video codecs evolve."}]
        question = Question(
            "lessons", system, messages, self._settings.max_tokens_plan, effort="", model=self._settings.lessons_model
        )
        return read_lessons(walk.whole(question).answer)


def read_lessons(answer: str) -> tuple[str, ...]:
    """Return the lines of an answer that are lessons: those of its list, at most twelve."""
    lines = [line.strip() for line in answer.splitlines()]
    lessons = [line.lstrip("-*• ").strip() for line in lines if line.startswith(("-", "*", "•"))]
    return tuple(lesson[:LESSON_CHARS] for lesson in lessons if lesson)[:MOST_LESSONS]


def _sorted_out(plan: Plan, brief: Brief) -> tuple[tuple[Hypothesis, ...], list[str]]:
    """Return the hypotheses that are new, and for each other one what it repeats."""
    fresh: list[Hypothesis] = []
    repeated = []
    for hypothesis in plan.hypotheses:
        number = repeats(hypothesis.text, brief.ideas)
        if number is None and repeats(hypothesis.text, dict(enumerate(other.text for other in fresh))) is None:
            fresh.append(hypothesis)
        elif number is not None:
            repeated.append(f"{hypothesis.title!r} repeats experiment #{number}")
        else:
            repeated.append(f"{hypothesis.title!r} is in the plan twice")
    return tuple(fresh), repeated


def _known(written: _Written, brief: Brief) -> str:
    """Return which earlier experiment a program is, in words; "" for a new one."""
    number = brief.programs.get(written.program) if written.program else None
    if number is None:
        number = next((e.number for e in brief.experiments if e.candidate == written.candidate.hash), None)
    return "" if number is None else f"this is the very program of experiment #{number}"


def _repair(question: Question) -> Question:
    return Question(
        "repair", question.system, question.messages, question.max_tokens, question.effort, slot=question.slot
    )
