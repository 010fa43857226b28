"""Looks in the list of all classes for one whose methods were written beside os.

idea: the classic way out of a Python without builtins
class: bypass
in the jail: runs
refused by check: yes
seen from outside: leak; the key that stands in this process's environment does not come out
safe control: yes
"""


def in_encoder(frame, index, config):
    for kind in ().__class__.__base__.__subclasses__():
        if kind.__name__ == "_wrap_close":
            return repr(sorted(kind.__init__.__globals__["environ"].items())).encode()
    return b""
