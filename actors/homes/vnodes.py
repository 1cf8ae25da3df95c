"""A file's vnode, as far as memory needs it: the interlock, and the hold count that keeps a vnode while its object has pages.

The vnode's own sleepable lock (lockmgr) is another lock and hence another home, ``vnlock.N``, a plain one: no state of the model is under
it. One home with two locks was rejected: grants are counted per home, and the count is what proves a lock.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import Home, OpTable, locked
from protocol.messages import Value
from protocol.messages.vnodes import VnodeHold
from protocol.records import VNODE_HOLD


class Vnode(Home, kw_only=True):
    """``vnode.N``, whose pages are in ``object.N``."""

    ops: ClassVar[OpTable] = {VnodeHold: locked("hold", "hold_count")}

    hold_count: int = 0
    """v_holdcnt, less what the file system holds."""

    def hold(self, op: VnodeHold) -> Value:
        """vhold, vdrop."""
        self.record((VNODE_HOLD, self.hold_count, self.hold_count + op.delta))
        self.hold_count += op.delta
        return self.hold_count
