"""Prints without end; at least as much as a terminal, a log or a notebook cannot take.

idea: Piston, tests/runaway_output.py
class: resources
in the jail: runs
refused by check: no
seen from outside: flood; the lab keeps the beginning and drops the rest
safe control: yes
"""


def in_encoder(frame, index, config):
    for _ in range(40):
        print("spam " * 20_000)
    return b""
