"""How a brief becomes a prompt: three blocks in the order of their stability, so that a server can cache the first two.

The frozen block is the same in every generation of a campaign, the champion's as long as it is champion; the news
change each time and end with the task. The pages beside this file are what the model is told; the same brief gives
the same bytes.
"""

from dataclasses import dataclass

from labkit.propose.brief import Brief
from labkit.propose.prompt.sections import DEFAULT_LIMIT_KIB, Draft, champion, frozen, news, news_room
from labkit.propose.prompt.tasks import code_task, lessons_task, plan_task, repair_task
from labkit.propose.tags import size

__all__ = [
    "DEFAULT_LIMIT_KIB", "Prompt", "Section", "code_task", "lessons_task", "plan_task", "prompt", "repair_task",
]  # fmt: skip

BYTES_A_TOKEN = 3.6
"""Of English and Python, about; the server's count decides what is paid."""

KIB = 1024

TASK_BYTES = 10 * KIB
"""Kept free for the task."""


@dataclass(frozen=True)
class Section:
    """How much of a prompt one section is.

    Attributes:
        block: "frozen", "champion" or "news".
        bytes: in UTF-8; tokens_estimate: these / 3.6.
    """

    name: str
    block: str
    bytes: int
    tokens_estimate: int


@dataclass(frozen=True)
class Prompt:
    """What is sent: three texts, each but the last to be followed by a cache mark."""

    frozen: str
    champion: str
    news: str
    sections: tuple[Section, ...]

    @property
    def text(self) -> str:
        """All of it, for people."""
        return self.frozen + self.champion + self.news


def prompt(brief: Brief, limit_kib: int = DEFAULT_LIMIT_KIB, task: str = "") -> Prompt:
    """Return the prompt of a brief, at most `limit_kib` KiB of UTF-8; what does not fit is cut and counted.

    Args:
        task: "" for `plan_task(brief)`. Only the end of the news depends on it.

    Raises:
        ValueError: the limit is below what the contract and the rules alone need, or the task is too long.
    """
    task = task or plan_task(brief)
    if size(task) + 2 > TASK_BYTES:
        raise ValueError(f"the task has {size(task)} bytes; {TASK_BYTES - 2} are kept for it")
    fixed = frozen(brief, limit_kib * KIB // 2)
    room = limit_kib * KIB - _size(fixed) - news_room(limit_kib) - TASK_BYTES
    blocks = {
        "frozen": fixed,
        "champion": champion(brief, limit_kib, room),
        "news": [*news(brief, limit_kib), Draft("task", task)],
    }
    sections = tuple(
        Section(draft.name, block, _size([draft]), round(_size([draft]) / BYTES_A_TOKEN))
        for block, drafts in blocks.items()
        for draft in drafts
    )
    texts = {block: _joined(drafts) for block, drafts in blocks.items()}
    return Prompt(texts["frozen"], texts["champion"], texts["news"], sections)


def _joined(drafts: list[Draft]) -> str:
    return "".join(f"{draft.text}\n\n" for draft in drafts)


def _size(drafts: list[Draft]) -> int:
    return size(_joined(drafts))
