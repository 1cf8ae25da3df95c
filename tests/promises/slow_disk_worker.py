"""A worker whose disk is slow: what is written takes 2 ms, what is forced to it 60 ms."""

import os
import sys
import time

from cluster.engine import worker

_write, _fsync = os.write, os.fsync


def _slow_write(file, data):
    time.sleep(0.002)
    return _write(file, data)


def _slow_fsync(file):
    time.sleep(0.060)
    _fsync(file)


os.write, os.fsync = _slow_write, _slow_fsync

if __name__ == "__main__":
    sys.exit(worker.main(int(sys.argv[1])))
