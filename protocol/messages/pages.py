"""Operations on page records (home ``pq``, under the page-queues lock; vm-facts 3.2 to 3.8).

A page record exists for every allocated frame and for no free one. Frames are numbers.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class Bind(Op, tag=40, gc=False):
    """A frame fresh from the free lists becomes a page: (object, pindex), wire count, BUSY if ``busy``, PG_ZERO if ``zeroed``.

    Legal without the page-queues lock, for the frame is still private. ``object`` is "" for a page without an object. ``asked``: the
    ALLOC_* flags of the request. No value.
    """

    word: ClassVar[str] = "page.bind"
    frame: int
    object: str
    pindex: int
    wire: int = 0
    busy: bool = False
    zeroed: bool = False
    unmanaged: bool = False
    asked: int = 0


class Rebind(Op, tag=41, gc=False):
    """Rename: the page's (object, pindex) replica changes; a CACHE page is deactivated; all dirty bits are set. Value: None, or the panic.

    With ``object`` "" it is vm_page_remove alone; of a page without an object vm_page_insert alone, which leaves queue and dirty bits as
    they are. ``must_be_busy``: the removal asks for BUSY, as it did before C01.
    """

    word: ClassVar[str] = "page.rebind"
    frame: int
    object: str
    pindex: int
    must_be_busy: bool = False


class Claim(Op, tag=42, gc=False):
    """The fault's test-and-set on a resident page: dequeue it and set BUSY, unless it may not.

    ``soft`` is the page's soft-busy count as its object told; ``write_first`` is true for a write fault on the first object. Value:
    (code, cow count) with code CLAIMED, WAS_BUSY, WAS_CACHED or NEEDS_COW. A page on CACHE is claimed only when the asker has said
    whether memory is severely short (``severe`` 0 or 1; -1: it has not looked): if so it is activated instead. Both answer WAS_CACHED.
    ``cow_first``: that a page is being sent is looked at before whether it is busy (R06 open).
    """

    word: ClassVar[str] = "page.claim"
    frame: int
    soft: int = 0
    write_first: bool = False
    severe: int = -1
    cow_first: bool = False


CLAIMED, WAS_BUSY, WAS_CACHED, NEEDS_COW = range(4)


class SetBusy(Op, tag=43, gc=False):
    """vm_page_busy: set BUSY, which must be clear. Value: None, or the panic."""

    word: ClassVar[str] = "page.busy"
    frame: int


class Unbusy(Op, tag=44, gc=False):
    """vm_page_wakeup: clear BUSY, which must be set, and wake whoever sleeps on the page. Value: None, or the panic."""

    word: ClassVar[str] = "page.unbusy"
    frame: int


class Finish(Op, tag=45, gc=False):
    """The end of a fault on a page: set REFERENCED and activate it, or only deactivate it; clear BUSY and wake sleepers.

    Value: None, or the panic.

    ``clear_zero``: PG_ZERO is cleared as well, as it was before C18.
    """

    word: ClassVar[str] = "page.finish"
    frame: int
    activate: bool = True
    clear_zero: bool = False


class Flash(Op, tag=46, gc=False):
    """vm_page_flash: if WANTED, clear it and wake the sleepers on the page. No value."""

    word: ClassVar[str] = "page.flash"
    frame: int


class WantBusy(Op, tag=47, gc=False):
    """sleep_if_busy's test: if BUSY (or ``soft`` > 0 and ``also_soft``) set WANTED|REFERENCED. Value: true if the caller must sleep.

    The sleep itself is the message Sleep on channel ``page_channel(frame)``, with the page-queues lock as interlock.
    """

    word: ClassVar[str] = "page.want"
    frame: int
    soft: int = 0
    also_soft: bool = True


class Activate(Op, tag=48, gc=False):
    """vm_page_activate. No value."""

    word: ClassVar[str] = "page.activate"
    frame: int


class Deactivate(Op, tag=49, gc=False):
    """vm_page_deactivate, at the head of INACTIVE if ``head`` (dontneed). No value."""

    word: ClassVar[str] = "page.deactivate"
    frame: int
    head: bool = False


class MakeCache(Op, tag=50, gc=False):
    """vm_page_cache after its mappings are gone: to CACHE if clean, idle, unwired, unheld. Value: (it is there, somebody waits for memory
    and may be helped by it).

    A dirty page is the kernel's panic ``vm_page_cache: caching a dirty page``: value is the text instead.
    """

    word: ClassVar[str] = "page.cache"
    frame: int
    soft: int = 0


class SetWriteable(Op, tag=51, gc=False):
    """Step 6 of a fault: set WRITEABLE; if ``dirty`` also set all dirty bits. No value."""

    word: ClassVar[str] = "page.writeable"
    frame: int
    dirty: bool = False


class SetFlags(Op, tag=52, gc=False):
    """Set and clear flag bits of a page. No value."""

    word: ClassVar[str] = "page.flags"
    frame: int
    set: int = 0
    clear: int = 0


class SetAct(Op, tag=340, gc=False):
    """Set the page's act_count, where it stands on its queue. No value."""

    word: ClassVar[str] = "page.act"
    frame: int
    act: int
    clear_referenced: bool = False


class SetDirty(Op, tag=53, gc=False):
    """Set the dirty bitmap (0 after a write-out; VALID_ALL by vm_page_dirty). No value."""

    word: ClassVar[str] = "page.dirty"
    frame: int
    dirty: int


class FreePage(Op, tag=57, gc=False):
    """vm_page_free up to the free list: dequeue, check, drop the record (or HOLD). Value: (code or panic text, wake daemon-waiters).

    First item: true the frame now goes to the free list, false it went to HOLD, a text the kernel's panic.
    ``must_be_busy``: the removal from the object asks for BUSY, as it did before C01. Third item: PG_ZERO was set. Fourth: the thread that
    zeroes free pages sleeps.
    """

    word: ClassVar[str] = "page.free"
    frame: int
    must_be_busy: bool = False


class FakeNew(Op, tag=216, gc=False):
    """The device pager makes a page record for memory that is no RAM: busy, wired once, of (object, pindex). No value.

    Legal without a lock: nobody else can reach it yet.
    """

    word: ClassVar[str] = "page.fake-new"
    frame: int
    object: str
    pindex: int


class FakeFree(Op, tag=217, gc=False):
    """The device pager drops such a record, which is in no object any more. No value."""

    word: ClassVar[str] = "page.fake-free"
    frame: int


class Wire(Op, tag=58, gc=False):
    """vm_page_wire. No value. ``pinned``: the wire count of a fictitious page stays as it is (C16)."""

    word: ClassVar[str] = "page.wire"
    frame: int
    pinned: bool = True


class Unwire(Op, tag=59, gc=False):
    """vm_page_unwire, to ACTIVE or INACTIVE. Value: None, or the panic text. ``pinned``: as for :class:`Wire`."""

    word: ClassVar[str] = "page.unwire"
    frame: int
    activate: bool = True
    pinned: bool = True


class Hold(Op, tag=60, gc=False):
    """vm_page_hold (+1) or unhold (-1). Value: true if a frame on HOLD must now go to the free list."""

    word: ClassVar[str] = "page.hold"
    frame: int
    delta: int


class CowCount(Op, tag=61, gc=False):
    """Zero-copy sends in flight: cow += delta. Value: the new count."""

    word: ClassVar[str] = "page.cow"
    frame: int
    delta: int


class PageState(Op, tag=62, gc=False):
    """Read a page record under the lock. Value: (queue, flags, wire, hold, act, dirty, cow, object, pindex), or None if free."""

    word: ClassVar[str] = "page.state"
    frame: int


class PageOwner(Op, tag=69, gc=False):
    """An unlocked read of m.object and m.pindex. Value: (object, pindex); ("", -1) for a page without an owner."""

    word: ClassVar[str] = "page.owner"
    frame: int


class Poke(Op, tag=70, gc=False):
    """An injected fault: a field of the page record gets a value. Value: None, or why not."""

    word: ClassVar[str] = "page.poke"
    frame: int
    field: str
    value: int


class BootSlab(Op, tag=71, gc=False):
    """How many items of the boot-time slab below vm_page_array are free, as the slab says. Value: int."""

    word: ClassVar[str] = "page.boot-slab"


def page_channel(frame: int) -> str:
    """The channel on which threads sleep for a busy page."""
    return f"page.{frame}"
