"""Whether a source keeps one of the two forms of the codec contract."""

import ast
from collections.abc import Iterator
from typing import Literal

from labkit.policy.finding import Finding

Form = Literal["frame", "clip"]

_PAIRS: dict[Form, dict[str, tuple[str, ...]]] = {
    "frame": {
        "compress_video_frame": ("frame", "frame_index", "config"),
        "decompress_video_frame": ("data", "frame_index", "config"),
    },
    "clip": {
        "compress_video": ("frames", "config"),
        "decompress_video": ("data", "config"),
    },
}
_WANTED = " or ".join(
    " and ".join(f"{name}({', '.join(parameters)})" for name, parameters in pair.items()) for pair in _PAIRS.values()
)


def contract_findings(tree: ast.Module) -> Iterator[Finding]:
    """Yield what keeps the module from being a codec: no pair, half of one, two, or wrong arguments."""
    defined = _defined(tree)
    present = {form: [name for name in pair if name in defined] for form, pair in _PAIRS.items()}
    if not any(present.values()):
        yield Finding(0, "defines no codec", f"it must define, at the top level, {_WANTED}", _advice(tree))
    elif all(len(present[form]) == len(pair) for form, pair in _PAIRS.items()):
        line = defined["compress_video"].lineno
        yield Finding(line, "defines both pairs of contract functions", "one form must be measured", "rename one pair")
    else:
        yield from _halves(present, defined)
    for pair in _PAIRS.values():
        for name, parameters in pair.items():
            yield from _signature(name, parameters, defined.get(name))


def _halves(present: dict[Form, list[str]], defined: dict[str, ast.stmt]) -> Iterator[Finding]:
    for form, names in present.items():
        for missing in set(_PAIRS[form]) - set(names) if names else ():
            call = f"{missing}({', '.join(_PAIRS[form][missing])})"
            what = f"defines {names[0]} without {missing}"
            instead = f"define {call} at the top level, or rename {names[0]}"
            yield Finding(defined[names[0]].lineno, what, "a codec is both functions of a pair", instead)


def _signature(name: str, parameters: tuple[str, ...], node: ast.stmt | None) -> Iterator[Finding]:
    """Yield a finding if a contract function cannot be called with its arguments by position."""
    if isinstance(node, ast.AsyncFunctionDef):
        yield Finding(node.lineno, f"{name} is async", "its call returns no result", f"write def {name}")
    elif isinstance(node, ast.ClassDef):
        yield Finding(node.lineno, f"{name} is a class", "the contract asks for a function", f"write def {name}")
    # a decorator may change the arguments, which shows when it runs
    elif isinstance(node, ast.FunctionDef) and not node.decorator_list:
        given = node.args
        positional = len(given.posonlyargs) + len(given.args)
        required = positional - len(given.defaults)
        named_only = [arg.arg for arg, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if not value]
        enough = positional >= len(parameters) or given.vararg is not None
        if required > len(parameters) or not enough or named_only:
            why = f"it is called with {len(parameters)} arguments by position"
            instead = f"def {name}({', '.join(parameters)})"
            yield Finding(node.lineno, f"{name} takes other arguments", why, instead)


def _advice(tree: ast.Module) -> str:
    names = {name for pair in _PAIRS.values() for name in pair}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef) and part.name in names]
            if methods:
                return f"move {methods[0]} out of class {node.name}, to the top level of the module"
    return "define one pair; config holds qp, width, height, fps and frame_count"


def _defined(tree: ast.Module) -> dict[str, ast.stmt]:
    """Return what the module itself defines, in if, try and with blocks too: name and statement."""
    found: dict[str, ast.stmt] = {}
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found[name] = child
                case ast.Assign(targets=targets):
                    found.update({target.id: child for target in targets if isinstance(target, ast.Name)})
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                    found[name] = child
                case ast.If() | ast.Try() | ast.With() | ast.ExceptHandler():
                    queue.append(child)
    return found
