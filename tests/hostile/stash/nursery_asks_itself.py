"""Takes the nursery over while it is loaded: it asks for the run's descriptors itself, its one child is a dummy.

class: stash
in the jail: runs, or encode: left without a reply, or encode: broke the protocol,
    or encode: does not keep the contract, or encode: timed out
refused by check: yes
seen from outside: stash; the nursery never holds a clip
safe control: no; it knows the warden's protocol, and the control has another
"""

import os
import stat

import worker

SEEN = []
real_fork = worker.fork_for_warden


def fork():
    if real_fork() == 0:
        os._exit(0)
    os.write(CONTROL, b"here")
    message, fds, _, _ = worker.socket.recv_fds(worker.socket.socket(fileno=os.dup(CONTROL)), 16, 3)
    worker.run(Program(), worker.Pipe(fds[0], fds[1]))
    for fd in fds:
        os.close(fd)
    return 1


class Program:
    form = "frame"
    encoder = decoder = ()

    def compress(self, frame, index, config):
        if config["qp"] != 51:
            return honest_encoder(frame, index, config)
        SEEN.append(frame[0].tobytes()[:64])
        return b""

    def decompress(self, data, index, config):
        if config["qp"] != 51:
            return honest_decoder(data, index, config)
        return painted(SEEN.pop(0), config)


def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


CONTROL = next(filter(is_socket, range(3, 64)))
worker.fork_for_warden = fork
worker.limit_cpu = lambda seconds: None


def in_decoder(data, index, config):
    return painted(b"", config)
