"""Operations on the paging queues as queues: choosing, scanning, counting, waiting for memory (home ``pq``; vm-facts 3.3, 3.11).

Scan markers are negative numbers among the frames.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class SelectCache(Op, tag=63, gc=False):
    """The first CACHE page near ``colour``, or the one after ``passed`` others (R08 closed).

    Value: (frame, object, pindex, flags, wire, hold, dirty, mappings, pages of CACHE not passed over), or None.
    """

    word: ClassVar[str] = "page.select-cache"
    colour: int
    passed: int = 0


class NextAfter(Op, tag=64, gc=False):
    """A scan's step: what follows ``after`` (a frame, a marker, or 0: the queue's head) on ``queue``.

    Value: (frame, object, pindex, flags, dirty, hold, act, wire), or None at the end or when ``after`` left the queue (see ``LEFT``).
    A marker of another scan is returned as (marker,). ``colour``: of CACHE, the list of this colour alone.
    """

    word: ClassVar[str] = "page.next"
    queue: int
    after: int = 0
    colour: int = -1


LEFT = -1
"""NextAfter's value is (LEFT,) when the frame it should start from is no longer on that queue."""


class CacheRover(Op, tag=305, gc=False):
    """The colour of CACHE at which the page daemon last freed a page; set if ``colour`` is not -1. Value: the colour."""

    word: ClassVar[str] = "page.cache-rover"
    colour: int = -1


class StatsInterval(Op, tag=306, gc=False):
    """Another of vm_pageout_page_stats' intervals is over. Value: whether it is the fourth, in which all active pages are looked at."""

    word: ClassVar[str] = "page.stats-interval"


class Mark(Op, tag=65, gc=False):
    """Insert marker ``marker`` (a negative number) after ``frame`` on its queue, or remove it when ``frame`` is 0.

    Value: of an insertion, true if done; of a removal, (what the marker stood behind, what that stands behind), 0 for the queue's head and
    twice ``LEFT`` if there was no such marker.
    """

    word: ClassVar[str] = "page.mark"
    queue: int
    marker: int
    frame: int = 0


class Requeue(Op, tag=66, gc=False):
    """Move the page to the tail of its queue and set its act_count (vm_pageq_requeue). No value."""

    word: ClassVar[str] = "page.requeue"
    frame: int
    act: int = -1
    clear_referenced: bool = False


class QueueCounts(Op, tag=67, gc=False):
    """Value: (inactive, active, cache, hold, deficit, pages needed), without clearing anything; ``take_deficit`` clears the deficit."""

    word: ClassVar[str] = "page.counts"
    take_deficit: bool = False


class PagesNeeded(Op, tag=68, gc=False):
    """Set or clear vm_pages_needed; setting it wakes the daemon, clearing it wakes those who wait for memory. No value.

    Without the lock this is pagedaemon_wakeup's unlocked access. ``deficit`` is added to vm_pageout_deficit.
    """

    word: ClassVar[str] = "page.needed"
    needed: bool
    deficit: int = 0


CHAN_NEEDED = "vm_pages_needed"
"""Where the page daemon sleeps."""
CHAN_FREE = "v_free_count"
"""Where threads wait for memory."""
CHAN_DAEMON_MEMORY = "pageout_pages_needed"
"""Where the page daemon itself waits for memory."""
CHAN_ZERO = "zero_state"
"""Where the thread that zeroes free pages sleeps while enough of them are zero."""
