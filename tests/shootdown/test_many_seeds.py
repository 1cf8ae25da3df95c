"""The processes that run many seeds end with the one that started them, however that ends."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from signal import SIGKILL, SIGTERM

import pytest

PARENT = r"""
import os
from threading import Event
from shootdown.many_seeds import Processes

def work(seeds):
    os.write(1, b"%d\n" % os.getpid())
    Event().wait()

if __name__ == "__main__":
    with Processes(2) as processes:
        processes.over(range(20), work)
"""


@pytest.mark.parametrize("signal", [SIGTERM, SIGKILL])
def test_one_that_is_killed_leaves_no_process_behind(tmp_path, signal):
    """All of them have inherited its standard output, which ends when the last of them does."""
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    working: list[int] = []
    try:
        working += [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(signal)
        assert parent.communicate(timeout=60) == ("", None)
    finally:
        for pid in (parent.pid, *working):
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
    assert parent.returncode == -signal
