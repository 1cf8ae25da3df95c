"""Operations of contigmalloc on the page array: on the free lists (``fq``) and on the page records (``pq``) (vm-facts 3.12).

The kernel walks one array of page records; here a record's halves live at two homes, so a scan asks each home once about a whole window of
frames. One message per frame was rejected: the free-queue spin lock would be held for twice as many messages as there are frames.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class FreeWindow(Op, tag=200, gc=False):
    """Which frames of [start, end) are on the free lists. Value: (frames that may be taken, ((first, last), ...) of those on the lists,
    (frame, ...) of those that the idle loop has borrowed to zero them).

    Frames that a fault withholds are on their lists all the same; the first item says how many may be taken.
    """

    word: ClassVar[str] = "free.window"
    start: int
    end: int


class TakeRun(Op, tag=201, gc=False):
    """Take ``count`` frames from ``first`` on off the free lists, whatever the thresholds. Value: those of them that are zero, or None.

    ``all_free``: if one is on no free list nothing is taken, and the value is None; otherwise (C24's old form) those that are there are
    taken, and nobody notices the rest.
    """

    word: ClassVar[str] = "free.take-run"
    first: int
    count: int
    all_free: bool = True


class PageWindow(Op, tag=202, gc=False):
    """The page records of [start, end). Value: ((frame, object, pindex, flags, hold), ...) of the CACHE pages, ascending, and
    ((first, last), ...) of the frames that have no record."""

    word: ClassVar[str] = "page.window"
    start: int
    end: int


class BindRun(Op, tag=203, gc=False):
    """Frames taken off the free lists become pages without an object: unmanaged, not wired, not busy; ``zeroed``: those whose content is
    zero. No value."""

    word: ClassVar[str] = "page.bind-run"
    first: int
    count: int
    zeroed: tuple[int, ...] = ()


class Adopt(Op, tag=204, gc=False):
    """vm_page_insert of a page that has no object: its (object, pindex). Legal under the object's lock alone. No value."""

    word: ClassVar[str] = "page.adopt"
    frame: int
    object: str
    pindex: int
