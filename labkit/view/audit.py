"""The truth report of an audit as HTML: what fails first, then what is only stated, what is proven folded."""

from collections.abc import Sequence

from markupsafe import Markup

from labkit.audit import AuditReport, Finding, Kind
from labkit.view.fragment import Fragment, note, table, text

_BANNERS = {True: "border:1px solid #1a7f37", False: "background:#b62324;color:#ffffff;font-weight:bold"}
_WORDS = {
    Kind.FAILED: "What fails: what is kept says otherwise, or evidence is missing.",
    Kind.STATED: "What is only stated: nothing that is kept proves it.",
    Kind.PROVEN: "What is proven: computed again from what is kept, with the same result.",
}


def show_audit(report: AuditReport) -> Fragment:
    """Return the three lists, failures first, behind a banner that is red if there is one."""
    style = f"{_BANNERS[report.passed]};padding:6px 12px;border-radius:4px;margin:6px 0;text-align:left"
    words = f"audit of {report.folder.name}: {report.summary}"
    html = Markup('<div style="{}">{}</div>').format(Markup(style), text(words))
    for kind in (Kind.FAILED, Kind.STATED, Kind.PROVEN):
        html += _listed(kind, report.of(kind))
    return Fragment(html, words)


def _listed(kind: Kind, findings: Sequence[Finding]) -> Markup:
    if not findings:
        return note("Nothing fails.") if kind is Kind.FAILED else Markup("")
    rows = table(("what", "found"), [(f.what, f.detail) for f in findings], prose=("found",))
    pattern = Markup("<details{}><summary>{}: {}. {}</summary>{}</details>")
    is_open = Markup("") if kind is Kind.PROVEN else Markup(" open")
    return pattern.format(is_open, text(kind), len(findings), _WORDS[kind], rows)
