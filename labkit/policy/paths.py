"""Which dotted paths of modules and builtins an expression may stand for."""

import ast
from collections.abc import Iterable

from labkit.policy.scopes import Program, Scope

# a hostile source may multiply its aliases; what lies beyond these is not followed
_MOST_PATHS = 16
_LONGEST_PATH = 8
_DEEPEST = 50


class Paths:
    """Resolves the expressions of one program; every answer is kept."""

    def __init__(self, program: Program, libraries: Iterable[str]) -> None:
        self._program = program
        self._libraries = frozenset(libraries)
        self._known: dict[object, frozenset[str]] = {}

    def of(self, node: ast.expr, scope: Scope, depth: int = 0) -> frozenset[str]:
        """Return everything that `node` may stand for: {"numpy.load"}; empty for an ordinary value.

        A container stands for what it holds: whoever takes an item gets one of its modules.
        """
        if depth > _DEEPEST:
            return frozenset()
        match node:
            case ast.Name(id=name):
                return self._name(name, scope, depth)
            case ast.Attribute():
                return self._attribute(node, scope, depth)
        key = (node, scope)
        if key not in self._known:
            self._known[key] = self._union([(part, scope) for part in _stands_for(node)], depth)
        return self._known[key]

    def _name(self, name: str, scope: Scope, depth: int) -> frozenset[str]:
        owner = scope.owner(name)
        if owner is None:
            return frozenset({f"builtins.{name}"})
        key = (name, owner)
        if key not in self._known:
            self._known[key] = frozenset()  # an alias of itself adds nothing
            self._known[key] = self._union(owner.origins.get(name, ()), depth)
        return self._known[key]

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> frozenset[str]:
        key = (node, scope)
        if key in self._known:
            return self._known[key]
        bases = self.of(node.value, scope, depth + 1)
        joined = frozenset(self._joined(base, node.attr) for base in bases)
        self._known[key] = joined or self._held(node.attr, depth)
        return self._known[key]

    def _held(self, attribute: str, depth: int) -> frozenset[str]:
        """Return what is ever assigned to an attribute of this name, of whatever object."""
        if attribute not in self._known:
            self._known[attribute] = frozenset()
            self._known[attribute] = self._union(self._program.attributes.get(attribute, ()), depth)
        return self._known[attribute]

    def _union(self, origins: Iterable[str | tuple[ast.expr, Scope]], depth: int) -> frozenset[str]:
        found: set[str] = set()
        for origin in origins:
            found |= {origin} if isinstance(origin, str) else self.of(*origin, depth + 1)
            if len(found) > _MOST_PATHS:
                return frozenset(sorted(found)[:_MOST_PATHS])
        return frozenset(found)

    def _joined(self, base: str, attribute: str) -> str:
        """Return base.attribute; one library seen through another is itself (cv2.numpy is numpy)."""
        if attribute in self._libraries:
            return attribute
        return base if base.count(".") > _LONGEST_PATH else f"{base}.{attribute}"


def _stands_for(node: ast.expr) -> list[ast.expr]:
    """Return the parts of an expression that its value may be, or may hold."""
    match node:
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.NamedExpr(value=value):
            return [value]
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts) | ast.BoolOp(values=parts):
            return parts
        case ast.Dict(values=parts):
            return parts
        case ast.IfExp(body=body, orelse=otherwise):
            return [body, otherwise]
    return []
