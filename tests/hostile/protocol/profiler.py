"""Sets a profiler on its own process, which sees and disturbs every call of the worker.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; a second reply ends the run
safe control: yes
"""

import sys


def in_encoder(frame, index, config):
    def disturb(at, event, argument):
        if event == "call" and at.f_code.co_name == "send":
            sys.setprofile(None)
            at.f_locals["self"].send(b"P", b"forged")

    sys.setprofile(disturb)
    return b"honest"
