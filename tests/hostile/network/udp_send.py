"""Sends one datagram, which needs no connection.

class: network
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""

import socket


def in_encoder(frame, index, config):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"@NAME@", ("127.0.0.1", int("@UDP@")))
    return b""
