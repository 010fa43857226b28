"""</b></td></table><script>document.documentElement.setAttribute('data-owned', 1)</script><img src=x onerror=owned()>

A source's first line is shown as its hypothesis, beside its verdict.

class: text
in the jail: runs
refused by check: no
seen from outside: raw; a docstring is escaped where it is shown, and so is the source that holds it
safe control: yes
"""


def in_encoder(frame, index, config):
    print(__doc__)
    return honest_encoder(frame, index, config)
