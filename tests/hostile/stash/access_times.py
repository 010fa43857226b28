"""Reads files whose time of access the kernel then notes, and lets the decoder look at the times.

class: stash
in the jail: runs
refused by check: yes
seen from outside: stash; no time changes
safe control: yes
not held: filtered; a file that may be read has its time of access noted, unless its file system is mounted read-only
"""

import glob
import os
import sys

GROUPS = 9
"""Eight bits, and one that tells since when they count."""


def files():
    here = [folder for folder in sys.path if folder.endswith("-packages")]
    return sorted(glob.glob("@FOLDER@/shelf/*") or [p for f in here for p in glob.glob(f"{f}/numpy/**/*.pyi")])


def note(group):
    for path in files()[group::GROUPS]:
        before = os.stat(path)
        with open(path, "rb") as file:
            file.read(1)
        if os.stat(path).st_atime_ns != before.st_atime_ns:
            return
    raise OSError(30, "no time can be changed")


def latest(group):
    return max((os.stat(path).st_atime_ns for path in files()[group::GROUPS]), default=0)


def in_encoder(frame, index, config):
    note(8)
    for bit in range(8):
        if frame[0][0, 0] >> bit & 1:
            note(bit)
    return b""


def in_decoder(data, index, config):
    since = latest(8)
    return painted(bytes([sum((latest(bit) >= since) << bit for bit in range(8))]), config)
