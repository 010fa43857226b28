"""What can be said of a source before it is parsed: length, characters, nesting."""

import re
from collections.abc import Iterator

from labkit.policy.finding import Finding
from labkit.policy.rules import Rules

# controls but tab, newline, form feed and carriage return; soft hyphen, bidirectional and zero-width marks,
# line separators, surrogates, tags: what an editor hides or shows in another order than Python reads it
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_COOKIE = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")  # PEP 263
_UTF8 = re.compile(r"utf[-_]?8|(us[-_]?)?ascii", re.IGNORECASE)
# every alternative that opens a string also matches one that never closes, so the scan is one pass;
# quotes nested in f-strings (Python 3.12) may be taken for its end, which changes a depth by a few only
_TOKEN = re.compile(
    r'(?P<string>"""(?:[^\\]|\\.)*?(?:"""|\\?\Z)'
    r"|'{3}(?:[^\\]|\\.)*?(?:'{3}|\\?\Z)"
    r'|"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|\\?\Z)'
    r"|'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\\?\Z))"
    r"|#[^\r\n]*"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])"
    r"|(?P<foreign>[^\x00-\x7f]+)",
    re.DOTALL,
)
_LONGEST_F_STRING = 16 * 1024  # the parser's time grows with its square


def too_long(source: str, rules: Rules) -> Finding | None:
    """Return a finding if the source is over the limit; it must not be parsed then."""
    size = len(source.encode("utf-8", "surrogatepass"))
    if size <= rules.source_kib * 1024:
        return None
    why = f"the limit is {rules.source_kib} KiB, so that no clip can be baked into a source"
    return Finding(0, f"the source has {size / 1024:.0f} KiB", why, "compute tables instead of listing them")


def unreadable(source: str, rules: Rules) -> Iterator[Finding]:
    """Yield what makes the source unfit for the parser: hidden characters, too many nested brackets."""
    if found := _HIDDEN.search(source):
        why = "control, bidirectional and zero-width characters show another text than the one that runs"
        what = f"holds the character U+{ord(found[0]):04X}"
        yield Finding(_line(source, found.start()), what, why, "write it as an escape in a string, or drop it")
    depth = 0
    for token in _TOKEN.finditer(source):
        start = token.start()
        depth += (token["open"] is not None) - (token["close"] is not None)
        if depth > rules.brackets:
            what, why = f"nests brackets {depth} deep", f"the limit is {rules.brackets}"
            yield Finding(_line(source, start), what, why, "name the parts, or build them in a loop")
            return
        if token["string"] and len(token[0]) > _LONGEST_F_STRING and "f" in source[max(start - 2, 0) : start].lower():
            why = f"the limit is {_LONGEST_F_STRING // 1024} KiB"
            yield Finding(_line(source, start), "holds a very long f-string", why, "join shorter ones")
            return


def misleading(source: str) -> Iterator[Finding]:
    """Yield what reads otherwise than it runs: encoding cookies, identifiers outside ASCII."""
    for number, line in enumerate(source.split("\n", 2)[:2], start=1):
        if (cookie := _COOKIE.match(line)) and not _UTF8.fullmatch(cookie[1]):
            why = "a source is UTF-8; read otherwise, another text would run than was checked"
            yield Finding(number, f"declares the encoding {cookie[1]}", why, "drop the line")
    for token in _TOKEN.finditer(source):
        if token["foreign"] is not None:
            why = "Python takes look-alike letters for each other, so code (not strings) is ASCII"
            what = f"uses the character {token['foreign'][:20]}"
            yield Finding(_line(source, token.start()), what, why, "spell it out: lam, delta, alpha")


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
