"""Sends its first bytes with the connection's first packet: no connect(2), which a fence might watch alone.

class: network
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""

import socket

MSG_FASTOPEN = 0x20000000


def in_encoder(frame, index, config):
    with socket.socket() as connection:
        connection.sendto(b"@NAME@", MSG_FASTOPEN, ("127.0.0.1", int("@TCP@")))
    return b""
