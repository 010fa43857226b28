"""Connects to a socket that has a name but no file: no rule on files sees it.

idea: Landlock learnt of abstract sockets with ABI 6 only
class: network
in the jail: runs; hears EPERM or EACCES or ECONNREFUSED
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""

import socket


def in_encoder(frame, index, config):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0@ABSTRACT@")
        connection.sendall(b"@NAME@")
    return b""
