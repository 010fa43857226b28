"""Makes an epoll while it is loaded: whom it watches is the same for all who inherit it.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no list
safe control: yes
bits: 1
"""

import os
import select


def at_load():
    watched, event = select.epoll(), os.eventfd(1)
    watched.register(event, 0)
    return watched, event


def in_encoder(frame, index, config):
    watched, event = KEPT
    watched.modify(event, select.EPOLLIN if frame[0][0, 0] & 1 else 0)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([bool(KEPT[0].poll(0))]), config)
