"""Words of others inside a prompt: escaped, inside tags that they cannot close, cut to size and saying so."""

import re
from collections.abc import Sequence

TAGS = (
    "champion_source", "rate_points", "gaps", "bits", "worst_frames", "experiments", "lessons", "failures",
    "tried_ideas", "alerts", "rule", "clips", "codec", "hypothesis", "other_hypotheses", "trouble",
)  # fmt: skip
"""Every tag of a prompt, and the one around the code of an answer."""

# an opening tag is as good a lie as a closing one: data that opens <task> would look like ours
_FORGED = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join((*TAGS, 'task'))})\b)", re.IGNORECASE)
_LINE_ENDS = re.compile("\r\n?")


def size(text: str) -> int:
    """Return the bytes that a text has in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def printable(text: str) -> str:
    """Return `text` with everything that does not print as an escape, but for newlines and tabs; nothing forges a tag.

    Bidirectional and zero-width characters, terminal codes and lone surrogates do not print.
    """
    lines = _LINE_ENDS.sub("\n", text)
    if not lines.replace("\n", "").replace("\t", "").isprintable():
        lines = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in lines)
    return _FORGED.sub("&lt;", lines)


def on_one_line(text: str, most: int) -> str:
    """Return `text` on one line, cut to at most `most` characters."""
    line = " ".join(printable(text[: 8 * most]).split())  # what is cut need not be looked at
    return line if len(line) <= most else f"{line[: most - 3]}..."


def tagged(tag: str, text: str) -> str:
    """Return `text`, which must be printable already, inside a tag."""
    assert tag in TAGS, f"{tag!r} is not on the list, so that data could forge it"
    return f"<{tag}>\n{text}\n</{tag}>"


def fitted(items: Sequence[str], most: int, noun: str, last: bool = False) -> str:
    """Return as many items as `most` bytes hold, each on lines of its own, and how many were cut.

    The first item that does not fit is given in part where nothing else would be left.

    Args:
        noun: what the items are, in the plural: "(cut: 3 of 20 experiments)".
        last: keep the last items instead of the first.
    """
    text = "\n".join(items)
    if size(text) <= most:
        return text
    room = most - size(_cut(len(items), len(items), noun)) - 1
    kept: list[str] = []
    for item in reversed(items) if last else items:
        if size(item) + 1 > room:
            if not kept:
                kept.append(_beginning(item, room))
            break
        kept.append(item)
        room -= size(item) + 1
    missing = len(items) - len(kept)
    note = [_cut(missing, len(items), noun)] if missing else []
    return "\n".join([*note, *reversed(kept)] if last else [*kept, *note])


def _cut(missing: int, of: int, noun: str) -> str:
    return f"(cut: {missing} of {of} {noun})"


def _beginning(text: str, most: int) -> str:
    """Return the beginning of a text, and how much of it is missing, in at most `most` bytes."""
    room = max(most - size(_cut(len(text), len(text), "characters")) - 1, 0)
    begun = text.encode("utf-8")[:room].decode("utf-8", "ignore")
    return f"{begun} {_cut(len(text) - len(begun), len(text), 'characters')}"
