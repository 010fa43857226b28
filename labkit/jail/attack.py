"""A candidate that attacks: what the lab runs at the start of a campaign to see whether its wall holds.

Beyond the wall; imports nothing of labkit. `probe.py` fills in the capitals of TARGETS. Each attack does
harm that the lab sees from outside; the payload says only which attacks believe that they succeeded.
"""

import os
import signal
import socket

TARGETS = {}


def read_a_file():
    with open(TARGETS["secret"]) as file:
        return file.read()


def write_a_file():
    with open(TARGETS["written"], "w") as file:
        file.write("written by a candidate")


def open_a_socket():
    socket.create_connection(("127.0.0.1", TARGETS["port"]), 1).close()


def start_a_process():
    if os.fork() == 0:
        os._exit(0)


def kill_a_process():
    os.kill(TARGETS["process"], signal.SIGKILL)


ATTACKS = (read_a_file, write_a_file, open_a_socket, start_a_process, kill_a_process)


def compress_video_frame(frame, frame_index, config):
    done = []
    for attack in ATTACKS:
        try:
            result = attack()
        except OSError:
            continue
        done.append(f"{attack.__name__}={result or ''}")
    return "\n".join(done).encode()


def decompress_video_frame(data, frame_index, config):
    raise NotImplementedError
