"""Opens 2,000 files.

class: resources
in the jail: runs; hears EMFILE
refused by check: yes
seen from outside: claim; its limit is far below
safe control: yes
"""

import os
import resource


def in_encoder(frame, index, config):
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except ValueError:
        pass
    for _ in range(2000):
        os.open("/dev/null", os.O_RDONLY)
    print("did it")
    return b""
