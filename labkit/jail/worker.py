"""Beyond the wall: the nursery, which loads one candidate, and its children, which code with it.

Imports nothing of labkit. The nursery never sees a clip; it forks one child for each encode and each
decode. Nothing that this file says is believed: sizes, pixels and clocks are read on the lab's side.

A reply is one byte of kind, the length as u64, the body:

    b"L" loaded (JSON)      b"P" a payload      b"F" a frame: y, u, v      b"X" failed (JSON)
    b"R" behind all payloads: where the encoder says that its bytes went (JSON)
"""

import ast
import collections
import contextlib
import ctypes
import faulthandler
import importlib
import json
import linecache
import math
import os
import resource
import signal
import socket
import struct
import sys
import threading
import types

import fence  # beside this file
import warmup

SOURCE_NAME = "<candidate>"
LENGTH = struct.Struct("<Q")
HEAVY = ("numpy", "cv2", "scipy", "torch", "torchvision", "numba", "constriction")
CONTRACT = {
    "frame": ("compress_video_frame", "decompress_video_frame"),
    "clip": ("compress_video", "decompress_video"),
}
DETAIL_CHARS = 2000
REPORT_ROWS, REPORT_CHARS = 16, 40
"""Of what an encoder reports about its bytes."""
TRACE_LINES = 6
"""Of the candidate's own lines, innermost last, that a failure names."""
MIB = 2**20
PR_SET_PDEATHSIG = 1
CLONE = 56 if os.uname().machine == "x86_64" else 220
TREES = None
"""What may be read once the fences stand; None without fences."""

_libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL: the lock of the interpreter stays held across a fork


def prctl(option, value):
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


class BrokenError(Exception):
    """The candidate's fault, found by us: kind and detail of a failure, its line and function, its frame."""

    def __init__(self, kind, detail, place=(), frame=None):
        super().__init__(detail)
        self.kind, self.detail, self.place, self.frame = kind, detail, place, frame


class Pipe:
    """The two ends that a run talks through."""

    def __init__(self, request, reply):
        self.request, self.reply = request, reply

    def read(self, size):
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            got = os.readv(self.request, [view[done:]])
            if got == 0:
                os._exit(0)  # the lab has closed the run
            done += got
        return data

    def read_sized(self):
        return self.read(LENGTH.unpack(self.read(LENGTH.size))[0])

    def send(self, kind, *parts):
        total = sum(len(part) for part in parts)
        for part in (kind + LENGTH.pack(total), *parts):
            view = memoryview(part)
            while len(view):
                view = view[os.write(self.reply, view) :]

    def send_failure(self, error):
        self.send(b"X", json.dumps(describe(error)).encode("utf-8", "replace"))


def nursery(control, blob, reply, output):
    """Load the candidate, answer, then fork a child for each request until the warden goes."""
    redirect_output(output)
    leave_last_words()
    pipe = Pipe(blob, reply)
    order = json.loads(pipe.read_sized())
    try:
        prepare(order, control)
        program = load(order)
        pipe.send(b"L", json.dumps({"form": program.form, "warmed": program.warmed}).encode())
    # A candidate may raise anything at all while it loads, SystemExit included: all of it is its failure.
    except BaseException as error:  # noqa: BLE001
        pipe.send_failure(error)
        os._exit(0)
    os.close(blob)
    os.close(reply)
    warden = os.getppid()
    while True:
        if not control.recvmsg(16)[0]:  # recv is not on the list of allowed calls
            os._exit(0)
        if fork_for_warden() == 0:
            child(program, control, warden)


def fork_for_warden():
    """Fork a child that is the warden's, whose wait4 is out of the candidate's reach; return as fork does.

    Python's own fork cannot do that. It would also reseed `random`: this leaves all as it was loaded.
    """
    pid = _libc.syscall(ctypes.c_long(CLONE), ctypes.c_long(fence.FORK), *(ctypes.c_long(0),) * 4)
    if pid < 0:
        raise OSError(ctypes.get_errno(), f"fork: {os.strerror(ctypes.get_errno())}")
    return pid


def child(program, control, warden):
    """Do one run and leave."""
    os.write(control.fileno(), b"here")
    _, fds, _, _ = socket.recv_fds(control, 16, 3)
    control.close()
    if len(fds) != 3:
        os._exit(0)
    request, reply, output = fds
    redirect_output(output)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != warden:
        os._exit(0)
    pipe = Pipe(request, reply)
    try:
        run(program, pipe)
    # Whatever a candidate raises ends its run here, as data.
    except BaseException as error:  # noqa: BLE001
        pipe.send_failure(error)
    os._exit(0)  # no atexit hook of the candidate runs


def redirect_output(output):
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def leave_last_words():
    """Let whoever is ended by a signal write the lines it was at to its output, where the lab looks for them.

    The first signal for too much CPU only does that; the next one, a second later, ends the process, also in
    the middle of compiled code: sysv_signal gives the handler away when it is used (SA_RESETHAND).
    """
    faulthandler.enable(file=2, all_threads=False)
    faulthandler.register(signal.SIGXCPU, file=2, all_threads=False)
    _libc.sysv_signal.restype, _libc.sysv_signal.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
    handler = _libc.sysv_signal(signal.SIGXCPU, None)
    _libc.sysv_signal(signal.SIGXCPU, handler)


# --- loading -------------------------------------------------------------------------------------


class Program:
    """A loaded candidate; `encoder` and `decoder` are the places that a wrong result is put down to."""

    def __init__(self, module, form, places):
        self.module, self.form, self.warmed = module, form, "not warmed"
        self.compress, self.decompress = (module.__dict__[name] for name in CONTRACT[form])
        self.encoder, self.decoder = (places.get(name, ()) for name in CONTRACT[form])


def prepare(order, control):
    """Import what the candidate imports, then set limits and fences: all that follows runs behind them."""
    imports = imported_names(order["source"])
    for name in HEAVY:
        if name in imports:
            with contextlib.suppress(ImportError):  # the candidate's own import will fail, or is guarded
                importlib.import_module(name)
    importlib.import_module("numpy")  # frames are arrays, whatever the candidate imports
    use_one_thread()
    limit_resources(order["limits"])
    if TREES is not None:
        listener = fence.supervise()
        socket.send_fds(control, [b"forks"], [listener])
        os.close(listener)
        control.recv(16)
        fence.enclose(TREES)


def load(order):
    """Compile and run the candidate's text, and warm it up."""
    source = order["source"]
    module = types.ModuleType("candidate")
    module.__file__ = SOURCE_NAME
    sys.modules["candidate"] = module
    linecache.cache[SOURCE_NAME] = (len(source), None, source.splitlines(keepends=True), SOURCE_NAME)
    exec(compile(source, SOURCE_NAME, "exec", dont_inherit=True), module.__dict__)
    program = Program(module, contract_form(module), result_places(source))
    if "numba" in sys.modules and order["warmup"]:
        program.warmed = warmup.warm(program, order["warmup"])
    if threading.active_count() > 1:
        raise BrokenError(
            "does not keep the contract", f"{threading.active_count()} threads run after loading; one is allowed"
        )
    return program


def imported_names(source):
    found = set()
    for node in ast.walk(ast.parse(source, SOURCE_NAME)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def result_places(source):
    """Return where each function gives its result, as (line, name): its one return statement, else its first line."""
    places = {}
    for function in ast.parse(source).body:
        if isinstance(function, ast.FunctionDef):
            returns, queue = [], list(function.body)
            while queue:
                node = queue.pop()
                if isinstance(node, ast.Return):
                    returns.append(node.lineno)
                elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                    queue.extend(ast.iter_child_nodes(node))
            places[function.name] = (returns[0] if len(returns) == 1 else function.lineno, function.name)
    return places


def use_one_thread():
    """A process with more threads cannot be forked safely; the environment has set the rest."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
        sys.modules["torch"].set_num_interop_threads(1)


def limit_resources(limits):
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[0])
    memory = pages * resource.getpagesize() + limits["memory_mib"] * MIB
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file grows; pipes are not files
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    limit_cpu(limits["load_cpu_s"])


def limit_cpu(seconds):
    soft = math.ceil(seconds)  # whole seconds are all that the kernel counts: never less than was promised
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def contract_form(module):
    defined = {
        form: [name for name in names if callable(module.__dict__.get(name))] for form, names in CONTRACT.items()
    }
    complete = [form for form, names in defined.items() if len(names) == 2]
    if len(complete) == 1 and sum(map(len, defined.values())) == 2:
        return complete[0]
    found = ", ".join(name for names in defined.values() for name in names) or "none of them"
    raise BrokenError(
        "does not keep the contract",
        f"defines {found}; needs exactly one pair: {' and '.join(CONTRACT['frame'])}, "
        f"or {' and '.join(CONTRACT['clip'])}",
    )


# --- running -------------------------------------------------------------------------------------


def run(program, pipe):
    order = json.loads(pipe.read_sized())
    limit_cpu(order["cpu_s"])
    config = order["config"]
    if order["op"] == "encode":
        encode(program, pipe, config)
    else:
        decode(program, pipe, config)


def encode(program, pipe, config):
    count, report = config["frame_count"], {}
    config = config | {"report": report}
    if program.form == "clip":
        frames = [read_frame(pipe, config) for _ in range(count)]
        pipe.send(b"P", checked_payload(program.compress(frames, dict(config)), program.encoder))
    else:
        for index in range(count):
            frame = read_frame(pipe, config)
            pipe.send(b"P", checked_payload(program.compress(frame, index, dict(config)), program.encoder))
    pipe.send(b"R", json.dumps(readable_report(report)).encode())


def readable_report(report):
    """Return the parts of an encoder's report that are names and amounts; nothing in it can make a run fail."""
    rows = {}
    with contextlib.suppress(Exception):
        for name, amount in report.items():
            if type(name) is str and 0 <= float(amount) < math.inf and len(rows) < REPORT_ROWS:
                rows[name[:REPORT_CHARS]] = float(amount)
    return rows


def decode(program, pipe, config):
    count = config["frame_count"]
    if program.form == "clip":
        frames = program.decompress(bytes(pipe.read_sized()), dict(config))
        for index, frame in enumerate(checked_frames(frames, count, program.decoder)):
            pipe.send(b"F", *checked_planes(frame, index, config, program.decoder))
        return
    for index in range(count):
        data = bytes(pipe.read_sized())
        frame = program.decompress(data, index, dict(config))
        pipe.send(b"F", *checked_planes(frame, index, config, program.decoder))


def read_frame(pipe, config):
    """Return (y, u, v) on a private, writable copy."""
    numpy = sys.modules["numpy"]
    width, height = config["width"], config["height"]
    luma, chroma = width * height, width * height // 4
    samples = numpy.frombuffer(pipe.read(luma + 2 * chroma), dtype=numpy.uint8)
    return (
        samples[:luma].reshape(height, width),
        samples[luma : luma + chroma].reshape(height // 2, width // 2),
        samples[luma + chroma :].reshape(height // 2, width // 2),
    )


def checked_payload(payload, place):
    if type(payload) is not bytes:  # a subclass could lie about its length
        raise BrokenError("wrong type", f"the encoder returned {type_name(payload)}, expected bytes", place)
    return payload


def checked_frames(frames, count, place):
    if type(frames) not in (list, tuple):
        raise BrokenError("wrong type", f"the decoder returned {type_name(frames)}, expected a list of frames", place)
    if len(frames) != count:
        raise BrokenError("wrong shape", f"the decoder returned {len(frames)} frames, expected {count}", place)
    return frames


def checked_planes(frame, index, config, place):
    numpy = sys.modules["numpy"]

    def broken(kind, detail):
        return BrokenError(kind, detail, place, index)

    if type(frame) not in (tuple, list) or len(frame) != 3:
        size = f" of {len(frame)}" if type(frame) in (tuple, list) else ""
        raise broken("wrong type", f"the decoder returned {type_name(frame)}{size}, expected a tuple (y, u, v)")
    width, height = config["width"], config["height"]
    shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    planes = []
    for name, plane, shape in zip("yuv", frame, shapes, strict=True):
        came = f"plane {name} of the decoded frame is"
        if type(plane) is not numpy.ndarray or plane.dtype != numpy.uint8:
            what = f"an array of {plane.dtype}" if type(plane) is numpy.ndarray else type_name(plane)
            raise broken("wrong type", f"{came} {what}, expected a numpy array of uint8")
        if plane.shape != shape:
            raise broken("wrong shape", f"{came} {plane.shape}, expected {shape} (rows, columns)")
        planes.append(plane.tobytes())
    return planes


def type_name(value):
    return type.__dict__["__name__"].__get__(type(value))[:80]  # a metaclass may have a `__name__` of its own


def describe(error):
    """Return what the lab is told of a failure; put into words here, since a hostile __str__ must stay in here."""
    if isinstance(error, BrokenError):
        trace = [error.place] if error.place else []
        return {"kind": error.kind, "detail": error.detail[:DETAIL_CHARS], "trace": trace, "frame": error.frame}
    kind = "out of memory" if isinstance(error, MemoryError) else "raised"
    try:
        text = str(error)[:DETAIL_CHARS]
    except BaseException:  # noqa: BLE001  (a candidate's exception may refuse to be printed)
        text = "(its text could not be made)"
    return {"kind": kind, "detail": f"{type_name(error)}: {text}", "trace": list(own_lines(error))}


def own_lines(error):
    """Return (line, function) of the candidate's own lines that led to an exception, innermost last."""
    lines = collections.deque(maxlen=TRACE_LINES)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == SOURCE_NAME:
            lines.append((trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == SOURCE_NAME:
        lines.append((error.lineno, "<module>"))
    return lines
