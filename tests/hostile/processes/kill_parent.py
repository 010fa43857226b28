"""Kills its parent: who ends a lab's own process ends the campaign.

idea: DMOJ judge-server, testsuite/helloworld/tests/sandbox_nasm64_kill_judge
class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: fall; the nursery goes on, and codes the next clip bit-exactly
safe control: yes
"""

import os
import signal


def in_encoder(frame, index, config):
    os.kill(os.getppid(), signal.SIGKILL)
    return b""
