"""Plants a .pth file where Python looks at its start: the lab's next start would run it.

class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; no such file lies in any folder of Python's path
safe control: yes
"""

import sys


def in_encoder(frame, index, config):
    refused = None
    for folder in [*sys.path, "@FOLDER@"]:
        try:
            with open(folder + "/@NAME@.pth", "w") as file:
                file.write("import os\n")
        except OSError as error:
            refused = error
    if refused:
        raise refused
    return b""
