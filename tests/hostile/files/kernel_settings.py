"""Writes where the kernel takes orders: the program for core dumps, a cgroup's release agent.

idea: the cgroup v1 release_agent escape; IOI isolate's care for cgroups
class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: claim; it opens none of them for writing
safe control: no; only root may write there, and no test may change a machine's settings
"""

import os


def in_encoder(frame, index, config):
    refused = None
    for path in ("/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            print("did it")
        except OSError as error:
            refused = error
    if refused:
        raise refused
    return b""
