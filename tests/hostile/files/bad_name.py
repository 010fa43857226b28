"""Reads a file whose name is not UTF-8: a fence that reads paths as text may stumble over it.

idea: DMOJ judge-server, testsuite/helloworld/tests/sandbox_c_bad_unicode_open
class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""


def in_encoder(frame, index, config):
    with open(b"@FOLDER@/canary\xaa", "rb") as file:
        return file.read()
