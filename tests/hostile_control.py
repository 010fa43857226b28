"""The positive control: runs a hostile file without the jail, in the same layout of processes, and believes it all.

Run as a program with an order in JSON on stdin; answers with a report in JSON on stdout. It stands where the lab,
its warden and its worker stand together, without a fence, a limit or a check: what harms it would harm a lab
that had none. A few attacks reach for the worker's own functions; so it has them, under the worker's names.

Started as root it becomes the user that the order names, and only the uid that nobody else has. An unprivileged
user may not be able to read a Python below root's home, so all that the file imports is imported before.
"""

import ast
import base64
import ctypes
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
import types

import numpy

from labkit.jail import fence
from labkit.jail.level import readable_trees

HEAD = struct.Struct("<cQ")
LENGTH = struct.Struct("<Q")
FORK = 0x8000 | signal.SIGCHLD  # CLONE_PARENT: the child is the supervisor's, as it is the warden's in the jail
CLONE = 56 if os.uname().machine == "x86_64" else 220
USUAL = [
    "ctypes",
    "encodings.idna",
    "json",
    "subprocess",
    "pickle",
    "codecs",
    "traceback",
    "random",
    "zlib",
    "numpy.random",
    "numpy.lib.format",
]
KEPT = 1 << 16
"""Bytes of a reply that are reported."""
SUPERVISOR, NURSERY = os.getpid(), [0]
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36

libc = ctypes.PyDLL(None, use_errno=True)
sys.modules["worker"] = sys.modules[__name__]


# --- beyond the wall, had there been one ----------------------------------------------------------------


class Pipe:
    """The two ends that a run talks through."""

    def __init__(self, request, reply):
        self.request, self.reply = request, reply

    def read(self, size):
        data = b""
        while len(data) < size:
            got = os.read(self.request, size - len(data))
            if not got:
                os._exit(0)
            data += got
        return data

    def read_sized(self):
        return self.read(LENGTH.unpack(self.read(LENGTH.size))[0])

    def send(self, kind, *parts):
        for part in (HEAD.pack(kind, sum(len(part) for part in parts)), *parts):
            view = memoryview(part)
            while len(view):
                view = view[os.write(self.reply, view) :]


def fork_for_warden():
    return libc.syscall(ctypes.c_long(CLONE), ctypes.c_long(FORK), *(ctypes.c_long(0),) * 4)


def limit_cpu(seconds):
    """The worker's name for it; there is no limit here."""


def checked_payload(payload):
    try:
        return bytes(payload)
    except (TypeError, ValueError):
        return repr(payload).encode()


def checked_planes(frame, config):
    try:
        return [numpy.asarray(plane).tobytes() for plane in frame]
    except (TypeError, ValueError):
        return [repr(frame).encode()]


class Program:
    def __init__(self, module):
        names = vars(module)
        self.form = "frame" if "compress_video_frame" in names else "clip"
        end = "_frame" if self.form == "frame" else ""
        self.compress, self.decompress = names[f"compress_video{end}"], names[f"decompress_video{end}"]


def load(source):
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    exec(compile(source, "<candidate>", "exec", dont_inherit=True), vars(module))
    return Program(module)


def nursery(control, source, output):
    os.dup2(output, 1)
    os.dup2(output, 2)
    program = load(source)
    os.write(control.fileno(), b"loaded")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 16, 3)
        if not message:
            os._exit(0)
        if fork_for_warden() == 0:
            child(program, control, fds)
        for fd in fds:
            os.close(fd)


def leaving(work):
    """End this process as an ordinary program would that does `work` and nothing else."""
    status = 0
    try:
        work()
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001  (whatever a candidate raises)
        traceback.print_exc()
        status = 1
    os._exit(status)


def child(program, control, fds):
    request, reply, output = fds
    os.dup2(output, 1)
    os.dup2(output, 2)
    pipe = Pipe(request, reply)
    pipe.send(b"C", str(os.getpid()).encode())  # so that the supervisor knows whose end is the run's
    leaving(lambda: run(program, pipe))


def run(program, pipe):
    order = json.loads(pipe.read_sized())
    config = order["config"]
    limit_cpu(0)
    if order["op"] == "encode":
        encode(program, pipe, config)
    else:
        decode(program, pipe, config)


def encode(program, pipe, config):
    frames = [read_frame(pipe, config) for _ in range(config["frame_count"])]
    if program.form == "clip":
        pipe.send(b"P", checked_payload(program.compress(frames, dict(config))))
        return
    for index, frame in enumerate(frames):
        pipe.send(b"P", checked_payload(program.compress(frame, index, dict(config))))


def decode(program, pipe, config):
    count = config["frame_count"]
    if program.form == "clip":
        for frame in program.decompress(pipe.read_sized(), dict(config)):
            pipe.send(b"F", *checked_planes(frame, config))
        return
    for index in range(count):
        frame = program.decompress(pipe.read_sized(), index, dict(config))
        pipe.send(b"F", *checked_planes(frame, config))


def read_frame(pipe, config):
    width, height = config["width"], config["height"]
    samples = numpy.frombuffer(pipe.read(width * height * 3 // 2), numpy.uint8).copy()
    y, u, v = numpy.split(samples, [width * height, width * height * 5 // 4])
    half = (height // 2, width // 2)
    return y.reshape(height, width), u.reshape(half), v.reshape(half)


# --- this side of it ----------------------------------------------------------------------------------------


class Supervisor:
    def __init__(self, order, report):
        self.order, self.report = order, report
        self.output = bytearray()
        self.ends, self.old_ends = {}, frozenset()
        self.runs = []

    def serve(self):
        """Load, run what the order asks for, and report."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        read, write = os.pipe()
        NURSERY[0] = os.fork()
        if NURSERY[0] == 0:
            ours.close()
            os.close(read)
            os.close(self.report)
            leaving(lambda: nursery(theirs, self.order["source"], write))
        theirs.close()
        os.close(write)
        loaded = self.wait_for(ours, read)
        if loaded:
            for name, samples in self.order["clips"].items():
                if not self.code(ours, name, base64.b64decode(samples)):
                    break
        self.drain(read)
        return {
            "loaded": loaded,
            "runs": self.runs,
            "output": self.output.decode("utf-8", "replace"),
            "nursery_ended": self.reaped(NURSERY[0]) or (not loaded and self.wait_for_end()),
            "left": [f"pid {pid}" for pid in self.descendants() if pid != NURSERY[0]],
        }

    def wait_for(self, control, output):
        """Return whether the nursery says that it has loaded; an end or silence means no."""
        until = time.monotonic() + self.order["patience_s"]
        while time.monotonic() < until:
            if select.select([control], [], [], 0.02)[0]:
                return control.recv(16) != b""
            self.drain(output)
            if self.reaped(NURSERY[0]):
                break
        return False

    def code(self, control, name, samples):
        """Encode one clip and decode what came of it; return whether to go on."""
        config = dict(self.order["config"])
        frame_bytes = len(samples) // config["frame_count"]
        frames = [samples[i : i + frame_bytes] for i in range(0, len(samples), frame_bytes)]
        coded = self.run(control, name, "encode", frames)
        if not self.order["decodes"] or not coded["taken"]:
            return coded["taken"]
        payloads = [LENGTH.pack(len(body)) + body for kind, body in coded["replies"] if kind == b"P"]
        return self.run(control, name, "decode", payloads)["taken"]

    def run(self, control, clip, op, parts):
        request_read, request = os.pipe()
        reply, reply_write = os.pipe()
        output, output_write = os.pipe()
        try:
            socket.send_fds(control, [b"run"], [request_read, reply_write, output_write])
        except OSError:  # the nursery is gone
            return {"taken": False, "replies": []}
        finally:
            for fd in (request_read, reply_write, output_write):
                os.close(fd)
        order = json.dumps({"op": op, "config": self.order["config"], "cpu_s": 9}).encode()
        for fd in (request, reply, output):
            os.set_blocking(fd, False)
        came, status = self.exchange(request, reply, output, b"".join((LENGTH.pack(len(order)) + order, *parts)))
        for fd in (request, reply, output):
            os.close(fd)
        replies = [(kind, body) for kind, body in taken_apart(came) if kind != b"C"]
        # as naive as can be: who leaves with status 0 has done its work
        result = {"clip": clip, "op": op, "status": status, "taken": status == 0, "hung": status is None}
        self.runs.append({**result, "replies": [base64.b64encode(body[:KEPT]).decode() for _, body in replies]})
        return {"taken": status == 0, "replies": replies}

    def exchange(self, request, reply, output, data):
        """Send and receive until the run's process ends; return what came and its status, None if it goes on."""
        until = time.monotonic() + self.order["patience_s"]
        self.old_ends = frozenset(self.ends)
        came, reading, status = bytearray(), {reply, output}, None
        while time.monotonic() < until:
            readable, writable, _ = select.select(reading, {request} if data else (), [], 0.01)
            if writable:
                try:
                    data = data[os.write(request, data) :]
                except BrokenPipeError:
                    data = b""
            for fd in readable:
                if not (got := os.read(fd, 1 << 16)):
                    reading.discard(fd)
                elif fd == output:
                    self.output += got
                else:
                    came += got
            if not readable and (status is not None or self.reaped(NURSERY[0])):
                break  # a survivor may hold the pipes open for ever
            status = self.status(came, reply not in reading)
        return bytes(came), status

    def status(self, came, closed):
        """Return the wait status of the run's process, which has told its pid first; None while it goes on."""
        self.reap()
        others = [status for pid, status in self.ends.items() if pid not in {NURSERY[0], *self.old_ends}]
        if came[:1] == b"C" and not closed:
            ((_, pid), *_) = taken_apart(bytes(came[:64]))
            return self.ends.get(int(pid or b"0"))
        return others[-1] if others else None

    def reaped(self, pid):
        self.reap()
        return pid in self.ends

    def wait_for_end(self):
        """Return whether the nursery ends within a moment."""
        until = time.monotonic() + 0.3
        while time.monotonic() < until and not self.reaped(NURSERY[0]):
            time.sleep(0.01)
        return NURSERY[0] in self.ends

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ends[pid] = status

    def drain(self, fd):
        while select.select([fd], [], [], 0)[0]:
            got = os.read(fd, 1 << 16)
            if not got:
                return
            self.output += got

    def descendants(self):
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as file:
                        fields = file.read().rsplit(b")", 1)[1].split()
                except OSError:
                    continue
                if fields[0] != b"Z":
                    parents[int(name)] = int(fields[1])
        found, frontier = [], [SUPERVISOR]
        while frontier:
            frontier = [pid for pid, parent in parents.items() if parent in frontier]
            found += frontier
        return found

    def end(self):
        while pids := self.descendants():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.reap()


def taken_apart(data):
    """Return the replies, as (kind, body), that a stream holds; whatever else it holds is passed over."""
    replies, at = [], 0
    while at + HEAD.size <= len(data):
        kind, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        replies.append((kind, data[at : at + size]))
        at += size
    return replies


def in_process(order):
    """Call the encoder and hand it the very arrays that its result would be measured against."""
    module = types.ModuleType("candidate")
    exec(compile(order["source"], "<candidate>", "exec", dont_inherit=True), vars(module))
    samples = numpy.frombuffer(base64.b64decode(order["clips"]["A"]), numpy.uint8).copy()
    config, before = order["config"], samples.copy()
    width, height = config["width"], config["height"]
    y, u, v = numpy.split(samples[: width * height * 3 // 2], [width * height, width * height * 5 // 4])
    frame = y.reshape(height, width), u.reshape(height // 2, -1), v.reshape(height // 2, -1)
    vars(module)["compress_video_frame"](frame, 0, config)
    return {"input_changed": not numpy.array_equal(samples, before)}


def as_a_file(order):
    """Run the text as a file, as `python codec.py` would: by its bytes, whatever its first lines say of them."""
    exec(compile(order["source"].encode("utf-8"), "codec.py", "exec", dont_inherit=True), {"__name__": "codec"})
    return {}


# --- becoming an unprivileged user ----------------------------------------------------------------------


def open_way():
    """Let an unprivileged user read a Python that lies below root's home, where this machine allows it."""
    try:
        fence.open_way(readable_trees())
    except fence.FenceError:
        return  # then what was not imported before cannot be imported any more


def import_all(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError:
                continue  # of a text that does not mean it
    for name in USUAL:
        importlib.import_module(name)


def become(uid):
    """Drop root, if this is root; a process that has done so may not look at itself unless it says so."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main():
    order = json.load(sys.stdin)
    report = os.dup(1)
    os.set_inheritable(report, False)
    os.open(order["canary"], os.O_RDONLY)  # a careless lab: a file of its own stays open for its children
    if os.geteuid() == 0:
        open_way()
    import_all(order["source"])
    become(order["uid"])
    os.chdir(order["folder"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order["layout"] == "in process":
        answer = in_process(order)
    elif order["layout"] == "as a file":
        read, write = os.pipe()
        os.dup2(write, 1)
        answer = as_a_file(order)
        sys.stdout.flush()
        answer["output"] = os.read(read, 1 << 16).decode("utf-8", "replace")
    else:
        supervisor = Supervisor(order, report)
        try:
            answer = supervisor.serve()
        finally:
            supervisor.end()
    os.write(report, json.dumps(answer).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
