"""Lets numpy read a file, by functions that bear the names of others.

class: bypass
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

from numpy import fromfile as frombuffer
from numpy import memmap as zeros


def in_encoder(frame, index, config):
    return zeros("@CANARY@", "uint8", "r").tobytes() + frombuffer("@CANARY@", "uint8").tobytes()
