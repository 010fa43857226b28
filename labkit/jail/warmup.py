"""Beyond the wall: run a candidate once on a synthetic clip, so that numba compiles once, and leave no trace.

A codec that keeps its last frame in a module global would start the real clip with the synthetic one.
So every place of the module that can change is copied before and put back after: globals, class
attributes, default arguments, function attributes, closure cells, caches, the seeded generators of
`random` and `numpy`. What holds a value of a kind that we cannot copy is not warmed: slower, never
different. Imports nothing of labkit. Not covered: state put into a library's own modules, which the
static check refuses.
"""

import collections
import copy
import enum
import functools
import random
import re
import struct
import sys
import types

PLAIN = (type(None), bool, int, float, complex, str, bytes, range, slice, type(...))
CONTAINERS = (list, tuple, set, frozenset, dict, collections.deque, collections.defaultdict, collections.OrderedDict)
FIXED = (types.ModuleType, struct.Struct, re.Pattern, enum.Enum)
LRU_CACHE = type(functools.lru_cache(lambda: None))


class CannotCopyError(Exception):
    """A value of a kind that may hide state we cannot restore."""


def warm(program, config):
    """Encode and decode a synthetic clip and put everything back.

    Returns "warmed", "not warmed" (state of a kind that we cannot copy), or "tainted": compiled code
    has frozen a global that the candidate changes, so this process must not be used.
    Raises whatever the candidate raises: a codec that cannot code this clip is at fault.
    """
    try:
        before = Snapshot(program.module)
    except CannotCopyError:
        return "not warmed"
    code_once(program, config)
    tainted = before.frozen_globals_changed()
    before.restore()
    return "tainted" if tainted else "warmed"


def code_once(program, config):
    frames = [synthetic_frame(index, config["width"], config["height"]) for index in range(config["frame_count"])]
    if program.form == "clip":
        program.decompress(program.compress(frames, dict(config)), dict(config))
        return
    payloads = [program.compress(frame, index, dict(config)) for index, frame in enumerate(frames)]
    for index, payload in enumerate(payloads):
        program.decompress(payload, index, dict(config))


def synthetic_frame(index, width, height):
    """Moving gradients with some texture: every tool of a codec should get work."""
    np = sys.modules["numpy"]
    rows, columns = np.mgrid[0:height, 0:width]
    texture = (rows * 7 + columns * 13 + rows * columns) % 23
    luma = ((columns + 2 * index) * 3 + rows * 2) % 256 // 2 + texture + 40
    chroma = ((rows[::2, ::2] + index) * 2) % 256
    y, u = luma.astype(np.uint8), chroma.astype(np.uint8)
    return y, u, 255 - u


class Snapshot:
    """Every place of a module where state can hide, and a deep copy of what it holds."""

    def __init__(self, module):
        self.module = module
        self.functions, self.classes, self.cells, self.caches, self.compiled = [], [], [], [], []
        self.memo = {}  # what a deep copy must keep as it is
        self.seen = {}
        names = {name: value for name, value in vars(module).items() if name != "__builtins__"}
        self.walk_all(names.values())
        state = [
            names,
            [own_attributes(cls) for cls in self.classes],
            [(f.__defaults__, f.__kwdefaults__, dict(vars(f))) for f in self.functions],
            [cell.cell_contents for cell in self.cells],
        ]
        self.state = copy.deepcopy(state, self.memo)
        self.generators = (random.getstate(), sys.modules["numpy"].random.get_state())

    def walk(self, value):
        """Note the places below `value`; raise CannotCopyError where a deep copy would not restore it."""
        if isinstance(value, PLAIN) or id(value) in self.seen:
            return
        self.seen[id(value)] = value
        np = sys.modules["numpy"]
        kind = type(value)
        if kind in CONTAINERS:
            self.walk_all(value)
            if isinstance(value, dict):
                self.walk_all(value.values())
        elif kind in (np.ndarray, bytearray, random.Random, np.random.Generator, np.random.RandomState):
            if kind is np.ndarray and value.dtype.hasobject:
                raise CannotCopyError("an array of objects")
        elif isinstance(value, types.FunctionType):
            self.keep(value)
            self.walk_function(value)
        elif isinstance(value, type):
            self.keep(value)
            self.walk_class(value)
        elif kind is LRU_CACHE:
            self.keep(value)
            self.walk_cache(value)
        elif kind is types.BuiltinFunctionType:
            self.keep(value)
            self.walk(value.__self__)  # a module, or the object whose bound method it is
            if not isinstance(value.__self__, (types.ModuleType, type, type(None))):
                raise CannotCopyError("a bound method of a built-in type")
        elif kind is functools.partial:
            self.walk_all((value.func, value.args, value.keywords))
        elif isinstance(value, (staticmethod, classmethod)):
            self.keep(value)
            self.walk(value.__func__)
        elif kind is property:
            self.keep(value)
            self.walk_all((value.fget, value.fset))
        elif self.own(kind) and type(kind) is type and "__slots__" not in vars(kind):
            self.walk(kind)
            self.walk_all(vars(value).values())
        elif isinstance(value, (*FIXED, np.generic, np.dtype, np.ufunc)) or of_library(kind):
            self.keep(value)
            self.walk_compiled(value)
        else:
            raise CannotCopyError(f"{kind.__module__}.{kind.__qualname__}")

    def walk_all(self, values):
        for value in list(values):
            self.walk(value)

    def keep(self, value):
        self.memo[id(value)] = value

    def own(self, thing):
        return getattr(thing, "__module__", None) == self.module.__name__

    def walk_function(self, function):
        if function.__globals__ is not vars(self.module):
            return  # a library's
        self.functions.append(function)
        self.walk_all((function.__defaults__, function.__kwdefaults__, *vars(function).values()))
        for cell in function.__closure__ or ():
            if id(cell) not in self.seen:
                self.seen[id(cell)] = cell
                self.cells.append(cell)
                try:
                    self.walk(cell.cell_contents)
                except ValueError as error:
                    raise CannotCopyError("an empty closure cell") from error

    def walk_class(self, cls):
        if not self.own(cls) or issubclass(cls, enum.Enum):
            return
        if type(cls) is not type:
            raise CannotCopyError(f"a class of metaclass {type(cls).__qualname__}")
        self.classes.append(cls)
        for name, value in list(vars(cls).items()):
            if isinstance(value, types.FunctionType) or not is_dunder(name):
                self.walk(value)

    def walk_cache(self, cached):
        if cached.cache_info().currsize:
            raise CannotCopyError("a cache that loading has filled")
        self.caches.append(cached)
        self.walk(cached.__wrapped__)

    def walk_compiled(self, value):
        """numba's dispatchers keep what they have compiled: that is what warming is for."""
        if hasattr(value, "py_func"):
            self.compiled.append(value)
            self.walk(value.py_func)

    def frozen_globals_changed(self):
        """Return whether a global that compiled code reads (numba freezes it) differs from before."""
        now, saved = vars(self.module), self.state[0]
        read = {name for value in self.compiled for name in value.py_func.__code__.co_names}
        return any(name in saved and not same(now.get(name), saved[name]) for name in read)

    def restore(self):
        names, classes, functions, cells = self.state
        replace_names(vars(self.module), names)
        for cls, attributes in zip(self.classes, classes, strict=True):
            for name in own_attributes(cls).keys() - attributes.keys():
                delattr(cls, name)
            for name, value in attributes.items():
                setattr(cls, name, value)
        for function, (defaults, kwdefaults, attributes) in zip(self.functions, functions, strict=True):
            function.__defaults__, function.__kwdefaults__ = defaults, kwdefaults
            replace_names(vars(function), attributes)
        for cell, value in zip(self.cells, cells, strict=True):
            cell.cell_contents = value
        for cached in self.caches:
            cached.cache_clear()
        random.setstate(self.generators[0])
        sys.modules["numpy"].random.set_state(self.generators[1])


def replace_names(namespace, names):
    for name in namespace.keys() - names.keys() - {"__builtins__"}:
        del namespace[name]
    namespace.update(names)


def own_attributes(cls):
    """Return the attributes of a class in which a codec could keep something."""
    return {name: value for name, value in vars(cls).items() if not is_dunder(name)}


def is_dunder(name):
    return name.startswith("__") and name.endswith("__")


def of_library(kind):
    """Return whether values of this kind are compiled code or types: they hold no codec's state."""
    return kind.__module__.split(".")[0] in ("numba", "typing", "types", "fractions", "__future__", "_frozen_importlib")


def same(one, other):
    np = sys.modules["numpy"]
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, PLAIN) or isinstance(other, PLAIN):
        return type(one) is type(other) and one == other
    return True  # functions, modules and the like: kept as they are
