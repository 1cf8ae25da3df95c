"""A worker whose model brings it down: one actor kills the process at one message, every time."""

import os
import signal
import sys

from actors.phold import Phold
from cluster.engine import worker

_bind = Phold.bind


def _fatal(self, port):
    table = _bind(self, port)
    if self.name != "phold.3":
        return table

    def deadly(handler):
        def handle(message, sender):
            if self.clock.now > 1_000_000:
                os.kill(os.getpid(), signal.SIGKILL)
            handler(message, sender)

        return handle

    return {kind: deadly(handler) for kind, handler in table.items()}


Phold.bind = _fatal

if __name__ == "__main__":
    sys.exit(worker.main(int(sys.argv[1])))
