"""What each command of the command line does."""

from labkit.commands.campaigns import audit, brief, evolve, lessons, propose, report, show
from labkit.commands.diff import diff
from labkit.commands.programs import compare, evaluate
from labkit.commands.tools import bench, clips, doctor, notebook

__all__ = [
    "audit",
    "bench",
    "brief",
    "clips",
    "compare",
    "diff",
    "doctor",
    "evaluate",
    "evolve",
    "lessons",
    "notebook",
    "propose",
    "report",
    "show",
]
