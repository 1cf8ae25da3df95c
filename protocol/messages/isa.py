"""Operations on the table of ISA DMA channels (home ``isa``; C06)."""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class DmaBuffer(Op, tag=315, gc=False):
    """dma_bouncebuf[channel]. Value: (first frame, pages), or None if the channel has no buffer."""

    word: ClassVar[str] = "isa.buffer"
    channel: int


class SetDmaBuffer(Op, tag=316, gc=False):
    """The channel gets a bounce buffer. No value."""

    word: ClassVar[str] = "isa.set-buffer"
    channel: int
    frame: int
    pages: int


class DriverTold(Op, tag=317, gc=False):
    """What the channel's driver was told when it attached, as it remembers: 0 or an error. ``status`` -1 only asks. Value: the status."""

    word: ClassVar[str] = "isa.told"
    channel: int
    status: int = -1
