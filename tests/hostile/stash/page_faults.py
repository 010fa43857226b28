"""Reads pages of a file that nobody has read yet, and lets the decoder count which of them must be fetched.

It needs nothing but reading: each region of nine pages is used once, and the first page tells that it was.

class: stash
in the jail: runs
refused by check: yes
seen from outside: stash; what the cache holds is not to be seen
safe control: yes
not held: sealed, filtered; the page cache is the machine's, and its state can be read by counting page faults
"""

import mmap
import os
import resource

STEP, REGION = 64 * 4096, 9
"""Pages far apart, since the kernel reads ahead; a region is a flag and eight bits."""


def cold():
    """Return a descriptor of a large file that nobody reads, here or beyond the wall."""
    try:
        return os.open("@COLD@", os.O_RDONLY)
    except OSError:
        return os.open("@LIBRARY@", os.O_RDONLY)


class Cells:
    def __init__(self):
        fd = cold()
        size = os.fstat(fd).st_size
        self.count = size // (STEP * REGION)
        self.memory = mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ)
        self.memory.madvise(mmap.MADV_RANDOM)
        os.close(fd)

    def warm(self, number):
        """Touch a cell; return whether it was warm."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        self.memory[number * STEP]
        return resource.getrusage(resource.RUSAGE_SELF).ru_majflt == before

    def first_unused(self):
        for region in range(self.count):
            if not self.warm(region * REGION):
                return region
        raise OSError(28, "all are used")


def in_encoder(frame, index, config):
    cells = Cells()
    start = cells.first_unused() * REGION + 1
    for bit in range(8):
        if frame[0][0, 0] >> bit & 1:
            cells.warm(start + bit)
    return b""


def in_decoder(data, index, config):
    cells = Cells()
    start = (cells.first_unused() - 1) * REGION + 1  # asking has used that one up
    return painted(bytes([sum(cells.warm(start + bit) << bit for bit in range(8))]), config)
