"""Connects to a socket in the file system, as those of Docker, X11 and ssh-agent are.

class: network
in the jail: runs; hears EPERM or EACCES or ENOENT
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""

import socket


def in_encoder(frame, index, config):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("@UNIX@")
        connection.sendall(b"@NAME@")
    return b""
