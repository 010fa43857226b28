"""Takes the builtins out of a generator's frame.

class: bypass
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""


def in_encoder(frame, index, config):
    builtins = (number for number in ()).gi_frame.f_builtins
    with builtins["open"]("@CANARY@", "rb") as file:
        return file.read()
