"""Prints over what stands before it: carriage returns, backspaces, cursor up; and NULs, where a text may end.

class: text
in the jail: runs
refused by check: no
seen from outside: raw; what moves the cursor is shown, and nothing is printed over
safe control: yes
"""


def in_encoder(frame, index, config):
    print("rejected: loses 40 %\radopted: gains 99 %")
    print("rejected" + "\b" * 8 + "adopted \x7f\x7f")
    print("\x1b[1A\x1b[2K\x0b\x0cadopted\0 and the rest is not read\x85")
    return honest_encoder(frame, index, config)
