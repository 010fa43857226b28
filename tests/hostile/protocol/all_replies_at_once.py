"""Writes all the replies of the run at its first frame and leaves with status 0.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; replies come one by one, each after its frame
safe control: yes
"""

import fcntl
import os
import stat


def in_encoder(frame, index, config):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, (b"P" + bytes(8)) * config["frame_count"])
        except OSError:
            continue
    os._exit(0)
