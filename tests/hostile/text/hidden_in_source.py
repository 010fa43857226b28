"""Turns the order of its own source around, so that a reader takes code for a comment; and prints it.

idea: N. Boucher, R. Anderson, "Trojan Source: Invisible Vulnerabilities" (2021)
class: text
in the jail: runs
refused by check: yes
seen from outside: raw; characters of direction are shown by their numbers, in output and in the source
safe control: yes
"""

LEVEL = "user‮ ⁦# only for the admin⁩ ⁦"


def in_encoder(frame, index, config):
    print(LEVEL)  # ‮ ⁦ return the frame ⁩
    return honest_encoder(frame, index, config)
