"""Plants a symbolic link that leads a careless writer on our side to the victim's file.

idea: Judge0's escapes of 2024 began with a link that the privileged side followed
class: files
in the jail: runs; hears EACCES or ENOENT or EPERM or EROFS
refused by check: yes
seen from outside: file; no link appears
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.symlink("@VICTIM@", "@FOLDER@/@NAME@")
    return b""
