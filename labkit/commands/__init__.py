"""What each command of the command line does."""

from labkit.commands.campaigns import audit, brief, evolve, lessons, propose, report, resume, show, stop
from labkit.commands.dashboard import dashboard
from labkit.commands.diff import diff
from labkit.commands.programs import compare, evaluate
from labkit.commands.tools import bench, clips, doctor, notebook

__all__ = [
    "audit",
    "bench",
    "brief",
    "clips",
    "compare",
    "dashboard",
    "diff",
    "doctor",
    "evaluate",
    "evolve",
    "lessons",
    "notebook",
    "propose",
    "report",
    "resume",
    "show",
    "stop",
]
