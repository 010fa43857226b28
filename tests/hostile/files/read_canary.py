"""Reads a file that every user of the machine may read.

idea: DMOJ judge-server, testsuite/helloworld/tests/sandbox_py3_bad_file
class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("@CANARY@", "rb") as file:
        return file.read()
