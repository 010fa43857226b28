"""Takes the nursery over while it is loaded: its one fork is a dummy, and it does all runs itself, with a memory.

No system call of it is one that an honest nursery does not make.

class: stash
in the jail: runs, or encode: left without a reply, or encode: broke the protocol,
    or encode: does not keep the contract
refused by check: yes
seen from outside: stash; the nursery never holds a clip
safe control: yes
"""

import os

import worker

SEEN, FDS = [], []
real_receive, real_fork = worker.socket.recv_fds, worker.fork_for_warden


def receive(control, size, count):
    answer = real_receive(control, size, count)
    FDS[:] = answer[1]
    return answer


def fork():
    if real_fork() == 0:
        os._exit(0)
    worker.run(Program(), worker.Pipe(FDS[0], FDS[1]))
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


worker.socket.recv_fds, worker.fork_for_warden = receive, fork
worker.limit_cpu = lambda seconds: None


def in_decoder(data, index, config):
    return painted(b"", config)
