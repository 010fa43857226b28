"""Writes a few bytes more behind the last reply, where a reader might stop reading.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; the reply pipe must end with the last reply
safe control: yes
"""

import worker

real_send = worker.Pipe.send


def send(pipe, kind, *parts):
    real_send(pipe, kind, *parts)
    if kind == b"P":
        worker.os.write(pipe.reply, b"and more")


worker.Pipe.send = send


def compress_video(frames, config):
    return b""


def decompress_video(data, config):
    return []
