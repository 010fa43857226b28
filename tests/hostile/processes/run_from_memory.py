"""Becomes a program that lies in memory only: no file to be refused.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: file; the program does not run
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    fd = os.memfd_create("program", 0)
    os.write(fd, b"#!/bin/sh\necho > @FOLDER@/@NAME@\n")
    os.execve(fd, ["program"], {})
