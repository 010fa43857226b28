"""Leaves files where every process of the machine may: they stay when the run is over, and fill the disk.

idea: Piston, tests/file_persistance.py; IOI isolate 2.6: /dev/shm was shared among sandboxes
class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; nothing of this name lies in any of the folders
safe control: yes
"""


def in_encoder(frame, index, config):
    refused = None
    for folder in ("/dev/shm", "/tmp", "/var/tmp", "/run/lock"):
        try:
            open(folder + "/@NAME@", "w").close()
        except OSError as error:
            refused = error
    if refused:
        raise refused
    return b""
