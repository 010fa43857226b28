"""Raises its own limits on open files as far as they go.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; they stay
safe control: yes
"""

import resource


def in_encoder(frame, index, config):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except ValueError as error:  # what Python makes of EPERM
        raise PermissionError(1, "setrlimit") from error
    print("did it")
    return b""
