"""The normal form of a program: what it does, without how it is written.

Comments, formatting, docstrings, annotations of functions and the names of local variables do not count; the
names of the module's own functions and constants do, and so does every number. Two sources with one hash are the
same program. Two that differ in more than names and layout, such as in the order of functions, have two.
"""

import ast
import hashlib
from collections.abc import Iterator
from typing import Any

from labkit.policy.checker import parsed
from labkit.policy.rules import Rules
from labkit.policy.scopes import Place, Program, Scope
from labkit.policy.text import too_long, unreadable

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LAYOUT = {"kind", "type_comment", "type_ignores"}  # u"", # type: comments


def normal_hash(source: str, rules: Rules) -> str | None:
    """Return the SHA-256, hex, of the normal form; None if the source cannot be parsed (the check says why)."""
    if too_long(source, rules) or next(unreadable(source, rules), None):
        return None
    tree = parsed(source, rules)
    if not isinstance(tree, ast.Module):
        return None
    _strip(tree)
    _Renaming(tree).apply()
    digest = hashlib.sha256()
    for part in _written(tree):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _strip(tree: ast.Module) -> None:
    """Take out docstrings, other statements that are but a constant, `pass`, and the annotations of functions."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, name, None), list):
                kept = [part for part in body if not _does_nothing(part)]
                setattr(node, name, kept or ([ast.Pass()] if name == "body" else []))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None


def _does_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


class _Renaming:
    """Numbers in place of the names that functions bind, in the order of the text; no name is a number."""

    def __init__(self, tree: ast.Module) -> None:
        self._nodes = Program(tree).nodes
        self._scopes = {id(node): place.scope for node, place in self._nodes}
        # what a call names is part of the function's face: f(a, b) and f(b, a) differ if anybody calls f(a=1)
        self._called = {node.arg for node, _ in self._nodes if isinstance(node, ast.keyword)}
        self._kept: set[tuple[int, str]] = set()
        self._numbers: dict[tuple[int, str], str] = {}

    def apply(self) -> None:
        """Rename the nodes in place."""
        for node, place in self._nodes:
            if isinstance(node, _FUNCTIONS):
                self._rename_parameters(node)
            self._rename(node, place)

    def _rename_parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        inside = self._scopes[id(node.body if isinstance(node, ast.Lambda) else node.body[0])]
        given = node.args
        self._kept |= {(id(inside), arg.arg) for arg in given.kwonlyargs}
        self._kept |= {(id(inside), arg.arg) for arg in given.args if arg.arg in self._called}
        rare = [arg for arg in (given.vararg, given.kwarg) if arg]
        for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs, *rare):
            parameter.arg = self._name(parameter.arg, inside)

    def _rename(self, node: ast.AST, place: Place) -> None:
        scope = place.scope
        match node:
            case ast.Name():
                node.id = self._name(node.id, scope)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                node.name = self._name(name, scope)
            case ast.MatchMapping(rest=str(name)):
                node.rest = self._name(name, scope)
            case ast.alias(asname=str(name)):
                node.asname = self._name(name, scope)
            case ast.Nonlocal(names=names):
                node.names = [self._name(name, scope) for name in names]
            case _ if isinstance(node, _DEFINITIONS):
                node.name = self._name(node.name, scope)

    def _name(self, name: str, scope: Scope) -> str:
        owner = scope.owner(name)
        if owner is None or owner.kind in ("module", "class") or (id(owner), name) in self._kept:
            return name
        return self._numbers.setdefault((id(owner), name), str(len(self._numbers)))


def _written(tree: ast.AST) -> Iterator[str]:
    """Yield the tree as words; a stack of its own, since the depth of a hostile source is not that of our calls."""
    stack: list[Any] = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, ast.AST):
            fields = [part for name, part in ast.iter_fields(value) if name not in _LAYOUT]
            yield f"{type(value).__name__} {len(fields)}"
            stack.extend(reversed(fields))
        elif isinstance(value, list):
            yield f"list {len(value)}"
            stack.extend(reversed(value))
        else:  # hex: a decimal of more than 4,300 digits is refused
            shown = hex(value) if isinstance(value, int) else repr(value)
            yield f"{type(value).__name__} {shown}"
