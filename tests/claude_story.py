"""A model that follows a story: for each generation its plan and its programs, good, bad, cut, repeated, cheating."""

import json
from collections.abc import Iterable
from typing import Any

from claude_replies import Answer, Reply
from programs import DEAD_ZONE, IGNORES_QP, INTRA, PACKED, RAISES, REFUSED, WASTEFUL, changed

IDEAS = (
    "Dead zone for small luma levels: levels below six tenths of a step become zero",
    "LZMA in place of zlib behind the levels",
    "Chroma predicted from rebuilt luma by a linear model in each block",
    "Read the test clip's path from the environment",
    "Motion compensation of sixteen by sixteen macroblocks",
    "Trellis search over runs of zeros",
    "Deblocking filter over the block edges",
    "Palette mode for screen content",
)
BOTH = changed("packer = lzma", "packer = lzma", PACKED).replace(
    "levels = np.rint(coefficients / step).astype(np.int16)",
    "levels = np.trunc(coefficients / step + np.sign(coefficients) * 0.3).astype(np.int16)",
)
"""Dead zone and LZMA together."""
RENAMED = "# the same again\n" + DEAD_ZONE.replace("coefficients", "weights")
WRONG_NAMES = INTRA.replace("def compress_video_frame", "def encode").replace(
    "def decompress_video_frame", "def decode"
)
ENDLESS = changed("    packer = ", "    while True:\n        pass\n    packer = ")


def plan(*titles: str, expected: float = -5.0) -> Answer:
    hypotheses = [
        {"title": title, "bottleneck": "levels", "change": f"{title}, in encoder and decoder.",
         "expected_bd_rate_pct": expected, "risk": "it may cost time", "differs_from": []}
        for title in titles
    ]  # fmt: skip
    return Answer(json.dumps({"analysis": "Levels cost most.", "bottleneck": "levels", "hypotheses": hypotheses}))


def code(source: str) -> Answer:
    return Answer(f"Here it is.\n\n<codec>\n{source}\n</codec>\n")


def cut(source: str) -> Answer:
    return Answer(f"<codec>\n{source[: len(source) // 2]}", stop_reason="max_tokens")


TWO_BLOCKS = Answer("Two.\n```python\na = 1\n```\n```python\nb = 2\n```\n")
REFUSAL = Answer("", stop_reason="refusal")

STORY: dict[int, tuple[Reply, ...]] = {
    1: (plan(IDEAS[0]), code(DEAD_ZONE)),
    2: (plan(IDEAS[1]), cut(BOTH), code(BOTH)),
    3: (plan(IDEAS[2]), code(RENAMED), code(RENAMED), code(DEAD_ZONE)),
    4: (plan(IDEAS[3]), code(REFUSED), code(WASTEFUL)),
    5: (
        plan(IDEAS[4]),
        code(WRONG_NAMES),
        Answer("Two.\n```python\na = 1\n```\n```python\nb = 2\n```\n"),
        code(RAISES),
    ),
    6: (plan(IDEAS[5]), code(ENDLESS), code(IGNORES_QP)),
    7: (plan(IDEAS[0]), plan(IDEAS[6]), code(changed("* 0.3)", "* 0.25)", DEAD_ZONE))),
    8: (plan(IDEAS[7]), REFUSAL, REFUSAL),
}
"""By generation, in the order in which they are asked for."""

LESSONS = Answer("- A dead zone in luma pays at every QP.\n- LZMA beats zlib where levels are sparse.\n")


class Story:
    """A script for the server: the next reply of the generation that the question speaks of."""

    def __init__(self, story: dict[int, Iterable[Reply]] = STORY, lessons: Reply = LESSONS) -> None:  # type: ignore[assignment]
        self.left = {generation: list(replies) for generation, replies in story.items()}
        self.lessons = lessons

    def __call__(self, body: dict[str, Any]) -> Reply:
        if "haiku" in body["model"]:
            return self.lessons
        return self.left[generation_of(body)].pop(0)


def generation_of(body: dict[str, Any]) -> int:
    text = json.dumps(body["messages"][0])
    return int(text.rpartition("# Generation ")[2].partition("\\n")[0])
