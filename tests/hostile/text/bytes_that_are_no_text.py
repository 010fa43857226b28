"""Writes bytes that are no UTF-8, with a terminal's escapes and an eight-bit one between them.

class: text
in the jail: runs
refused by check: yes
seen from outside: raw; what cannot be read is replaced, and what follows it is escaped all the same
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.write(1, b"\xff\xfe\x1b[2J \xed\xa0\x80 \x9b31m \xc2\x9b31m \xc3\x1b[?1049h\x1bc <script>owned()</script>\n")
    return honest_encoder(frame, index, config)
