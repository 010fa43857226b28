"""The static check itself: a source goes in, findings come out; nothing is ever run or imported."""

import ast
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from labkit.policy.contract import contract_findings
from labkit.policy.finding import Finding
from labkit.policy.paths import Paths
from labkit.policy.rules import Refusal, Rules
from labkit.policy.scopes import Place, Program
from labkit.policy.text import misleading, too_long, unreadable

_DUNDER = re.compile(r"__\w+__")
_FIELD = re.compile(r"\{[^{}]*\}")
_NAMES_IN_FIELD = re.compile(r"\.(\w+)")
_SIGNATURE = re.compile(r"[\w\s()\[\]:,.*>-]*")  # layouts of guvectorize too: (n),(n)->(n)
_SHOWN = 60
_ENOUGH = 1000  # findings of a hostile source that are looked at


def find(source: str, rules: Rules, missing: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what is refused in `source`, sorted by line; empty: nothing was found, which proves nothing.

    Args:
        missing: allowed modules that are not installed on this machine.
    """
    if long := too_long(source, rules):
        return (long,)
    unfit = list(unreadable(source, rules))
    if unfit:
        return tuple(unfit)
    found = list(islice(misleading(source), _ENOUGH))
    if len(found) >= rules.findings:
        return _listed(found, rules)
    tree = parsed(source, rules)
    if isinstance(tree, Finding):
        return _listed([*found, tree], rules)
    judged = islice(Judge(tree, rules, missing), _ENOUGH)
    return _listed([*found, *contract_findings(tree), *judged], rules)


def _listed(findings: Iterable[Finding], rules: Rules) -> tuple[Finding, ...]:
    """Return the findings by line, each once; of too many the first, and how many follow."""
    distinct = sorted(set(findings))
    if len(distinct) <= rules.findings:
        return tuple(distinct)
    shown = distinct[: rules.findings - 1]
    more = f"{len(distinct) - len(shown)} more findings follow"
    return (*shown, Finding(shown[-1].line, more, "they are left out", "correct these first"))


def parsed(source: str, rules: Rules) -> ast.Module | Finding:
    """Return the syntax tree, or why there is none that can be judged."""
    deep = Finding(0, "is nested too deep to be parsed", f"the limit is {rules.depth}", "name the parts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence" and the like are not refused
        try:
            tree = ast.parse(source)
            if line := _too_deep(tree, rules.depth):
                return Finding(line, "nests expressions or statements too deep", deep.why, deep.instead)
            compile(tree, "<candidate>", "exec", dont_inherit=True)  # 'return' outside function
        except SyntaxError as error:
            return _syntax(source, error)
        except (RecursionError, MemoryError):
            return deep
    return tree


def _syntax(source: str, error: SyntaxError) -> Finding:
    version = f"write Python {sys.version_info.major}.{sys.version_info.minor}"
    if source.lstrip().startswith("```"):
        return Finding(1, "starts with a Markdown fence", "a source is bare Python", "leave out the ``` lines")
    lines = source.splitlines()
    line = error.lineno or 0
    text = (error.text or (lines[line - 1] if 0 < line <= len(lines) else "")).strip()
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    what = f"syntax error in {shown!r}" if shown else "syntax error"
    return Finding(line, what, error.msg, version)


def _too_deep(tree: ast.Module, limit: int) -> int:
    """Return the line of the first node below `limit` levels, 0 if there is none."""
    level: list[ast.AST] = [tree]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return 0
    return next((line for node in level if (line := getattr(node, "lineno", 0))), 1)


class Judge:
    """Judges every node of one program; iterating yields the findings."""

    def __init__(self, tree: ast.Module, rules: Rules, missing: Iterable[str]) -> None:
        self._rules = rules
        self._missing = frozenset(missing)
        libraries = [name for name in rules.modules if name not in sys.stdlib_module_names]
        self._usable = ", ".join(name for name in libraries if name not in self._missing)
        self._program = Program(tree)
        self._paths = Paths(self._program, libraries)
        self._called = {node.func for node, _ in self._program.nodes if isinstance(node, ast.Call)}

    def __iter__(self) -> Iterator[Finding]:
        rules: dict[type[ast.AST], Callable[..., Iterator[Finding]]] = {
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.Constant: self._constant,
            ast.FunctionDef: self._definition,
            ast.AsyncFunctionDef: self._definition,
            ast.ClassDef: self._definition,
            ast.MatchClass: self._pattern,
        }
        for node, place in self._program.nodes:
            if rule := rules.get(type(node)):
                yield from rule(node, place)

    # --- imports ---

    def _import(self, node: ast.Import, place: Place) -> Iterator[Finding]:
        for alias in node.names:
            yield from self._module(node.lineno, alias.name, place)

    def _import_from(self, node: ast.ImportFrom, place: Place) -> Iterator[Finding]:
        if node.level:
            why = "a candidate is one file"
            yield Finding(node.lineno, "imports relatively", why, "write everything into this file")
            return
        module = node.module or ""
        refused = list(self._module(node.lineno, module, place))
        yield from refused
        for alias in node.names:
            if alias.name == "*":
                why = "nobody can see which names it brings"
                yield Finding(node.lineno, f"imports * from {module}", why, f"import {module}, or the names you use")
            elif not refused:
                yield from self._path(node.lineno, f"{module}.{alias.name}", "imports")
                yield from self._any_attribute(node.lineno, alias.name, "imports")

    def _module(self, line: int, module: str, place: Place) -> Iterator[Finding]:
        """Yield findings on an imported module: not allowed, not here, or a refused part of a library."""
        top = module.partition(".")[0]
        if top not in self._rules.modules:
            found = self._rules.refusal("modules", top) or self._rules.refusal("reached", top)
            usual = Refusal((), "it is not on the list of allowed modules", f"use {self._usable}")
            hint = found[1] if found else usual
            yield Finding(line, f"imports {module}", hint.why, hint.instead)
        elif top in self._missing and not place.guarded:
            what, why = f"imports {module}", f"{top} is allowed, but not installed here"
            instead = f"use what is installed: {self._usable}; a person may add it to the lab: pip install {top}"
            yield Finding(line, what, why, instead)
        else:
            yield from self._path(line, module, "imports")

    def _path(self, line: int, path: str, verb: str) -> Iterator[Finding]:
        """Yield findings on a dotted path that is reached: a refused name, another module, private parts."""
        top, *rest = path.split(".")
        if top not in self._rules.modules:
            return
        if found := self._rules.refusal("names", path):
            # what is called may lie below what is refused
            reached = f"{verb} {found[0]}{_dots(verb)}" if found[0] == path or verb == "imports" else f"uses {found[0]}"
            yield Finding(line, reached, found[1].why, found[1].instead)
            return
        for count, part in enumerate(rest, start=2):
            reached = f"{'imports' if verb == 'imports' else 'uses'} {'.'.join([top, *rest][:count])}"
            if part.startswith("_") and not _DUNDER.fullmatch(part):
                yield Finding(line, reached, f"{part} is private to {top}", f"use what {top} documents")
                return
            if found := self._rules.refusal("reached", part):
                yield Finding(line, f"{reached}, the module {part}", found[1].why, found[1].instead)
                return

    # --- names and attributes ---

    def _name(self, node: ast.Name, place: Place) -> Iterator[Finding]:
        verb = "calls" if node in self._called else "uses"
        if _DUNDER.fullmatch(node.id) and node.id not in self._rules.dunders:
            found = self._rules.refusal("builtins", node.id)
            if not found:
                yield self._dunder(node.lineno, node.id, "uses")
                return
        elif not isinstance(node.ctx, ast.Load) or not self._program.falls_back(node, place):
            return
        else:
            found = self._rules.refusal("builtins", node.id)
        if found:
            what = f"{verb} builtin {node.id}{_dots(verb)}"
            yield Finding(node.lineno, what, found[1].why, found[1].instead)

    def _attribute(self, node: ast.Attribute, place: Place) -> Iterator[Finding]:
        verb = "calls" if node in self._called else "uses"
        yield from self._any_attribute(node.lineno, node.attr, verb)
        paths = self._paths.of(node, place.scope)
        for path in paths:
            yield from self._path(node.lineno, path, verb)
        if not isinstance(node.ctx, ast.Load):
            yield from self._set(node, place)

    def _set(self, node: ast.Attribute, place: Place) -> Iterator[Finding]:
        """Yield a finding if an attribute of an imported module is set or deleted."""
        for base in self._paths.of(node.value, place.scope):
            allowed = any(f"{base}.".startswith(f"{path}.") for path in self._rules.settable)
            if base.partition(".")[0] in self._rules.modules and not allowed:
                verb = "deletes" if isinstance(node.ctx, ast.Del) else "sets"
                why = "it changes a library under everybody's feet"
                instead = "write a function or a subclass of your own"
                yield Finding(node.lineno, f"{verb} {base}.{node.attr}", why, instead)

    def _any_attribute(self, line: int, name: str, verb: str) -> Iterator[Finding]:
        """Yield a finding on an attribute that is refused on any object."""
        if _DUNDER.fullmatch(name):
            if name not in self._rules.dunders:
                yield self._dunder(line, f".{name}", verb)
        elif found := self._rules.refusal("attributes", name):
            yield Finding(line, f"{verb} .{name}{_dots(verb)}", found[1].why, found[1].instead)

    def _dunder(self, line: int, name: str, verb: str) -> Finding:
        why = "it leads into the interpreter, and is not on the list of allowed names of this form"
        return Finding(line, f"{verb} {name}", why, "use plain attributes, methods and operators")

    # --- the rest ---

    def _definition(self, node: ast.FunctionDef | ast.ClassDef, place: Place) -> Iterator[Finding]:
        if _DUNDER.fullmatch(node.name) and node.name not in self._rules.dunders:
            yield self._dunder(node.lineno, node.name, "defines")

    def _pattern(self, node: ast.MatchClass, place: Place) -> Iterator[Finding]:
        for name in node.kwd_attrs:
            yield from self._any_attribute(node.lineno, name, "matches")

    def _call(self, node: ast.Call, place: Place) -> Iterator[Finding]:
        for path in self._paths.of(node.func, place.scope):
            if path == "builtins.type" and (len(node.args) != 1 or node.keywords):
                what = "calls type(...) with three arguments"
                yield Finding(node.lineno, what, "it makes a class from text", "write a class statement")
            for keyword in node.keywords:
                found = self._rules.refusal("keywords", f"{path}.{keyword.arg}")
                if found and getattr(keyword.value, "value", True):  # cache=False asks for nothing
                    what = f"calls {path}({keyword.arg}=...)"
                    yield Finding(node.lineno, what, found[1].why, found[1].instead)
            if path.startswith("numba."):
                yield from _signatures(node)

    def _constant(self, node: ast.Constant, place: Place) -> Iterator[Finding]:
        size = _size(node.value)
        if size > self._rules.constant_kib * 1024:
            what = f"holds a constant of {size / 1024:.0f} KiB"
            why = f"the limit is {self._rules.constant_kib} KiB, so that no clip can be baked into a source"
            yield Finding(node.lineno, what, why, "compute the table instead of listing it")
        elif isinstance(node.value, str):
            for part in _FIELD.findall(node.value):
                for name in _NAMES_IN_FIELD.findall(part):
                    verb = f"holds the format field {part[:_SHOWN]}, which reads"
                    yield from self._any_attribute(node.lineno, name, verb)


def _signatures(call: ast.Call) -> Iterator[Finding]:
    """Yield a finding on each text that numba would evaluate and that is no signature."""
    texts = [part.value for arg in call.args for part in ast.walk(arg) if isinstance(part, ast.Constant)]
    for text in texts:
        if isinstance(text, str) and ("__" in text or not _SIGNATURE.fullmatch(text)):
            instead = "write types only, 'float32[:](float32[:], int64)', or no signature"
            what = f"hands numba the text {text[:_SHOWN]!r}"
            yield Finding(call.lineno, what, "numba evaluates signatures as code", instead)


def _dots(verb: str) -> str:
    return "(...)" if verb == "calls" else ""


def _size(value: object) -> int:
    """Return the size of a literal in bytes."""
    match value:
        case str():
            return len(value.encode("utf-8", "surrogatepass"))
        case bytes():
            return len(value)
        case int():
            return value.bit_length() // 8
    return 0
