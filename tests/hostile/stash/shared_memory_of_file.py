"""Maps a file that it may read as shared memory, and makes it writable afterwards.

class: stash
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: stash; there is no such memory
safe control: no; the kernel refuses to make such a mapping writable, jail or not
"""

import mmap
import os


def at_load():
    fd = os.open(os.__file__, os.O_RDONLY)
    try:
        return mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        os.close(fd)


def in_encoder(frame, index, config):
    return b""


def in_decoder(data, index, config):
    return painted(b"", config)
