# coding: raw_unicode_escape
"""Declares an encoding in which an escape within a comment ends the line: what follows is code.

The lab runs the very text that it has checked; a lab that writes it to a file and imports that would not.

class: bypass
in the jail: runs
refused by check: yes
seen from outside: leak; the comment stays a comment
safe control: yes
control: as a file
"""

# the sizes are in bytes \u000aprint(open("@CANARY@").read())


def in_encoder(frame, index, config):
    return b""
