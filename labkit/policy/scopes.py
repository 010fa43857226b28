"""Which names a source binds where, and which dotted paths an expression may stand for.

Python's own scoping, read without running: a name that a function binds is never a builtin there; one of a
module or class body falls back to the builtin until it is bound. Aliases are followed without regard to
order: a name stands for everything that it is ever assigned.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

Position = tuple[int, int]
"""Line and column of a source."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
_STATEMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)
_NO_CHILDREN = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_END: Position = (sys.maxsize, 0)
_IMPORT_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception"}


@dataclass(eq=False)
class Scope:
    """One namespace: of the module, a class, a function or a comprehension.

    Attributes:
        first: for each bound name, from where on it may be bound.
        certain: for each name that is bound under no condition, from where on.
        origins: for each bound name, what it may stand for: dotted paths, or expressions with their scope.
        declared: names that a global or nonlocal statement gives to another scope.
    """

    kind: str
    parent: "Scope | None" = None
    first: dict[str, Position] = field(default_factory=dict)
    certain: dict[str, Position] = field(default_factory=dict)
    origins: dict[str, list["str | tuple[ast.expr, Scope]"]] = field(default_factory=lambda: defaultdict(list))
    declared: dict[str, str] = field(default_factory=dict)

    def owner(self, name: str) -> "Scope | None":
        """Return the scope that binds `name` as seen from here; None: it is a builtin or undefined."""
        scope: Scope | None = self.declaring(name)
        start = scope
        while scope is not None:
            if name in scope.first and (scope is start or scope.kind != "class"):
                return scope
            scope = scope.parent
        return None

    def declaring(self, name: str) -> "Scope":
        """Return the scope that an assignment to `name` here writes to."""
        scope = self
        while (word := scope.declared.get(name)) and scope.parent is not None:
            scope = scope.root if word == "global" else scope.parent
        return scope

    @property
    def root(self) -> "Scope":
        """The module's scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    @property
    def body(self) -> "Scope":
        """This scope, or the one that a comprehension stands in: its code runs where it stands."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(frozen=True)
class Place:
    """Where a node stands.

    Attributes:
        branched: whether it runs only under a condition, within its scope.
        guarded: whether a failing import is caught here.
        since: position from which on names bound by the node are bound; None: from the node itself.
    """

    scope: Scope
    branched: bool = False
    guarded: bool = False
    since: Position | None = None


class Program:
    """A parsed source with its scopes.

    Attributes:
        nodes: every node with its place, in the order of the text.
        attributes: values assigned to attributes of objects, by attribute name.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope("module")
        self.nodes: list[tuple[ast.AST, Place]] = []
        self.attributes: dict[str, list[tuple[ast.expr, Scope]]] = defaultdict(list)
        # a stack of its own: the depth of a hostile source is not the depth of our calls
        stack: list[tuple[ast.AST, Place]] = [(tree, Place(self.module))]
        while stack:
            node, place = stack.pop()
            if isinstance(node, _NO_CHILDREN):
                continue
            self.nodes.append((node, place))
            self._bind(node, place)
            stack.extend(reversed(list(_children(node, place))))

    def falls_back(self, name: ast.Name, place: Place) -> bool:
        """Return whether `name` may be the builtin where it is read."""
        owner = place.scope.owner(name.id)
        if owner is None:
            return True
        if owner.kind not in ("module", "class"):
            return False
        if owner is not place.scope.body:  # read by a function, which runs when the module is complete
            return name.id not in owner.certain
        bound = owner.first if place.branched else owner.certain
        return bound.get(name.id, _END) > (name.lineno, name.col_offset)

    def _bind(self, node: ast.AST, place: Place) -> None:
        """Record the names that `node` binds and what they may stand for."""
        scope = place.scope
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                _mark(name, node, place)
            case ast.Name(id=name, ctx=ast.Del()):
                scope.declaring(name).certain.pop(name, None)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                _mark(name, node, place)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                _mark(name, node, place)
            case ast.MatchMapping(rest=str(name)):
                _mark(name, node, place)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                word = "global" if isinstance(node, ast.Global) else "nonlocal"
                scope.declared.update(dict.fromkeys(names, word))
            case ast.Import() | ast.ImportFrom():
                for name, path in imported(node):
                    _mark(name, node, place)
                    scope.declaring(name).origins[name].append(path)
            case ast.NamedExpr(target=name_of, value=value):
                self._alias(name_of, value, scope, scope.body)
            case _:
                for target, value in _assignments(node):
                    self._alias(target, value, scope, scope)

    def _alias(self, whole: ast.expr, values: ast.expr, scope: Scope, into: Scope) -> None:
        """Record that `whole` in scope `into`, or what it unpacks to, may stand for `values` in `scope`."""
        pairs = [(whole, values)]
        while pairs:
            target, value = pairs.pop()
            match target:
                case ast.Name(id=name):
                    into.declaring(name).origins[name].append((value, scope))
                    if into.kind == "class":
                        self.attributes[name].append((value, scope))
                case ast.Attribute(attr=name):
                    self.attributes[name].append((value, scope))
                case ast.Starred(value=inner):
                    pairs.append((inner, value))
                case ast.Tuple(elts=parts) | ast.List(elts=parts):
                    pairs.extend(zip(parts, _parts(value, len(parts)), strict=True))


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield the names that an import binds, each with the dotted path that it stands for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"
        elif alias.asname:
            yield alias.asname, alias.name
        else:
            top = alias.name.partition(".")[0]
            yield top, top


def _mark(name: str, node: ast.AST, place: Place) -> None:
    owner = place.scope.declaring(name)
    since = place.since or (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    owner.first.setdefault(name, since)
    if not place.branched and owner is place.scope:
        owner.certain.setdefault(name, since)


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield targets with their values; a loop's target may be any part of what it runs over."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            yield target, value
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield target, value


def _parts(value: ast.expr, count: int) -> list[ast.expr]:
    """Return the values of `count` targets: one each where that is plain to see, else the whole for each."""
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == count:
        starred = any(isinstance(part, ast.Starred) for part in value.elts)
        return [value] * count if starred else value.elts
    return [value] * count


def _children(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    """Yield the children of `node`, each with its place."""
    here = replace(place, since=None) if place.since else place
    if isinstance(node, _FUNCTIONS):
        yield from _function(node, here)
    elif isinstance(node, ast.ClassDef):
        inner = Place(Scope("class", place.scope))
        body = set(node.body)
        yield from ((child, inner if child in body else here) for child in ast.iter_child_nodes(node))
    elif isinstance(node, _COMPREHENSIONS):
        yield from _comprehension(node, here)
    elif isinstance(node, _BRANCHES):
        yield from _branch(node, here)
    elif isinstance(node, _STATEMENTS):
        since = (node.end_lineno or 0, node.end_col_offset or 0)
        scope = place.scope.body if isinstance(node, ast.NamedExpr) else place.scope
        for child in ast.iter_child_nodes(node):
            bound = child is not node.value
            yield child, replace(here, since=since, scope=scope) if bound else here
    else:
        # targets may be nested in tuples: they keep the position of their statement
        inherited = place if isinstance(node, ast.Tuple | ast.List | ast.Starred) else here
        yield from ((child, inherited) for child in ast.iter_child_nodes(node))


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, here: Place
) -> Iterator[tuple[ast.AST, Place]]:
    """Yield decorators, defaults and annotations outside the function's scope, the rest inside."""
    inner = Place(Scope("function", here.scope))
    arguments = node.args
    listed = arguments.posonlyargs + arguments.args
    defaults = arguments.defaults
    given = [*zip(listed[len(listed) - len(defaults) :], defaults, strict=True)]
    given += [(arg, value) for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value]
    for parameter, default in given:
        inner.scope.origins[parameter.arg].append((default, here.scope))
        yield default, here
    rare = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
    for parameter in listed + arguments.kwonlyargs + rare:
        inner.scope.first[parameter.arg] = (0, 0)
        if parameter.annotation:
            yield parameter.annotation, here
    if isinstance(node, ast.Lambda):
        yield node.body, inner
        return
    yield from ((child, here) for child in [*node.decorator_list, node.returns] if child)
    yield from ((child, inner) for child in [*getattr(node, "type_params", []), *node.body])


def _comprehension(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, here: Place
) -> Iterator[tuple[ast.AST, Place]]:
    """Yield what the first loop runs over outside the comprehension's scope, the rest inside."""
    inner = replace(here, scope=Scope("comprehension", here.scope))
    place = here
    for loop in node.generators:
        for name in ast.walk(loop.target):
            if isinstance(name, ast.Name):
                inner.scope.origins[name.id].append((loop.iter, place.scope))
        yield loop.iter, place
        yield from ((child, inner) for child in [loop.target, *loop.ifs])
        place = inner
    results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    yield from ((child, inner) for child in results)


def _branch(node: ast.AST, here: Place) -> Iterator[tuple[ast.AST, Place]]:
    """Yield children as conditional; those of a try block that catches ImportError as guarded."""
    inner = replace(here, branched=True)
    guarded = replace(inner, guarded=True)
    block = set(node.body) if isinstance(node, ast.Try) and _catches_imports(node) else set()
    yield from ((child, guarded if child in block else inner) for child in ast.iter_child_nodes(node))


def _catches_imports(node: ast.Try) -> bool:
    caught = [handler.type for handler in node.handlers]
    names = {name.id for kind in caught if kind for name in ast.walk(kind) if isinstance(name, ast.Name)}
    return None in caught or bool(names & _IMPORT_GUARDS)
