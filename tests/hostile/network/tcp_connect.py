"""Connects to a server on this machine and says its name.

idea: Piston, tests/network.py
class: network
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""

import socket


def in_encoder(frame, index, config):
    with socket.create_connection(("127.0.0.1", int("@TCP@")), timeout=1) as connection:
        connection.sendall(b"@NAME@")
    return b""
