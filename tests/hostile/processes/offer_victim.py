"""Tells the kernel to end another process first when memory runs out.

class: processes
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: victim; its score is as it was
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("/proc/@PID@/oom_score_adj", "w") as file:
        file.write("1000")
    return b""
