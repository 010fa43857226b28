"""Makes a socket to the machine's hypervisor: its addresses are the whole machine's, whatever the namespace.

idea: IOI isolate 2.x, system call restrictions: virtual machine sockets
class: network
in the jail: runs; hears EPERM or EAFNOSUPPORT
refused by check: yes
seen from outside: claim; it gets no socket
safe control: no; a kernel without virtual machines has none
"""

import socket


def in_encoder(frame, index, config):
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    print("did it")
    return b""
