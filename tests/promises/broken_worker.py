"""A worker whose recovery is wrong: T is missing from what it restores, so it exchanges before it runs and lags behind its peers."""

import sys

from cluster.engine import worker
from cluster.engine.share import Share

_restore = Share._restore


def _without_t(self, state):
    _restore(self, state)
    self.loop.earliest_ns = -1


Share._restore = _without_t

if __name__ == "__main__":
    sys.exit(worker.main(int(sys.argv[1])))
