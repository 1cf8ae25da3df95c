"""The ISA DMA channels' bounce buffers, and the mutex of the driver that uses them.

The kernel keeps the table without a lock of its own, for it is written when drivers attach; the home's lock stands for a driver's mutex,
which has nothing to do with the table.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import Home, OpTable, unlocked
from protocol.messages import Value
from protocol.messages.isa import DmaBuffer, DriverTold, SetDmaBuffer
from protocol.records import DMA_BUFFER


class IsaDma(Home, kw_only=True):
    """Channel to (first frame, pages) of its bounce buffer, and what the drivers remember of it."""

    ops: ClassVar[OpTable] = {
        DmaBuffer: unlocked("buffer"),
        SetDmaBuffer: unlocked("set_buffer"),
        DriverTold: unlocked("driver_told"),
    }

    buffers: dict[int, tuple[int, int]] = {}
    told: dict[int, int] = {}
    """What each channel's driver was told when it attached."""

    def buffer(self, op: DmaBuffer) -> Value:
        """dma_bouncebuf[chan]."""
        return self.buffers.get(op.channel)

    def set_buffer(self, op: SetDmaBuffer) -> Value:
        """dma_bouncebuf[chan] = buf."""
        self.buffers[op.channel] = (op.frame, op.pages)
        self.record((DMA_BUFFER, op.channel, op.frame, op.pages))
        return None

    def driver_told(self, op: DriverTold) -> Value:
        """The driver's own record."""
        if op.status >= 0:
            self.told[op.channel] = op.status
        return self.told.get(op.channel, 0)
