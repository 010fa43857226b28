"""Leaves a process behind that has the clip and hands it to the decoder.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no process to ask
safe control: yes
"""

import os
import socket
import time


def in_encoder(frame, index, config):
    if os.fork() == 0:
        os.setsid()
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0@NAME@")
        server.listen()
        server.settimeout(5)
        server.accept()[0].sendall(frame[0].tobytes()[:64])
        server.close()
        os._exit(0)
    time.sleep(0.1)
    return b""


def in_decoder(data, index, config):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0@NAME@")
        return painted(client.recv(64), config)
