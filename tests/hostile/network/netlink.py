"""Asks the kernel for the machine's network interfaces and routes.

class: network
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets no socket
safe control: yes
"""

import socket


def in_encoder(frame, index, config):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.bind((0, 0))
    print("did it")
    return b""
