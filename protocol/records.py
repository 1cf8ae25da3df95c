"""The kinds of record, declared in one place: number, name, fields.

A record is a flat tuple ``(number, field, ...)`` made by the actor that is handling an event. A trace entry is the head of
that event, ``(time, class, tie, receiver, sender, seq, cause sender, cause seq)``, its message's word, and the records made while handling
it. A record's identity is its event's identity and its position. The receiver of the event, called *actor* below, is part of every
record's meaning: ``object.insert`` is about the object whose name is the entry's receiver.

Each kind names who reads it, so that nothing is recorded for nobody. Fields are ints, text, bools or tuples of them.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of record."""

    number: int
    name: str
    fields: tuple[str, ...]
    meaning: str


KINDS: dict[int, Kind] = {}
KIND_BY_NAME: dict[str, Kind] = {}


def _kind(number: int, name: str, fields: str, meaning: str) -> int:
    kind = Kind(number, name, tuple(fields.split()), meaning)
    assert number not in KINDS and name not in KIND_BY_NAME, f"record kind {number} {name} declared twice"
    KINDS[number] = KIND_BY_NAME[name] = kind
    return number


# Locks, as the thread that holds them sees them (made by its CPU, so they are in the thread's own order).
LOCK_ACQUIRE = _kind(1, "lock.acquire", "thread lock mode fence wait_ns depth", "the thread owns the lock; depth 1 unless recursive")
LOCK_RELEASE = _kind(2, "lock.release", "thread lock fence hold_ns depth", "the thread gives it back; depth is what remains")
LOCK_WAIT = _kind(3, "lock.wait", "thread lock owner", "the lock is taken: the thread waits for it")
LOCK_FAIL = _kind(4, "lock.fail", "thread lock owner", "a try-lock or an upgrade did not get the lock")

# Sleeping (CPU) and waking (home).
SLEEP = _kind(5, "sleep", "thread chan interlock", "the thread sleeps on a channel of the interlock's home, releasing the interlock")
WAKE = _kind(6, "wake", "thread chan why", "the thread runs again: wakeup, timeout")
WAKEUP = _kind(7, "wakeup", "chan threads", "the home woke these threads off the channel")

# Threads and routines (CPU).
ENTER = _kind(8, "enter", "thread routine arguments held", "a kernel routine begins; held are lock names")
LEAVE = _kind(9, "leave", "thread routine outcome held", "a kernel routine ends")
CONTRACT = _kind(
    14, "contract", "thread routine what locks", "a routine begins or ends otherwise than declared; locks: those that it has kept or lost"
)
SWITCH = _kind(10, "switch", "old new pmap", "context switch; pmap is the address space now loaded")
PANIC = _kind(11, "panic", "thread text", "the modelled kernel panics")
COMPUTE = _kind(12, "compute", "thread what ns", "the thread is about to spend ns of CPU time")
STALLED = _kind(13, "stalled", "ns", "a fault: the CPU does nothing for ns")

# Pages: the record at the paging queues' home.
PAGE_BIND = _kind(
    20, "page.bind", "frame object pindex wire flags thread asked", "a frame fresh from the free lists becomes a page; asked: ALLOC_* flags"
)
PAGE_QUEUE = _kind(21, "page.queue", "frame old new", "the page moves between queues")
PAGE_BUSY = _kind(22, "page.busy", "frame thread", "BUSY set; thread owns it")
PAGE_UNBUSY = _kind(23, "page.unbusy", "frame thread", "BUSY cleared by thread")
PAGE_FLAGS = _kind(24, "page.flags", "frame old new", "flags other than BUSY change")
PAGE_WIRE = _kind(25, "page.wire", "frame old new", "wire count")
PAGE_HOLD = _kind(26, "page.hold", "frame old new", "hold count")
PAGE_DIRTY = _kind(27, "page.dirty", "frame old new", "dirty bitmap")
PAGE_COW = _kind(28, "page.cow", "frame old new", "zero-copy sends in flight")
PAGE_ACT = _kind(29, "page.act", "frame old new", "act_count")
PV_ADD = _kind(30, "page.pv-add", "frame pmap vpn", "pv entry linked")
PV_DEL = _kind(31, "page.pv-del", "frame pmap vpn accessed modified", "pv entry unlinked, bits harvested")
PV_REQUEUE = _kind(44, "page.pv-requeue", "frame entries", "so many of the first pv entries go to the tail of the page's list")
PAGE_RELEASE = _kind(32, "page.release", "frame object pindex queue", "vm_page_free: the page record is gone (queue FREE) or on HOLD")
PAGE_COUNTS = _kind(33, "page.counts", "inactive active cache hold", "the queues' counters, as the page daemon reads them")
PAGE_REBIND = _kind(34, "page.rebind", "frame object pindex old old_pindex", "rename, insertion or removal: old is the owner before")
PAGES_NEEDED = _kind(35, "page.needed", "old new deficit", "vm_pages_needed and the deficit")
PAGE_RECLAIM = _kind(146, "page.reclaim", "thread frame", "vm_page_try_to_free takes the page for clean and gives its content up")
PAGE_CACHED_BUSY = _kind(145, "cache.busy", "frame object thread", "the page just made busy stands on the cache queue")

# What frames hold (by the thread that changes it).
FRAME_ZERO = _kind(36, "frame.zero", "frame thread", "the frame's content is zero from now on")
FRAME_COPY = _kind(37, "frame.copy", "frame source thread", "the content of source is copied into frame")
FRAME_FILL = _kind(38, "frame.fill", "frame thread", "the frame's content comes from a file or from swap")
FRAME_STORE = _kind(39, "frame.store", "frame thread what", "a store into the frame that is no user's: a PTE gone astray, a device")

# Free lists.
FREE_TAKE = _kind(40, "free.take", "frame colour klass zeroed free", "a frame leaves the free lists; free is the count after")
FREE_PUT = _kind(41, "free.put", "frame zeroed free", "a frame enters the free lists")
FREE_FAIL = _kind(42, "free.fail", "klass free cache", "a request the thresholds forbid")
ALLOC_COLOUR = _kind(45, "alloc.colour", "thread object pindex colour", "the allocator computes a page's colour")
FREE_COUNTS = _kind(46, "free.counts", "free cache zeroed", "the free lists' counters, as the idle loop reads them")
FREE_WITHHOLD = _kind(43, "free.withhold", "frames free", "frames withheld (+) or given back (-)")

# Objects (actor is the object).
OBJECT_INSERT = _kind(50, "object.insert", "pindex frame", "a page becomes resident")
OBJECT_REMOVE = _kind(51, "object.remove", "pindex frame", "a page is resident no more")
OBJECT_VALID = _kind(52, "object.valid", "pindex frame old new", "valid bitmap")
OBJECT_IO = _kind(53, "object.io", "pindex frame old new", "soft-busy count")
OBJECT_PIP = _kind(54, "object.pip", "old new", "paging in progress")
OBJECT_REFS = _kind(55, "object.refs", "old new", "reference count")
OBJECT_BACKING = _kind(56, "object.backing", "backing offset", "what it shadows")
OBJECT_TYPE = _kind(57, "object.type", "old new", "object type")
OBJECT_SHADOWS = _kind(58, "object.shadow-count", "old new", "how many objects shadow it")

OBJECT_COLLAPSE = _kind(
    59,
    "object.collapse",
    "thread object backing how moved freed",
    "collapse: the backing object's pages have moved up or are freed, and it is gone; bypass: the object shadows what is behind it now; "
    "pages: paging is in progress, and only idle pages moved up (made by the thread)",
)

OBJECT_FLAGS = _kind(47, "object.flags", "old new", "flags of the object")
OBJECT_NEW = _kind(48, "object.new", "object type size refs backing offset", "an object is created (actor is the CPU)")
OBJECT_TREE = _kind(49, "object.tree", "resident reachable", "resident_page_count, and how many pages the splay tree reaches")

# Page tables (actor is the pmap).
PTE_SET = _kind(60, "pte.set", "vpn frame bits old_frame old_bits", "a PTE is stored")
PTE_CLEAR = _kind(61, "pte.clear", "vpn frame bits", "a PTE is swapped to 0; bits are the old ones")
PTE_BITS = _kind(62, "pte.bits", "vpn frame old new", "bits of a PTE change (protection, A, M)")
PT_INSTALL = _kind(63, "pt.install", "level slot frame", "a page-table page is installed")
PT_REMOVE = _kind(64, "pt.remove", "level slot frame", "an empty page-table page is unlinked")
PMAP_ACTIVE = _kind(65, "pmap.active", "cpu active", "a bit of pm_active")

PT_REFS = _kind(66, "pt.refs", "level slot frame old new", "reference count of a page-table page: its valid entries")

WINDOW_SET = _kind(67, "window.set", "frame old cpu", "a kernel window shows another page-table page; cpu is about to use it")

# Fictitious pages (actor is pq).
FAKE_NEW = _kind(68, "fake.new", "frame object pindex thread", "a page record without RAM, busy by thread, wired once")
FAKE_FREE = _kind(69, "fake.free", "frame", "it is dropped")

# TLB and interrupts (actor is the CPU unless said).
TLB_FILL = _kind(70, "tlb.fill", "pmap vpn frame bits", "a translation enters the TLB")
TLB_EVICT = _kind(71, "tlb.evict", "pmap vpn", "a translation leaves a full TLB")
TLB_FLUSH = _kind(
    72, "tlb.flush", "pmap start end reason", "translations of [start, end) of a pmap are dropped; pmap '' and 0 0: all non-global ones"
)
WINDOW_FILL = _kind(73, "window.fill", "window frame", "what a window shows enters the TLB")
IPI_SEND = _kind(75, "ipi.send", "vector target pmap start end", "an interrupt is sent")
IPI_DELIVER = _kind(76, "ipi.deliver", "vector initiator", "the handler runs")
SHOOT_BEGIN = _kind(78, "shootdown.begin", "thread pmap start end targets", "invalidate: targets are CPU numbers other than the own")
SHOOT_DONE = _kind(79, "shootdown.done", "thread pmap start end targets spin_ns", "every target has acknowledged")
STORE = _kind(80, "store", "thread pmap vpn frame", "a user store completed")
TLB_HIT = _kind(81, "access.hit", "thread vpn reason", "a recorded fault that the model does not need")
SHOOT_ARM = _kind(82, "shootdown.arm", "targets", "the rendezvous expects so many acknowledgements (actor smp)")
SHOOT_ACK = _kind(83, "shootdown.ack", "cpu remaining", "an acknowledgement arrived (actor smp)")

# Maps (actor is the map).
MAP_ADD = _kind(90, "map.add", "start end object offset prot flags", "an entry is inserted")
MAP_REMOVE = _kind(91, "map.remove", "start end object offset", "an entry, or a clipped part, is removed")
MAP_PROTECT = _kind(92, "map.protect", "start end prot", "protection of a range")
MAP_WIRE = _kind(95, "map.wire", "start end wired", "an entry is wired by its user, or no longer")
MAP_OBJECT = _kind(93, "map.object", "start object offset flags", "an entry gets an object")
MAP_CLIP = _kind(94, "map.clip", "start at", "the entry that begins at start is split in two at a page number")

# UMA zones (actor is the zone).
ZONE_ITEMS = _kind(96, "zone.items", "old new slabs", "free items of a zone, and how many slabs it has")

# Pagers (actor is the pager).
PAGER_START = _kind(100, "pager.start", "operation object pindex count", "read or write begins")
PAGER_DONE = _kind(101, "pager.done", "operation object pindex count ok", "read or write ends")

# Vnodes (actor is the vnode).
VNODE_HOLD = _kind(105, "vnode.hold", "old new", "hold count of a vnode: its object gets its first resident page, or loses its last one")

# ISA DMA (actor is the table of channels, or the driver's CPU).
DMA_BUFFER = _kind(106, "dma.buffer", "channel frame pages", "a DMA channel gets its bounce buffer")
DMA_INIT = _kind(138, "dma.init", "thread channel pages status", "a driver is told whether its channel has a bounce buffer: 0 or an error")
DMA_START = _kind(139, "dma.start", "thread channel frame pages", "a transfer begins; frame 0: through a null bounce buffer")

# Workload (CPU) and faults (whoever they hit).
TASK_STEP = _kind(110, "task.step", "task index operation late_ns", "a task begins an operation, so late after its recorded time")
TASK_END = _kind(111, "task.end", "task", "a task has done its last operation")
TASK_FORK = _kind(112, "task.fork", "task child how", "fork, vfork or thread")
TASK_MOVE = _kind(113, "task.move", "task target", "the task migrates to another CPU between two operations")
FAULT_DONE = _kind(
    114,
    "fault.done",
    "thread vpn how hard cow",
    "a page fault is resolved: soft, zero-fill, cow, hard; cow if it went through copy on write, by copying or moving the page up",
)
EXPECTED = _kind(115, "task.expect", "task index wanted found", "a script's expectation: wanted against found")
RETOUCH = _kind(
    116, "task.retouch", "task vpn write outcome", "a page touched lately is touched again (workload.retouch; not in the recording)"
)
FAULT_FIRED = _kind(120, "fault.fired", "fault what", "an injected fault takes effect here")
STRAY = _kind(121, "stray", "message sender why", "a message that nobody here awaits is ignored; only where a link has failed")
FRAME_OTHER = _kind(
    122,
    "frame.other",
    "frame thread object pindex pieces",
    "what was read into the frame is this page, and of what was last written to that only these 512-byte pieces (made by the thread)",
)
PAGER_TORN = _kind(
    123, "pager.torn", "frame object pindex pieces", "of a page that was written out only these 512-byte pieces reached the device"
)
FREE_ASIDE = _kind(124, "free.aside", "frame zeroed aside free", "a fault takes a free frame off its list (aside), or puts it back")
UNGUARDED = _kind(130, "unguarded", "field subject thread needed", "an access without its guard, performed all the same")
PEEK = _kind(131, "peek", "field thread", "an unlocked read the kernel declares")
HELD = _kind(117, "held", "thread point", "a script holds the thread at a named point of a kernel routine")
INJECTED = _kind(132, "injected", "what", "a scenario put this state here")
LOOP = _kind(134, "loop", "thread routine first measure", "an iteration of a loop that must end; the measure falls with each but the first")
BELIEF = _kind(
    135, "believes", "thread frame object pindex", "the thread goes on with a page it saw before it dropped a lock, taking it for this"
)
ARRAY = _kind(136, "page.array", "thread index size", "a page record is looked up by physical address: its index in vm_page_array")
TRANSITION = _kind(
    137,
    "page.transition",
    "thread frame object pindex begins",
    "a page begins (or ends) to be filled, moved or removed while its object's lock is dropped",
)
NOTE = _kind(133, "note", "text", "a step a kernel engineer wants to see named")

Record = tuple[object, ...]
"""``(number, field, ...)``."""

Head = tuple[int, int, int, str, str, int, str, int]
Entry = tuple[Head, str, list[Record]]
"""(event head, message word, records): what the trace, the digest and the checks are fed with."""


def named(record: Record) -> dict[str, object]:
    """A record as a mapping: ``kind`` and its fields by name."""
    kind = KINDS[int(record[0])]  # type: ignore[call-overload]
    return {"kind": kind.name, **dict(zip(kind.fields, record[1:], strict=True))}
