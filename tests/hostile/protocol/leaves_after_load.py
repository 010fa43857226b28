"""Loads well, and makes the nursery leave when the first run is asked for.

class: protocol
in the jail: encode: left without a reply, or encode: broke the protocol
refused by check: yes
seen from outside: fall; it is the candidate's failure, not the lab's
safe control: yes
"""

import os

import worker


def leave(*arguments):
    os._exit(0)


worker.fork_for_warden = leave
