"""Closes every file that is open in the nursery, the socket of its warden among them.

class: protocol
in the jail: load: left without a reply
refused by check: yes
seen from outside: fall; the next candidate gets a nursery of its own
safe control: yes
"""

import os


def at_load():
    os.closerange(0, 64)
