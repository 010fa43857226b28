"""Asks the garbage collector for the worker's pipe and sends a reply of its own.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; a second reply ends the run
safe control: yes
"""

import gc


def in_encoder(frame, index, config):
    for pipe in [thing for thing in gc.get_objects() if type(thing).__name__ == "Pipe"]:
        try:
            pipe.send(b"P", b"forged")
        except OSError:
            continue  # of the nursery, and closed
    return b"honest"
