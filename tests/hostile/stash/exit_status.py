"""Makes the nursery fork a child of its own for each run, whose exit status it reads and hands down.

class: stash
in the jail: encode: left without a reply, or encode: broke the protocol, or encode: does not keep the contract
refused by check: yes
seen from outside: stash; the nursery has no child that is its own
safe control: yes
"""

import os

import worker

TOLD = [0]
real_fork = worker.fork_for_warden


def fork():
    pid = os.fork()
    if pid == 0:
        return 0
    TOLD[0] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if real_fork() == 0:
        os._exit(0)
    return 1


worker.fork_for_warden = fork


def in_encoder(frame, index, config):
    value = int(frame[0][0, 0])
    leave = os._exit
    os._exit = lambda status: leave(value)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([TOLD[0]]), config)
