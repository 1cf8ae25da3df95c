"""Operations on a vm object (home ``object.*``, under its lock; vm-facts 2.4, 3.4)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from protocol.messages.base import Op


class Lookup(Op, tag=80, gc=False):
    """vm_page_lookup. Value: (frame, valid, soft busy), or (-1, type, size, backing or "", backing offset, warm) if nothing is resident.

    ``warm``: a file's page that the host had in its page cache and that has not been touched here yet: it needs no I/O. ``alive``: a
    fault asks, for which a dead object (OBJ_DEAD) has nothing: its type is told as OBJT_DEAD.
    """

    word: ClassVar[str] = "object.lookup"
    pindex: int
    alive: bool = False


class Insert(Op, tag=81, gc=False):
    """vm_page_insert: ``frame`` becomes resident at ``pindex``, not valid unless said. Value: None or the panic text; with ``tell_first``
    instead of None whether it is the only page of the object.

    ``check`` false: nobody looks whether a page is there already (C23's old form); the new one hides the other.
    """

    word: ClassVar[str] = "object.insert"
    pindex: int
    frame: int
    valid: int = 0
    check: bool = True
    tell_first: bool = False


class Remove(Op, tag=82, gc=False):
    """vm_page_remove: nothing is resident at ``pindex`` any more. Value: (frame, valid, pages left), or None.

    ``freed``: vm_page_free removes it, which panics while I/O on the page is under way: the value is the panic's text, and it stays.
    """

    word: ClassVar[str] = "object.remove"
    pindex: int
    freed: bool = False


class TreeRise(Op, tag=240, gc=False):
    """A removal's first step, taken apart (C15): splay the page to the top of what the root leads to. No value."""

    word: ClassVar[str] = "object.tree-rise"
    pindex: int


class TreeJoin(Op, tag=241, gc=False):
    """Its second: join the subtrees below the page. Value: the root that the tree shall have."""

    word: ClassVar[str] = "object.tree-join"
    pindex: int


class TreeStore(Op, tag=242, gc=False):
    """Its third: store the root, and unlink the page from the list. Value: as for :class:`Remove`."""

    word: ClassVar[str] = "object.tree-store"
    pindex: int
    root: int


class SetValid(Op, tag=83, gc=False):
    """Set the valid bitmap of the page at ``pindex``. No value."""

    word: ClassVar[str] = "object.valid"
    pindex: int
    valid: int


class IoCount(Op, tag=84, gc=False):
    """io_start (+1) or io_finish (-1) on the page at ``pindex``, or on that in ``frame``, gone from there. Value: the new count."""

    word: ClassVar[str] = "object.io"
    pindex: int
    delta: int
    frame: int = 0


class SoftBusy(Op, tag=93, gc=False):
    """Read the soft-busy count of the page at ``pindex``. Value: the count, 0 if there is no page."""

    word: ClassVar[str] = "object.soft-busy"
    pindex: int


class Generation(Op, tag=94, gc=False):
    """object.generation: it changes whenever the set of resident pages does. Value: int."""

    word: ClassVar[str] = "object.generation"


class Enter(Op, tag=85, gc=False):
    """A fault or an I/O begins (+) or ends (-): add to ref_count and paging_in_progress. Value: (refs, pip, shadow count).

    Reaching pip 0 with PIPWNT set wakes those who sleep on channel CHAN_PIP. ``dropped``: a reference is given up for good, as by
    vm_object_deallocate: where one is left and nothing shadows the object, it has one mapping again (OBJ_ONEMAPPING; not a file's).
    """

    word: ClassVar[str] = "object.enter"
    refs: int = 0
    pip: int = 0
    dropped: bool = False


CHAN_PIP = "pip"


class WantPip(Op, tag=86, gc=False):
    """vm_object_pip_wait's test: if pip > 0 set PIPWNT. Value: true if the caller must sleep on CHAN_PIP."""

    word: ClassVar[str] = "object.want-pip"


class Describe(Op, tag=87, gc=False):
    """Value: the fields of a :class:`Header`."""

    word: ClassVar[str] = "object.describe"


class Header(NamedTuple):
    """An object's header. ``backing`` is "" for none, ``offset`` the backing object's, in pages; ``resident`` counts pages."""

    type: int
    size: int
    refs: int
    shadows: int
    pip: int
    backing: str
    offset: int
    flags: int
    resident: int
    blocks: int
    colour: int


class Backing(Op, tag=88, gc=False):
    """Set the backing object and the offset in pages ("" for none). No value."""

    word: ClassVar[str] = "object.backing"
    backing: str
    offset: int


class ShadowCount(Op, tag=89, gc=False):
    """Add to shadow_count, and put the object ``shadow`` at the head of shadow_head (+1) or take it off (-1). Value: the new count.

    With 0, ``shadow`` comes in the place of ``instead``, which shadowed the object so far.
    """

    word: ClassVar[str] = "object.shadow-count"
    delta: int
    shadow: str = ""
    instead: str = ""


class Shadows(Op, tag=95, gc=False):
    """shadow_head: the objects that shadow this one, the latest first. Value: their names, at most ``limit``."""

    word: ClassVar[str] = "object.shadows"
    limit: int = 1


class SetType(Op, tag=90, gc=False):
    """Change the object's type (DEFAULT becomes SWAP at the first page-out; OBJT_DEAD at termination). No value."""

    word: ClassVar[str] = "object.type"
    type: int


class SetFlag(Op, tag=91, gc=False):
    """Set and clear object flags (OBJ_*). No value."""

    word: ClassVar[str] = "object.flags"
    set: int = 0
    clear: int = 0


class DevicePage(Op, tag=218, gc=False):
    """d_mmap: which physical page a device has at ``pindex``. The driver answers, without a lock. Value: its number, -1 if none."""

    word: ClassVar[str] = "object.device-page"
    pindex: int


class Resident(Op, tag=92, gc=False):
    """Pages resident from ``start`` (inclusive) to ``end`` (exclusive), ascending, at most ``limit``.

    Value: ((pindex, frame, valid, soft), ...).
    """

    word: ClassVar[str] = "object.resident"
    start: int
    end: int
    limit: int = 64


OBJ_ACTIVE, OBJ_DEAD, OBJ_PIPWNT, OBJ_WRITEABLE, OBJ_MIGHTBEDIRTY, OBJ_ONEMAPPING = 0x4, 0x8, 0x40, 0x80, 0x100, 0x2000
