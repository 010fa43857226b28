"""Measure a candidate: check its text, load it behind the wall, code every clip at every QP, score here."""

from labkit.evaluate.confirm import confirm
from labkit.evaluate.evaluation import evaluate, refused, try_out
from labkit.evaluate.measure import Keep, held_out_folder, measure, score
from labkit.evaluate.run import SMOKE_FRAMES, Hopeless, Progress
from labkit.evaluate.schedule import Seats, plan
from labkit.evaluate.shelf import Drawer, PointShelf
from labkit.evaluate.stress import robust, stress_clips

__all__ = [
    "SMOKE_FRAMES",
    "Drawer",
    "Hopeless",
    "Keep",
    "PointShelf",
    "Progress",
    "Seats",
    "confirm",
    "evaluate",
    "held_out_folder",
    "measure",
    "plan",
    "refused",
    "robust",
    "score",
    "stress_clips",
    "try_out",
]
