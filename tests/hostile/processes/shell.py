"""Hands a line to the shell.

class: processes
in the jail: runs; hears EPERM or ENOSYS
refused by check: yes
seen from outside: file; the shell makes no file
safe control: yes
"""

import subprocess


def in_encoder(frame, index, config):
    subprocess.run("echo > @FOLDER@/@NAME@", shell=True, check=True)
    return b""
