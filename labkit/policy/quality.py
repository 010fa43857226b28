"""What can be counted of a program without running it: functions, complexity, dependencies.

Cyclomatic complexity of a function is the number of its decisions plus one. A decision is each `if`, `elif`,
conditional expression, `for`, `while`, `except`, `assert`, each `for` and `if` of a comprehension, each `and` and `or`,
each `case` but a bare `case _`, and the guard of a case. A nested function has its own; a lambda's decisions are those
of the function around it.

Source:
    T. J. McCabe, "A Complexity Measure", IEEE Trans. Software Engineering SE-2(4), 1976, where a compound
    condition counts each of its parts; which parts of Python are decisions is as in the tool radon, and `match`
    as `if` and `elif`.
"""

import ast

from labkit.policy.checker import parsed
from labkit.policy.rules import Rules
from labkit.policy.text import too_long, unreadable

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ONE = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert)

Counted = tuple[list[tuple[str, int]], list[str]]
"""Each function with its complexity, in the order of the text; the modules, sorted."""


def counted(source: str, rules: Rules) -> Counted | None:
    """Return what the syntax tree of `source` shows; None if it cannot be parsed (the check says why)."""
    if too_long(source, rules) or next(unreadable(source, rules), None):
        return None
    tree = parsed(source, rules)
    return (_complexities(tree), _modules(tree)) if isinstance(tree, ast.Module) else None


def _complexities(tree: ast.Module) -> list[tuple[str, int]]:
    found: dict[ast.AST, tuple[str, int]] = {}
    # a stack of its own, since the depth of a hostile source is not that of our calls
    stack: list[tuple[ast.AST, str, ast.AST | None]] = [(tree, "", None)]
    while stack:
        node, name, function = stack.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            name = f"{name}.{node.name}" if name else node.name
        if isinstance(node, _FUNCTIONS):
            function = node
            found[node] = (name, 1)
        if function is not None:
            whole, so_far = found[function]
            found[function] = (whole, so_far + _decisions(node))
        stack += [(child, name, function) for child in reversed(list(ast.iter_child_nodes(node)))]
    return list(found.values())


def _decisions(node: ast.AST) -> int:
    """Return the decisions that a node is, those of its children not counted."""
    match node:
        case ast.comprehension(ifs=conditions):
            return 1 + len(conditions)
        case ast.BoolOp(values=values):
            return len(values) - 1
        case ast.match_case(pattern=ast.MatchAs(pattern=None), guard=None):  # takes all that is left, as an else does
            return 0
        case ast.match_case(guard=guard):
            return 2 if guard else 1
        case _:
            return int(isinstance(node, _ONE))


def _modules(tree: ast.Module) -> list[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level or (node.module or "").partition(".")[0])
    return sorted(found)
