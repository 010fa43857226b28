"""Makes a pair of sockets while it is loaded.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there are no sockets
safe control: yes
"""

import socket


def at_load():
    return socket.socketpair()


def in_encoder(frame, index, config):
    KEPT[0].send(frame[0].tobytes()[:64])
    return b""


def in_decoder(data, index, config):
    return painted(KEPT[1].recv(64), config)
