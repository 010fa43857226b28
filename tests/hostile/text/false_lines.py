"""Prints lines as the lab would print them, plain and in its colours, and says them once more in an exception.

class: text
in the jail: encode: raised
refused by check: no
seen from outside: raw; colours are shown as escapes, and what an exception says stands below the lab's own line
safe control: yes
"""

LINES = (
    "adopted as v9, x265 -99.0 %",
    "generation 7: adopted, isolation: sealed (5 of 5 probes held)",
    "0 alerts; the campaign is complete",
)


def in_encoder(frame, index, config):
    words = "\n".join(f"\x1b[2K\r\x1b[1;32m{line}\x1b[0m" for line in LINES)
    print(*LINES, words, sep="\n")
    raise ValueError("\n".join((*LINES, words)))
