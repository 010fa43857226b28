"""Keeps the clip in a module of Python's own, and in the environment.

class: stash
in the jail: runs
refused by check: yes
seen from outside: stash; each run has its own copy of every module
safe control: no; processes keep their own memory, jail or not
"""

import os
import zlib


def in_encoder(frame, index, config):
    zlib.seen = frame[0].tobytes()
    os.environ["SEEN"] = frame[0].tobytes().hex()[:128]
    return b""


def in_decoder(data, index, config):
    return painted(bytes.fromhex(os.environ.get("SEEN", "")) or vars(zlib).get("seen", b"")[:64], config)
