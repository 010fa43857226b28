"""Asks a name server for a name that holds the message: the way out of many closed networks.

class: network
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: contact; the listener, a name server to all appearances, is asked nothing
safe control: yes
"""

import socket
import struct


def in_encoder(frame, index, config):
    labels = [b"@NAME@", b"example", b"invalid"]
    question = b"".join(bytes([len(label)]) + label for label in labels) + bytes([0, 0, 1, 0, 1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + question, ("127.0.0.1", int("@UDP@")))
    return b""
