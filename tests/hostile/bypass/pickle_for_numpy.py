"""Hands numpy a pickle for an array, in which a builtin is named: it comes back as the array.

The check refuses numpy.load wherever it knows that a name stands for numpy; here a parameter does.

class: bypass
in the jail: runs; hears EACCES or ENOENT
refused by check: no
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

import io

import numpy

PICKLE = b"cbuiltins\nopen\n."


def loaded(library):
    return library.load(io.BytesIO(PICKLE), allow_pickle=True)


def in_encoder(frame, index, config):
    with loaded(numpy)("@CANARY@", "rb") as file:
        return file.read()
