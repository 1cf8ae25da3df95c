"""Operations on the kernel's windows to other address spaces' page-table pages (home ``window.*``; i386; vm-facts 2.5, C10)."""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class PointWindow(Op, tag=236, gc=False):
    """Let the window show the page-table page ``table``; CPU ``cpu`` is about to use it. Value: WINDOW_SAME, WINDOW_MOVED (it shows that
    page already, and another CPU was the last to use it) or WINDOW_CHANGED."""

    word: ClassVar[str] = "window.point"
    table: int
    cpu: int


WINDOW_SAME, WINDOW_MOVED, WINDOW_CHANGED = range(3)


class WindowWalk(Op, tag=237, gc=False):
    """The MMU walks the kernel's page table for the window. Value: the frame it shows. No lock: this is hardware."""

    word: ClassVar[str] = "window.walk"
