"""What is asked for behind the briefing: a plan, a program, a repair, lessons."""

from collections.abc import Sequence

from labkit.propose.brief import Brief, Experiment
from labkit.propose.plan import Hypothesis
from labkit.propose.prompt.sections import experiment_lines, page
from labkit.propose.tags import fitted, on_one_line, printable, tagged

_MOST_WORDS, _MOST_CHANGE = 400, 4000  # characters, bytes


def plan_task(brief: Brief) -> str:
    """Return the request for a plan."""
    return f"{_heading(brief)}\n\n{page('plan.md')}"


def code_task(brief: Brief, hypothesis: Hypothesis, others: Sequence[Hypothesis] = ()) -> str:
    """Return the request for the program of one hypothesis.

    Args:
        others: hypotheses that other candidates of this generation try: to be left alone.
    """
    parts = [_heading(brief), "This is the hypothesis to turn into a program:", _told(hypothesis)]
    if others:
        titles = [f"- {on_one_line(other.title, 160)}" for other in others]
        parts += [
            "Leave these alone, other candidates try them:",
            tagged("other_hypotheses", fitted(titles, 800, "ideas")),
        ]
    return "\n\n".join([*parts, page("code.md")])


def repair_task(trouble: str, source_kept: bool = True) -> str:
    """Return the request to mend a program.

    Args:
        trouble: the check's findings, the failure, or why an answer could not be used: word for word.
        source_kept: whether there was a whole program in the last answer.
    """
    begun = "Your program has a fault." if source_kept else "Your answer held no program that could be run."
    said = fitted(printable(trouble).split("\n"), 12 * 1024, "lines")
    return f"{begun} What the lab says of it, word for word:\n{tagged('trouble', said)}\n\n{page('repair.md')}"


def lessons_task(experiments: Sequence[Experiment], lessons: Sequence[str] = ()) -> str:
    """Return the request to rewrite the lessons; it stands for itself, without a briefing.

    Args:
        experiments: as a brief shows them: nothing in them of held-out clips.
        lessons: the former ones.
    """
    former = [f"- {on_one_line(lesson, 400)}" for lesson in lessons]
    parts = [page("lessons.md")]
    if former:
        parts.append(f"The lessons so far:\n{tagged('lessons', fitted(former, 12 * 1024, 'lessons'))}")
    told = fitted(experiment_lines(experiments), 64 * 1024, "experiments", last=True) or "(none yet)"
    return "\n\n".join([*parts, f"The experiments, oldest first:\n{tagged('experiments', told)}"])


def _heading(brief: Brief) -> str:
    beat = "There is no champion yet" if brief.champion is None else f"Beat version {brief.champion_version}"
    return f"# Generation {brief.generation}\n\n{beat}."


def _told(hypothesis: Hypothesis) -> str:
    rows = [
        f"title: {on_one_line(hypothesis.title, 160)}",
        f"bottleneck: {on_one_line(hypothesis.bottleneck, _MOST_WORDS)}",
        f"expected BD-rate: {hypothesis.expected_bd_rate_pct:+.1f} %",
        f"risk: {on_one_line(hypothesis.risk, _MOST_WORDS)}",
        f"near experiments: {', '.join(f'#{n}' for n in hypothesis.differs_from[:10]) or 'none'}",
        f"change: {fitted([printable(hypothesis.change)], _MOST_CHANGE, 'texts')}",
    ]
    return tagged("hypothesis", "\n".join(rows))
