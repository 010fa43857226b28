"""What nothing that is kept can prove: said once, so that nobody takes it for proven."""

from labkit.audit.finding import Finding, stated
from labkit.audit.recorded import Recorded


def what_is_told(recorded: Recorded) -> list[Finding]:
    """Return the recorded things that no audit can compute again."""
    ledger = recorded.ledger
    points = sum(len(recorded.rows(table)) for table in ("rate_points", "held_out_points", "goal_points"))
    found = [
        stated(
            "clocks", f"seconds, CPU seconds and peak memory of {points} rate points, and when each row was written"
        ),
        stated("authors", f"who proposed the {len(recorded.entries)} candidates, with which hypothesis"),
        stated("settings", "limits, seed, proposer and what else no figure depends on that is kept"),
        stated("machine", "versions and machine; that a candidate ran behind the level that its rows name"),
        stated("clips", "where they came from, and what was changed at their import"),
        stated("notebooks/, report.html", "pictures of the ledger at their time; they are not compared with it"),
        stated("other files", "progress, lock, commits that no version's tag points at: they are not looked at"),
    ]
    if recorded.other_versions:
        told = f"{'; '.join(recorded.other_versions)}: figures are compared to within a millionth, not exactly"
        found.append(stated("other versions", told))
    if reported := recorded.rows("reported_bytes"):
        found.append(stated("where the bytes went", f"as encoders told of {len(reported)} rate points"))
    if cached := sum(entry.evaluation.cached for entry in recorded.entries if entry.evaluation):
        found.append(stated("cache", f"{cached} rate points were taken from it: their clocks are of an earlier run"))
    if further := recorded.rows("goal_points"):
        found.append(stated("distance to the goal", f"{len(further)} points beyond the curves, without containers"))
    if vmaf := recorded.rows("vmaf"):
        found.append(stated("VMAF", f"of {len(vmaf)} rate points, as ffmpeg gave it; it decides nothing"))
    if lessons := ledger.lessons():
        found.append(stated("lessons", f"{len(lessons)} states, as a model wrote them"))
    found.append(stated("alerts", f"{len(ledger.alerts())}, as they were raised"))
    return found
