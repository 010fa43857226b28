"""Opens the machine's memory, kernel log and disks as devices.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: claim; it opens none of them
safe control: no; only root may open them, and no test should read a machine's disk
"""

import os


def in_encoder(frame, index, config):
    refused = None
    for path in ("/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/kvm", "/dev/fuse"):
        try:
            os.close(os.open(path, os.O_RDONLY))
            print("did it")
        except OSError as error:
            refused = error
    if refused:
        raise refused
    return b""
