"""Lists a home's key folder and reads the private key in it.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the key comes out
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    folder = "@FOLDER@/home/.ssh"
    return b"".join(open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder))
