"""Waits for connections, so that somebody outside could come in.

class: network
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: claim; it gets no port
safe control: yes
"""

import socket


def in_encoder(frame, index, config):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
    print("did it")
    return b""
