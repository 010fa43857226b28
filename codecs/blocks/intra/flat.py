"""Intra blocks are predicted by mid grey: the transform carries everything."""

ABOUT = {
    "rate": 100,
    "hypothesis": "intra blocks predicted by mid grey",
    "choices": {},
}


def plan_intra(plan, source, references, qp):
    """Leave the levels as they are: the prediction of an intra block is mid grey already."""


def code_modes(coder, plan, rows, columns):
    """There are no modes to code."""


def rebuild_intra(plan, planes, qp):
    """Leave the planes as they are."""
