"""contigmalloc1's scan of the page array for a run of free or cached frames (vm-facts 3.12; C22, C24).

C24 ``pq-only``: the scan holds the page-queues lock and no other, though a free frame belongs to the free-queue lock: what it saw free may
be allocated already when it takes it. ``fq-held``: the free-queue spin lock is held as well, for as long as the array is long.

A frame that is neither free nor a page, as both homes tell, nor with the idle loop, is one that somebody has popped and not yet initialised
(C22): that the scan sees such a state at all is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from protocol.identity import FREE_QUEUES, PAGE_QUEUES
from protocol.messages.contig import FreeWindow, PageWindow
from protocol.records import UNGUARDED

Spans = tuple[tuple[int, int], ...]
"""(first, last) of stretches of frames, ascending."""
CachedPage = tuple[int, str, int, int, int]
"""(frame, object, pindex, flags, hold) of a page on the CACHE queue."""


class Want:
    """What a caller of contigmalloc asks for: ``pages`` frames in [low, high), the first a multiple of ``alignment``, none beyond a
    multiple of ``boundary`` (0: no boundary). Both are powers of 2, in frames, as low and high are."""

    __slots__ = ("alignment", "boundary", "high", "low", "pages")

    def __init__(self, pages: int, low: int, high: int, alignment: int = 1, boundary: int = 0) -> None:
        self.pages, self.low, self.high, self.alignment, self.boundary = pages, low, high, alignment, boundary

    def may_begin(self, frame: int) -> bool:
        """Could a run begin at this frame, as far as its number goes?"""
        crosses = (frame ^ (frame + self.pages - 1)) & ~(self.boundary - 1) if self.boundary else 0
        return self.low <= frame < self.high and not frame & (self.alignment - 1) and not crosses


class Run:
    """A run that a scan has found: its first frame, how many there are, and those of them that are cached pages."""

    __slots__ = ("cached", "first", "pages")

    def __init__(self, first: int, pages: int, cached: tuple[CachedPage, ...]) -> None:
        self.first, self.pages = first, pages
        self.cached = {row[0]: row for row in cached if first <= row[0] < first + pages}

    @property
    def frames(self) -> range:
        """The frames of the run."""
        return range(self.first, self.first + self.pages)


@locks("pq", "fq if locked", unjudged=("fq",))
async def scan(k: Context, want: Want, start: int, locked: bool) -> tuple[Run | None, int]:
    """Look for a run from ``start`` on. Returns it, or None, and the frame from which the next scan shall look.

    [L: PQ; FQ if ``locked``] Under C24 ``fq-held`` the free-queue lock is held at the end, whatever the result.
    """
    if k.form("C24") == "fq-held" and not locked:
        await k.acquire(FREE_QUEUES)
    low, high = max(start, want.low), max(start, min(want.high, k.machine.frames + 1))
    takeable, free, idle = await k.call(FREE_QUEUES, FreeWindow(low, high))
    cached, absent = await k.call(PAGE_QUEUES, PageWindow(low, high))
    first, after, end = first_fit(merged(free, tuple(row[0] for row in cached)), want, start, k.machine.frames)
    await _note_torn(k, without(absent, merged(free, idle)), end)
    await k.compute("scan page array", (end - start) * k.costs.scan_page_ns)
    run = Run(first, want.pages, cached) if first else None
    if run is not None and takeable + len(run.cached) < want.pages:
        run = None
    return run, after


async def _note_torn(k: Context, torn: Spans, end: int) -> None:
    """Record every frame looked at, that is before ``end``, which is neither free nor a page."""
    for first, last in torn:
        for frame in range(first, min(last + 1, end)):
            await k.note(UNGUARDED, "page", f"page.{frame}", k.tid, "a page that is free or initialised")


def without(spans: Spans, others: Spans) -> Spans:
    """What of ``spans`` is in none of ``others``; both ascending."""
    left: list[tuple[int, int]] = []
    for first, last in spans:
        for low, high in others:
            if high >= first and low <= last:
                if low > first:
                    left.append((first, low - 1))
                first = high + 1
        if first <= last:
            left.append((first, last))
    return tuple(left)


def merged(free: Spans, others: tuple[int, ...]) -> Spans:
    """The stretches of frames that are free or among the others."""
    spans: list[tuple[int, int]] = []
    for first, last in sorted([*free, *((frame, frame) for frame in others)]):
        if spans and first == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return tuple(spans)


def first_fit(spans: Spans, want: Want, start: int, frames: int) -> tuple[int, int, int]:
    """The first run from ``start`` on among stretches of free and cached frames of a machine of so many frames.

    Returns (its first frame or 0, where the next scan begins, the first frame that this one did not look at). A frame at which a run
    could begin and does not is never looked at again, not even in a later pass, whatever has become of it; so it is in the kernel.
    """
    for frame, last in _beginnings(spans, want, start):
        if frame + want.pages > want.high:
            return 0, start, frame + 1
        if frame + want.pages - 1 <= last:
            return frame, frame, frame + want.pages
        start = frame + 1
    return 0, start, frames + 1


def _beginnings(spans: Spans, want: Want, start: int) -> Iterator[tuple[int, int]]:
    """(frame, last frame of its stretch) of every frame at which a run could begin, ascending."""
    for first, last in spans:
        for frame in range(max(first, start), last + 1):
            if want.may_begin(frame):
                yield frame, last
