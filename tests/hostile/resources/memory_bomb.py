"""Takes memory until there is no more, and uses it.

class: resources
in the jail: encode: out of memory
refused by check: no
seen from outside: claim; it does not get 640 MiB
safe control: yes
"""


def in_encoder(frame, index, config):
    kept = []
    for _ in range(10):
        kept.append(b"\1" * (64 << 20))
    print("did it")
    return b""
