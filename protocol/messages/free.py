"""Operations on the free lists (home ``fq``, under the free-queue spin lock; vm-facts 2.3, 3.1, 3.2).

Thresholds are decided inside ``Take``: test and pop are one step under the lock.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class Take(Op, tag=30, gc=False):
    """Pop a free frame near ``colour`` for a request of ``klass``. Value: (frame or -1, pre-zeroed, paging needed).

    ``prefer_zero`` takes the tail of a colour's list. A request that the thresholds forbid gets frame -1 and changes nothing.
    ``last_resort`` is SYSTEM's second try after the cache was found empty (3.1 step 4). ``forward``: neighbouring colours are searched
    upwards, as no kernel did (C32's foil).
    """

    word: ClassVar[str] = "free.take"
    colour: int
    klass: int
    prefer_zero: bool = False
    last_resort: bool = False
    forward: bool = False


class Put(Op, tag=31, gc=False):
    """Put a frame back: at the tail if its content is zero, else at the head. Value: (free count, reserved by cache mirror).

    The value is (free + cache pages, free pages) after the step.
    """

    word: ClassVar[str] = "free.put"
    frame: int
    zeroed: bool = False


class CacheCount(Op, tag=32, gc=False):
    """The paging queues' home tells how many pages its CACHE queue holds (the kernel reads v_cache_count without a lock)."""

    word: ClassVar[str] = "free.cache-count"
    count: int


class FreeCounts(Op, tag=33, gc=False):
    """An unlocked read of the counters. Value: (free, cache, zeroed)."""

    word: ClassVar[str] = "free.counts"


class TakeDirty(Op, tag=36, gc=False):
    """The idle loop takes a frame near ``colour`` to zero it. Value: the frame, -1 if the first there is zero already or none is free."""

    word: ClassVar[str] = "free.take-dirty"
    colour: int


class PutZeroed(Op, tag=37, gc=False):
    """The idle loop puts a frame back that it has zeroed, at the tail of its colour's list. No value."""

    word: ClassVar[str] = "free.put-zeroed"
    frame: int


class ZeroCheck(Op, tag=341, gc=False):
    """vm_page_zero_check, without a lock: are more free pages to be zeroed? Value: bool."""

    word: ClassVar[str] = "free.zero-check"


class Withhold(Op, tag=34, gc=False):
    """A fault: take up to ``frames`` free frames, or all but ``leave``, out of use: until a time, for a time, or for good (0 and 0)."""

    word: ClassVar[str] = "free.withhold"
    frames: int
    until_ns: int = 0
    for_ns: int = 0
    leave: int = -1


class ReturnWithheld(Op, tag=35, gc=False):
    """The frames withheld come back (a timer of the home to itself)."""

    word: ClassVar[str] = "free.return"
    frames: int
