"""Prints what a terminal would do: clear the screen, change its title, fill the clipboard, hide where a link leads.

class: text
in the jail: runs
refused by check: no
seen from outside: raw; each control character is shown as an escape
safe control: yes
"""

CLEAR, TITLE = "\x1b[2J\x1b[H\x1b[3J", "\x1b]0;all is well\x07"
CLIPBOARD, LINK = "\x1b]52;c;cm0gLXJmIH4=\x07", "\x1b]8;;http://evil.example\x1b\\the report\x1b]8;;\x1b\\"
EIGHT_BITS = "\x9b31m \x9d0;title\x9c \x90+q\x9c"


def in_encoder(frame, index, config):
    print(CLEAR, TITLE, CLIPBOARD, LINK, EIGHT_BITS)
    return honest_encoder(frame, index, config)
