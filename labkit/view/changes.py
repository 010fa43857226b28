"""What a candidate changed, and how it failed: code beside its champion's, findings and output word by word."""

from markupsafe import Markup

from labkit.campaign import Campaign, Generation
from labkit.candidate import Evaluation
from labkit.ledger import Entry
from labkit.view.code import count_changes, show_code, show_diff
from labkit.view.fragment import Fragment, block, note, text

SHORT_LINES = 80
"""A change of at most so many lines is shown at once; a longer one is folded under its count."""


def show_change(entry: Entry, champion: Entry | None) -> Fragment:
    """Return a candidate's hypothesis and its code beside the champion that it met, folded if it is long."""
    title = f"candidate {entry.number}"
    pattern = '<div style="margin:8px 0"><b>{}</b>, {}, {}: {}{}</div>'
    html = Markup(pattern).format(
        title, text(entry.candidate.proposer), text(entry.candidate.hash[:12]),
        text(entry.candidate.hypothesis or "no hypothesis given"), _code(entry, champion),
    )  # fmt: skip
    return Fragment(html, title)


def _code(entry: Entry, champion: Entry | None) -> Markup:
    source = entry.candidate.source
    if champion is None:
        return show_code(source, "the whole program, there was no champion before it").html
    old, title = champion.candidate.source, f"champion v{champion.version}"
    change = count_changes(old, source)
    state = Markup(" open") if change.added + change.removed <= SHORT_LINES else ""
    code = show_diff(old, source, title, f"candidate {entry.number}")
    return Markup("<details{}><summary>{} against the {}</summary>{}</details>").format(state, change, title, code)


def show_champion(campaign: Campaign) -> Fragment:
    """Return the champion's hypothesis and code."""
    champion = campaign.champion
    if champion is None:
        return Fragment(note("There is no champion yet: nothing has been adopted."), "no champion")
    code = show_code(champion.candidate.source, f"code of v{champion.version}")
    words = f"v{champion.version}, generation {champion.generation}, {champion.candidate.proposer}: "
    return Fragment(note(words + champion.candidate.hypothesis) + code.html, f"champion v{champion.version}")


def show_changes(generation: Generation) -> Fragment:
    """Return hypothesis and code of every candidate of a generation."""
    parts = [show_change(entry, generation.champion).html for entry in generation.entries]
    return Fragment(Markup("").join(parts) or note("No candidate."), f"changes of generation {generation.number}")


def show_failures(generation: Generation) -> Fragment:
    """Return what the check found, what failed and what was printed, word by word."""
    parts = [
        Markup("<div><b>candidate {}</b></div>{}").format(entry.number, failure_blocks(entry.evaluation))
        for entry in generation.entries
        if entry.evaluation and (entry.evaluation.failure or entry.evaluation.output)
    ]
    return Fragment(
        Markup("").join(parts) or note("No findings, no failure, nothing printed."),
        f"failures of generation {generation.number}",
    )


def failure_blocks(evaluation: Evaluation) -> Markup:
    """Return a failure with its place, detail and output; what a sound candidate printed, too."""
    html, output = Markup(""), evaluation.output
    if failure := evaluation.failure:
        html += note(f"failed: {failure.kind} ({failure.place})") + block(failure.detail)
        output = failure.output or output
    return html + (note("it printed:") + block(output) if output else Markup(""))
