"""Imports by a name that is put together while it runs, with a function that is looked up by one.

class: bypass
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""


def in_encoder(frame, index, config):
    holder = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)
    network = holder["__imp" + "ort__"]("".join(["so", "ck", "et"]))
    with getattr(network, "create_" + "connection")(("127.0.0.1", int("@TCP@")), timeout=1) as connection:
        connection.sendall(b"@NAME@")
    return b""
